"""Expiry during use: access tokens, refresh tokens, AWS credentials."""

from __future__ import annotations

import time
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from nightproof import quilt
from nightproof.evidence import case
from nightproof.evidence import channel
from suites._support.hashes import sha256_hex
from suites._support.tokens import claims_of
from suites._support.tokens import sign
from suites._support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.quilt.records import Package_Creation_Result
    from suites._support.control import CallLog
    from suites._support.control import Control
    from suites._support.control import Faults
    from suites._support.observer import Observer
    from suites._support.people import People
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings
    from suites._support.work import Work

    Creation = Callable[[quilt.QuiltOps], Package_Creation_Result]

JOURNEY = "administer"
TIMEOUT_S = 10
FILE = "data1.csv"
SHORT_S = 5  # ends within a test, and leaves a slow machine time for one call
MARGIN_S = 60  # a client exchanges a token this long before its end
CALLS_S = 10


def expired(act: Callable[[], object]) -> str:
    """Return the expiry time that the error of an expired token or credential contains."""
    with pytest.raises(quilt.QuiltOpsError) as caught:
        act()
    assert type(caught.value) is quilt.AuthenticationError
    assert caught.value.context["reason"] == "expired"
    return str(caught.value.context["expires_at"])


def wait_until(moment: float) -> None:
    """Wait for a time in epoch seconds."""
    left = moment - time.time()
    wait_for("the end of what was given", lambda: time.time() > moment, deadline_s=max(left, 0) + 1, every_s=0.1)


@case(tier="high", category="tokens", needs=("mint_jwt",), journey=JOURNEY)
def test_token_expires_between_calls(make_ops: Callable[..., quilt.QuiltOps], target: Settings) -> None:
    """A token is accepted until its expiry, and the error afterwards contains the expiry time."""
    claims = claims_of(target.user, lives_s=SHORT_S)
    ops = make_ops({"access_token": sign(claims, target.jwt_secret())})
    assert {bucket.name for bucket in ops.list_buckets()} >= target.visible_buckets
    wait_until(claims["exp"] + 1)
    end = expired(ops.list_buckets)
    assert datetime.fromisoformat(end) == datetime.fromtimestamp(claims["exp"], UTC)


@case(tier="high", category="tokens", needs=("admin", "mint_jwt", "fault", "call_log"), journey=JOURNEY)
def test_refresh_is_used(
    people: People,
    make_ops: Callable[..., quilt.QuiltOps],
    target: Settings,
    observer: Observer,
    control: Control,
    fault: Faults,
    call_log: CallLog,
) -> None:
    """A token about to expire is exchanged once, and only the new refresh token is accepted from then on."""
    user = people.create("rotating").name
    token_url = f"{observer.config_json(target.catalog_url)['registryUrl']}/api/token"
    first = control.refresh_token(user)
    fault.set("catalog", "rotation-grace", user=user, seconds=1)
    fault.set("catalog", "token-life", user=user, seconds=MARGIN_S + CALLS_S)
    begun, before = time.time(), exchanges(call_log)
    claims = claims_of(user, lives_s=MARGIN_S + SHORT_S)
    access = sign(claims, target.jwt_secret())
    ops = make_ops({"access_token": access, "expires_at": claims["exp"], "refresh_token": first})
    asked = 0
    while time.time() < begun + CALLS_S:
        assert ops.list_all_packages(target.registry) != []
        asked += 1
        wait_until(min(begun + asked, begun + CALLS_S))
    assert exchanges(call_log) == before + 1
    refused = exchange(token_url, first)
    assert refused.status_code == requests.codes.unauthorized
    assert refused.json()["code"] == "token_invalid"
    wait_until(begun + SHORT_S + CALLS_S + 1)
    assert ops.list_all_packages(target.registry) != []
    assert exchanges(call_log) == before + 2


def exchange(token_url: str, refresh_token: str) -> requests.Response:
    """Exchange a refresh token on the observer channel, as another client would."""
    with channel("observer"):
        return requests.post(token_url, data={"refresh_token": refresh_token}, timeout=TIMEOUT_S)


def exchanges(call_log: CallLog) -> int:
    """Return the number of token exchanges by the system under test."""
    return sum(call.operation == "token" for call in call_log.calls("catalog"))


@case(tier="high", category="tokens", needs=("admin", "write", "mint_jwt", "fault"), journey=JOURNEY)
def test_expiry_during_create(
    people: People, work: Work, target: Settings, observer: Observer, fault: Faults, backend: str
) -> None:
    """If a token or AWS credentials expire during a creation, the package is complete or does not exist."""
    user, name = people.create("during").name, work.package_name("during")
    entries = [{"logical_key": FILE, "physical_key": f"s3://{target.data}/simple-csv/{FILE}"}]
    # The catalog checks the token once, on arrival; S3 checks the credentials of each of quilt3's many requests.
    outlived = {"platform": token_ends_during_construct, "quilt3": keys_end_during_push}[backend]
    outlived(people, fault, observer, user, lambda ops: ops.create_package_revision(name, work.registry, entries))
    left = observer.registry_state(work.bucket, name)
    assert (f".quilt/named_packages/{name}/latest" in left) == (backend == "platform")


def token_ends_during_construct(people: People, fault: Faults, observer: Observer, user: str, create: Creation) -> None:
    """Create while the token expires: the request was accepted before, so the package is complete."""
    fault.set("catalog", "latency", operation="construct", user=user, seconds=SHORT_S + 1)
    begun = time.time()
    made = create(people.sign_in(user, lives_s=SHORT_S))
    assert time.time() > begun + SHORT_S
    bucket = made.registry.removeprefix("s3://")
    assert observer.latest(bucket, made.package_name)[0] == made.top_hash
    manifest = observer.manifest(bucket, made.top_hash)
    assert (manifest.computed_hash, list(manifest.entries)) == (made.top_hash, [FILE])


def keys_end_during_push(people: People, fault: Faults, _observer: Observer, user: str, create: Creation) -> None:
    """Create while the AWS credentials expire: after the manifest, before the pointer, however slow the machine."""
    fault.set("catalog", "key-life", user=user, seconds=2 * SHORT_S - 1)
    fault.set("aws", "latency", operation="PutObject", user=user, seconds=SHORT_S)
    expired(lambda: create(people.sign_in(user)))


@case(tier="high", category="tokens", needs=("admin", "write", "mint_jwt", "fault"), journey=JOURNEY)
def test_aws_keys_expire(people: People, fault: Faults, seeds: Seeds, target: Settings) -> None:
    """Issued AWS credentials work until their expiry; afterwards both S3 and the interface reject them."""
    user = people.create("keys").name
    fault.set("catalog", "key-life", user=user, seconds=SHORT_S)
    ops, begun = people.sign_in(user), time.time()
    s3 = ops.get_boto3_client("s3")
    where: dict[str, Any] = {"Bucket": target.data, "Key": f"simple-csv/{FILE}"}
    assert sha256_hex(s3.get_object(**where)["Body"].read()) == seeds.sha256("simple-csv", FILE)
    wait_until(begun + SHORT_S + 1)
    with pytest.raises(ClientError) as caught:
        s3.get_object(**where)
    assert caught.value.response["Error"]["Code"] == "ExpiredToken"
    expired(ops.list_buckets)
