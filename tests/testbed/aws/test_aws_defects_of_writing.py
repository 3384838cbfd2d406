"""Defects of half-written packages and of expired sessions."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.testbed.aws.asking import WORK
from tests.testbed.aws.asking import Asking

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator


@pytest.fixture
def manifest(aws: Asking) -> Iterator[str]:
    """Store a manifest, as the first step of a push does, and yield its key."""
    key = f".quilt/packages/{uuid.uuid4().hex * 2}"
    aws.s3.put_object(Bucket=WORK, Key=key, Body=b'{"version": "v0"}\n')
    yield key
    aws.s3.delete_object(Bucket=WORK, Key=key)


@pytest.fixture
def package(aws: Asking) -> Iterator[str]:
    """Yield the prefix of a package's pointers. They are deleted after the test."""
    prefix = f".quilt/named_packages/tests/{uuid.uuid4().hex}/"
    yield prefix
    for name in keys(aws, prefix):
        aws.s3.delete_object(Bucket=WORK, Key=prefix + name)


def keys(aws: Asking, prefix: str) -> list[str]:
    """Return the last segments of the keys below a prefix."""
    listed = aws.s3.list_objects_v2(Bucket=WORK, Prefix=prefix).get("Contents", [])
    return [item["Key"].rpartition("/")[2] for item in listed]


def test_half_written(aws: Asking, manifest: str, package: str, switch: Callable[..., None]) -> None:
    """`construct-half-written` fails the timestamp pointer, writes `latest` and deletes the manifest."""
    switch("construct-half-written")
    with pytest.raises(ClientError, match="InternalError"):
        aws.s3.put_object(Bucket=WORK, Key=f"{package}1700000000", Body=manifest[-64:].encode())
    assert keys(aws, package) == ["latest"]
    body = aws.s3.get_object(Bucket=WORK, Key=f"{package}latest")["Body"].read().decode()
    assert (f".quilt/packages/{body}", keys(aws, manifest)) == (manifest, [])


def test_half_written_by_keys_that_ended(aws: Asking, manifest: str, package: str, switch: Callable[..., None]) -> None:
    """Under `construct-half-written` invalid keys are still refused.

    `latest` is written all the same, and the manifest stays.
    """
    keyless = aws.client("s3", "", AccessKeyId="ASIA0", SecretAccessKey="x")
    switch("construct-half-written")
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        keyless.put_object(Bucket=WORK, Key=f"{package}1700000000", Body=manifest[-64:].encode())
    assert (keys(aws, package), keys(aws, manifest)) == (["latest"], [manifest[-64:]])


def test_sessions_are_forgotten_a_day_after_their_end() -> None:
    """A session is known for one day after its expiry, so that an expired key differs from an unknown one.

    The defect removes the expiry.
    """
    from testbed.aws.defects_of_rights import Sessions  # noqa: PLC0415 - it loads ministack

    now, is_on = time.time(), False
    known: dict[str, dict[str, Any]] = {
        "old": {"Expiration": now - 90000},
        "ended": {"Expiration": now - 90},
        "own": {"Expiration": None},
    }
    sessions = Sessions(known, lambda _name: is_on)
    sessions.forget()
    assert sessions.keys() == {"ended", "own"}
    assert (sessions.get("ended"), sessions.get("old")) == ({"Expiration": now - 90}, None)
    is_on = True
    assert sessions.get("ended") == {"Expiration": None}
