"""The credentials that the catalog vends, tried on S3: six actions on every bucket, as in the role table."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from testbed.aws import inventory
from testbed.catalog.people import ROLES
from tests.testbed.catalog.calling import token_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.testbed.catalog.calling import Calling

KEY = "matrix/object"
FRESH = "matrix/fresh"
ACTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "s3:ListBucket": ("list_objects_v2", {"MaxKeys": 1}),
    "s3:ListBucketVersions": ("list_object_versions", {"MaxKeys": 1}),
    "s3:GetObject": ("get_object", {"Key": KEY}),
    "s3:GetObjectVersion": ("get_object", {"Key": KEY, "VersionId": ""}),
    "s3:PutObject": ("put_object", {"Key": FRESH, "Body": b"x"}),
    "s3:DeleteObject": ("delete_object", {"Key": FRESH}),
}
WRITES = {"s3:PutObject", "s3:DeleteObject"}


@pytest.fixture(scope="module")
def versions(catalog: Calling) -> dict[str, str]:
    """Store one object in every bucket of the account and return its version per bucket."""
    put = catalog.s3.put_object
    return {name: put(Bucket=name, Key=KEY, Body=b"x").get("VersionId", "null") for name in inventory.EVERYTHING}


@pytest.fixture
def lent(catalog: Calling, admin: Any, role: str) -> Iterator[Any]:
    """Yield an S3 client with the credentials of a user with the role."""
    name = f"matrix-{role}"
    admin.users.create(name, f"{name}@test.com", role)
    headers = {"Authorization": token_of(catalog, name)}
    keys = catalog.http.get(f"{catalog.registry}/api/auth/get_credentials", headers=headers).json()
    session = boto3.session.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], "us-east-1")
    config = Config(signature_version="s3v4", retries={"total_max_attempts": 1})
    yield session.client("s3", endpoint_url=catalog.target.aws_url, config=config)
    admin.users.delete(name)


def allowed(s3: Any, bucket: str, action: str, version: str) -> bool:
    """Return whether S3 allows an action. A denial must be AccessDenied with status 403."""
    operation, parameters = ACTIONS[action]
    given = {name: value or version for name, value in parameters.items()}
    try:
        getattr(s3, operation)(Bucket=bucket, **given)
    except ClientError as error:
        answer = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert answer == ("AccessDenied", 403)
        return False
    return True


@pytest.mark.parametrize("role", ["viewer", *sorted(ROLES.keys() - {"viewer"})])
def test_keys_may_on_s3_what_the_role_table_says(lent: Any, versions: dict[str, str], role: str) -> None:
    """A role's credentials allow exactly what the table says, on every bucket of the account and for six actions."""
    reads, writes = ROLES[role]
    expected = {
        (bucket, action): bucket in (writes if action in WRITES else reads)
        for bucket in inventory.EVERYTHING
        for action in ACTIONS
    }
    assert len(expected) == 48
    assert {(b, action): allowed(lent, b, action, versions[b]) for b, action in expected} == expected
