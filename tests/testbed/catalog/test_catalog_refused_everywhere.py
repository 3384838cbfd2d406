"""A token that does not count is refused at every door: GraphQL, REST, browsing, the lending of keys, and S3 itself."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import boto3
import jwt
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.testbed.catalog.calling import DATA
from tests.testbed.catalog.calling import token_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    import httpx

    from tests.testbed.catalog.calling import Calling

KEY: Final = "doors/open.txt"
SESSION: Final = "mutation { browsingSessionCreate(scope: %s) { ... on BrowsingSession { id } } }"


def _tampered(_catalog: Calling, good: str) -> str:
    body, _, signature = good.rpartition(".")
    return f"{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


def _other_registry(catalog: Calling, good: str) -> str:
    claims = jwt.decode(good, options={"verify_signature": False})
    return jwt.encode(claims, f"{catalog.target.jwt_secret} of another registry", "HS256")


def _unsigned(_catalog: Calling, good: str) -> str:
    return jwt.encode(jwt.decode(good, options={"verify_signature": False}), "", algorithm="none")


def _expired(catalog: Calling, good: str) -> str:
    claims = jwt.decode(good, options={"verify_signature": False})
    return jwt.encode(claims | {"exp": int(time.time()) - 1}, catalog.target.jwt_secret, "HS256")


def _deactivated(catalog: Calling, good: str) -> str:
    catalog.sql("UPDATE users SET is_active = 0 WHERE name = 'doors'")
    return good


def _revoked(catalog: Calling, good: str) -> str:
    catalog.control("PUT", "faults/revoke-token", {"token": good})
    return good


# By what is wrong: how a good token becomes such a one, and the code of its refusal.
BAD: dict[str, tuple[Callable[[Calling, str], str], str]] = {
    "expired": (_expired, "token_expired"),
    "of a deactivated user": (_deactivated, "user_inactive"),
    "revoked": (_revoked, "token_revoked"),
    "of a tampered signature": (_tampered, "token_invalid"),
    "of algorithm none": (_unsigned, "token_invalid"),
    "of another registry": (_other_registry, "token_invalid"),
}


@pytest.fixture
def good(catalog: Calling, admin: Any) -> Iterator[str]:
    """Give the token of a user of the test's own."""
    catalog.put_object(KEY, b"open", DATA)
    admin.users.create("doors", "doors@test.com", "user")
    yield token_of(catalog, "doors").partition(" ")[2]
    catalog.control("DELETE", "faults/revoke-token")
    admin.users.delete("doors")


@pytest.fixture
def doors(catalog: Calling, good: str) -> dict[str, Callable[[str], httpx.Response]]:
    """Give a request at every door of the catalog, each of which lets the good token in."""
    hash_ = catalog.package("doors/sample", {"a.txt": b"a"})
    scope = f'"s3://quilt-mcp-test-work#package=doors/sample&hash={hash_}"'
    opened = catalog.data(SESSION % scope, user="", Authorization=f"Bearer {good}")["browsingSessionCreate"]["id"]
    root = catalog.target.catalog_url

    def at(path: str) -> Callable[[str], httpx.Response]:
        return lambda token: catalog.http.get(f"{root}{path}", headers={"Authorization": f"Bearer {token}"})

    return {
        "GraphQL": lambda token: catalog.post("{ me { name } }", user="", Authorization=f"Bearer {token}"),
        "search": at("/registry/api/search?index=_all&query=x"),
        "keys": at("/registry/api/auth/get_credentials"),
        "browse": at(f"/browse/{opened}/a.txt"),
    }


@pytest.mark.parametrize("what", sorted(BAD))
def test_a_bad_token_is_refused_at_every_door(
    catalog: Calling, good: str, doors: dict[str, Callable[[str], httpx.Response]], what: str
) -> None:
    """The good one gets in everywhere first; the bad one is 401 with its code, and S3 takes no tokens at all."""
    assert {name: ask(good).status_code for name, ask in doors.items()} == {
        "GraphQL": 200, "search": 200, "keys": 200, "browse": 302,
    }  # fmt: skip
    make, code = BAD[what]
    bad = make(catalog, good)
    answers = {name: ask(bad) for name, ask in doors.items()}
    assert {name: (a.status_code, a.json()["code"]) for name, a in answers.items()} == dict.fromkeys(doors, (401, code))
    url = f"{catalog.target.aws_url}/{DATA}/{KEY}"
    at_s3 = catalog.http.get(url, headers={"Authorization": f"Bearer {bad}"})
    assert (at_s3.status_code, "<Code>AccessDenied</Code>" in at_s3.text) == (403, True)


def lent(catalog: Calling, token: str) -> dict[str, str]:
    """Give the keys that a token gets."""
    headers = {"Authorization": f"Bearer {token}"}
    keys: dict[str, str] = catalog.http.get(f"{catalog.registry}/api/auth/get_credentials", headers=headers).json()
    return keys


def read_with(catalog: Calling, keys: dict[str, str]) -> tuple[int, str]:
    """Read the object with keys, and give status and code of the answer."""
    session = boto3.session.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], "us-east-1")
    config = Config(signature_version="s3v4", retries={"total_max_attempts": 1})
    try:
        session.client("s3", endpoint_url=catalog.target.aws_url, config=config).get_object(Bucket=DATA, Key=KEY)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return 200, ""


BAD_KEYS: dict[str, tuple[dict[str, str], tuple[int, str]]] = {
    "of another session": ({"SessionToken": "another"}, (400, "InvalidToken")),
    "of a tampered secret": ({"SecretAccessKey": "tampered"}, (403, "SignatureDoesNotMatch")),
    "of another account": ({"AccessKeyId": "ASIAOTHERACCOUNT0000"}, (403, "InvalidAccessKeyId")),
}


@pytest.mark.parametrize("what", sorted(BAD_KEYS))
def test_keys_that_do_not_count_are_refused_at_s3(catalog: Calling, good: str, what: str) -> None:
    """The lent ones read the object first; changed ones meet S3's own errors."""
    keys = lent(catalog, good)
    assert read_with(catalog, keys) == (200, "")
    change, expected = BAD_KEYS[what]
    assert read_with(catalog, keys | change) == expected


def test_lent_keys_end_as_expired_also_after_others_were_lent(
    catalog: Calling, good: str, switch: Callable[..., None], switch_storage: Callable[..., None]
) -> None:
    """They name a full life and are taken back before; S3 says ExpiredToken, and a defect goes on taking them."""
    switch("key-life", user="doors", seconds=2)
    keys = lent(catalog, good)
    assert read_with(catalog, keys) == (200, "")
    catalog.control("DELETE", "faults/key-life")
    ends = time.monotonic() + 15
    while read_with(catalog, keys) == (200, ""):
        assert time.monotonic() < ends, "the keys do not expire"
        time.sleep(0.1)
    fresh = lent(catalog, good)
    assert read_with(catalog, keys) == (400, "ExpiredToken")
    assert read_with(catalog, fresh) == (200, "")
    switch_storage("s3-accepts-expired-keys")
    assert read_with(catalog, keys) == (200, "")


def test_a_defect_lets_everybody_with_keys_do_everything_on_s3(
    catalog: Calling, good: str, switch_storage: Callable[..., None]
) -> None:
    """What the role may not read is read while the defect is on; whoever has no valid keys stays out."""
    hidden: dict[str, Any] = {"Bucket": "quilt-mcp-test-private", "Key": KEY}
    catalog.s3.put_object(**hidden, Body=b"hidden")
    keys = lent(catalog, good)
    session = boto3.session.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], "us-east-1")
    s3 = session.client("s3", endpoint_url=catalog.target.aws_url, config=Config(signature_version="s3v4"))
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_object(**hidden)
    switch_storage("s3-ignores-iam")
    assert s3.get_object(**hidden)["Body"].read() == b"hidden"
    assert read_with(catalog, keys | {"SessionToken": "another"}) == (400, "InvalidToken")
    with pytest.raises(ClientError, match="AccessDenied"):
        session.client("iam", endpoint_url=catalog.target.aws_url).list_users()
    catalog.s3.delete_object(**hidden)
