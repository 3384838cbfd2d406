"""The credentials that the catalog vends, used at S3: their expiry, and two defects that admit too much."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.testbed.catalog.calling import DATA
from tests.testbed.catalog.calling import token_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from tests.testbed.catalog.calling import Calling

KEY: Final = "doors/open.txt"


@pytest.fixture
def good(catalog: Calling, admin: Any) -> Iterator[str]:
    """Yield a token of a user created for this test."""
    catalog.put_object(KEY, b"open", DATA)
    admin.users.create("doors", "doors@test.com", "user")
    yield token_of(catalog, "doors").partition(" ")[2]
    admin.users.delete("doors")


def lent(catalog: Calling, token: str) -> dict[str, str]:
    """Return the credentials that the catalog vends for a token."""
    headers = {"Authorization": f"Bearer {token}"}
    keys: dict[str, str] = catalog.http.get(f"{catalog.registry}/api/auth/get_credentials", headers=headers).json()
    return keys


def read_with(catalog: Calling, keys: dict[str, str]) -> tuple[int, str]:
    """Read the object with credentials and return status and error code."""
    session = boto3.session.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], "us-east-1")
    config = Config(signature_version="s3v4", retries={"total_max_attempts": 1})
    try:
        session.client("s3", endpoint_url=catalog.target.aws_url, config=config).get_object(Bucket=DATA, Key=KEY)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return 200, ""


def test_s3_takes_no_tokens(catalog: Calling, good: str) -> None:
    """S3 denies a bearer token that the catalog accepts."""
    url = f"{catalog.target.aws_url}/{DATA}/{KEY}"
    answer = catalog.http.get(url, headers={"Authorization": f"Bearer {good}"})
    assert (answer.status_code, "<Code>AccessDenied</Code>" in answer.text) == (403, True)


def test_lent_keys_end_as_expired_also_after_others_were_lent(
    catalog: Calling, good: str, switch: Callable[..., None], switch_storage: Callable[..., None]
) -> None:
    """Credentials shortened by `key-life` state a full lifetime but expire early.

    `s3-accepts-expired-keys` still accepts them.
    """
    assert read_with(catalog, lent(catalog, good)) == (200, "")
    switch("key-life", user="doors", seconds=1)
    keys = lent(catalog, good)
    assert datetime.fromisoformat(keys["Expiration"]).timestamp() > time.time() + 3000
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
    """`s3-ignores-iam` lets valid credentials read forbidden objects. Invalid ones and other services stay denied."""
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
