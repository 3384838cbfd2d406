"""The checks of AWS, against a server that enforces permissions."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING
from typing import Any

import boto3
import httpx
import pytest

from nightproof.profile import Check
from nightproof.profile import Profile
from nightproof.profile import Secrets
from nightproof.provisioning import verify
from nightproof.target import Target
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALLOWED = ["arn:aws:s3:::quilt-mcp-test-work/*"]
OPEN = {"BlockPublicAcls": True, "IgnorePublicAcls": True, "BlockPublicPolicy": True, "RestrictPublicBuckets": True}

AES = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}


def _client(url: str, service: str) -> Any:
    session: Any = boto3.session.Session()
    return session.client(
        service, endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """Start an AWS server that enforces policies."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    env = os.environ | {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "LOG_LEVEL": "ERROR", "AUTH": "true"}
    env["IOT_MTLS_ENABLED"] = "false"  # its MQTT server would listen on every address
    server = subprocess.Popen([sys.executable, "-m", "ministack"], env=env, stdout=subprocess.DEVNULL)
    try:
        await_value(lambda: _answers(url), 30)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def _answers(url: str) -> bool:
    try:
        return bool(httpx.get(url).status_code)
    except httpx.HTTPError:
        return False


def _user(url: str, name: str, actions: list[str], resources: list[str]) -> dict[str, str]:
    iam = _client(url, "iam")
    iam.create_user(UserName=name)
    statement = [{"Effect": "Allow", "Action": actions, "Resource": resources}]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}


@pytest.fixture(scope="module")
def identities(aws: str) -> dict[str, dict[str, str]]:
    """Create the identities: a limited one, and one with all S3 permissions."""
    return {
        "ci-runner": _user(aws, "ci-runner", ["s3:PutObject", "s3:GetObject"], ALLOWED),
        "ci-seeder": _user(aws, "ci-seeder", ["s3:*"], ["*"]),
    }


@pytest.fixture(scope="module")
def buckets(aws: str) -> None:
    """Create the buckets as the suites expect them."""
    for short in ("data", "scratch", "packages", "work", "perf", "private", "west"):
        name, region = f"quilt-mcp-test-{short}", "us-west-2" if short == "west" else "us-east-1"
        session: Any = boto3.session.Session()
        s3 = session.client(
            "s3", endpoint_url=aws, region_name=region, aws_access_key_id="test", aws_secret_access_key="test"
        )
        place = {"CreateBucketConfiguration": {"LocationConstraint": region}} if short == "west" else {}
        s3.create_bucket(Bucket=name, **place)
        if short != "scratch":
            s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=AES)
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=OPEN)


@pytest.fixture
def target(aws: str, identities: dict[str, dict[str, str]], buckets: None, tmp_path: Path) -> Target:
    """Return an embedded target on that server."""
    del buckets
    facts = {"services": {"aws": {"url": aws, "pid": os.getpid()}, "catalog": {"url": "", "pid": os.getpid()}}}
    profile = Profile.model_validate({"target": "embedded"})
    return Target(profile, Secrets(), tmp_path, facts | {"credentials": dict(identities), "refresh_tokens": {}})


def test_the_endpoint_answers(target: Target) -> None:
    """An AWS endpoint that answers passes the check."""
    assert verify(target, Check(kind="aws-endpoint")).ok


def test_the_identities_are_users(target: Target) -> None:
    """The identity check returns both users, neither of them the root."""
    detail = verify(target, Check(kind="aws-identity")).detail

    assert "user/ci-runner" in detail
    assert "user/ci-seeder" in detail


def test_the_root_is_refused_as_an_identity(target: Target) -> None:
    """The root is refused as an identity, since it would prove nothing about permissions."""
    target.facts["credentials"] = {"ci-runner": {"access_key_id": "test", "secret_access_key": "test"}} | {
        name: keys for name, keys in target.facts["credentials"].items() if name != "ci-runner"
    }

    assert ":root" in verify(target, Check(kind="aws-identity")).detail


def test_the_buckets_are_as_expected(target: Target) -> None:
    """All seven buckets exist with region, versioning, encryption and public access block."""
    assert verify(target, Check(kind="buckets")).detail == "7 buckets as expected"


def test_a_missing_bucket_is_named(target: Target) -> None:
    """A missing bucket is named, and the remedy names the profile section."""
    names = target.profile.names.model_copy(update={"bucket_perf": "nobody-made-this"})
    target.profile = target.profile.model_copy(update={"names": names})

    result = verify(target, Check(kind="buckets"))

    assert not result.ok
    assert "`nobody-made-this`" in result.detail
    assert "[names]" in result.remedy


def test_a_bucket_in_another_region_is_named(target: Target) -> None:
    """A bucket in the wrong region is named with both regions."""
    names = target.profile.names.model_copy(update={"bucket_west": "quilt-mcp-test-perf"})
    target.profile = target.profile.model_copy(update={"names": names})

    assert "bucket `quilt-mcp-test-perf` is in us-east-1, not us-west-2" in verify(target, Check(kind="buckets")).detail


def test_a_permission_that_the_harness_lacks_is_named(target: Target, aws: str) -> None:
    """A missing permission is named with operation, code and remedy, and not reported as a missing property."""
    actions = ["s3:GetBucketLocation", "s3:GetBucketVersioning"]
    target.facts["credentials"]["ci-seeder"] = _user(aws, "half-blind", actions, ["*"])

    result = verify(target, Check(kind="buckets"))

    assert result.detail.startswith("GetBucketEncryption was refused: AccessDenied")
    assert "permission for this call" in result.remedy


@pytest.mark.parametrize(
    ("breaks", "mends", "said"),
    [
        (
            lambda s3, b: s3.put_bucket_versioning(Bucket=b, VersioningConfiguration={"Status": "Suspended"}),
            lambda s3, b: s3.put_bucket_versioning(Bucket=b, VersioningConfiguration={"Status": "Enabled"}),
            "has versioning Suspended",
        ),
        (
            lambda s3, b: s3.delete_public_access_block(Bucket=b),
            lambda s3, b: s3.put_public_access_block(Bucket=b, PublicAccessBlockConfiguration=OPEN),
            "lacks BlockPublicAcls, IgnorePublicAcls",
        ),
    ],
    ids=["versioning", "public-access"],
)
def test_a_wrong_property_is_named(target: Target, aws: str, breaks: Any, mends: Any, said: str) -> None:
    """A wrong property of a bucket is named."""
    s3 = _client(aws, "s3")
    breaks(s3, "quilt-mcp-test-data")
    try:
        result = verify(target, Check(kind="buckets"))
    finally:
        mends(s3, "quilt-mcp-test-data")

    assert said in result.detail


def test_the_limits_of_the_role_hold_and_nothing_is_written(target: Target, aws: str) -> None:
    """Writing is allowed to the work bucket and refused elsewhere, and no object is written."""
    assert verify(target, Check(kind="role-limits")).ok

    for bucket in ("quilt-mcp-test-work", "quilt-mcp-test-data"):
        assert "Contents" not in _client(aws, "s3").list_objects_v2(Bucket=bucket)


def test_a_role_that_may_too_much_is_found(target: Target) -> None:
    """A role with the seeder's permissions fails the check."""
    target.facts["credentials"] = dict.fromkeys(target.facts["credentials"], target.facts["credentials"]["ci-seeder"])

    assert "may write to `quilt-mcp-test-data`" in verify(target, Check(kind="role-limits")).detail


def test_a_role_that_may_too_little_is_found(target: Target, aws: str) -> None:
    """A role that may not write to the work bucket fails the check."""
    target.facts["credentials"]["ci-runner"] = _user(aws, "powerless", ["s3:GetObject"], ["arn:aws:s3:::x/*"])

    assert "cannot write to `quilt-mcp-test-work`" in verify(target, Check(kind="role-limits")).detail
