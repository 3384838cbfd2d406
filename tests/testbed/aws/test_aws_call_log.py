"""The call log holds AWS's name of each operation, its caller and its status."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import httpx
import pytest

from testbed.aws.operations import identify
from tests.testbed.aws.asking import DATA
from tests.testbed.aws.asking import WORK
from tests.testbed.aws.asking import Asking
from tests.testbed.aws.asking import refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TAGS = {"TagSet": [{"Key": "a", "Value": "b"}]}
S3_CALLS: list[tuple[str, dict[str, Any]]] = [
    ("ListBuckets", {}),
    ("HeadBucket", {"Bucket": WORK}),
    ("ListObjects", {"Bucket": WORK}),
    ("ListObjectsV2", {"Bucket": WORK}),
    ("ListObjectVersions", {"Bucket": WORK}),
    ("ListMultipartUploads", {"Bucket": WORK}),
    ("GetBucketVersioning", {"Bucket": WORK}),
    ("PutBucketVersioning", {"Bucket": WORK, "VersioningConfiguration": {"Status": "Enabled"}}),
    ("GetBucketPolicy", {"Bucket": WORK}),
    ("GetBucketLocation", {"Bucket": WORK}),
    ("GetBucketTagging", {"Bucket": WORK}),
    ("GetBucketLifecycleConfiguration", {"Bucket": WORK}),
    ("GetPublicAccessBlock", {"Bucket": WORK}),
    ("HeadObject", {"Bucket": WORK, "Key": "x"}),
    ("GetObject", {"Bucket": WORK, "Key": "x"}),
    ("GetObjectTagging", {"Bucket": WORK, "Key": "x"}),
    ("PutObjectTagging", {"Bucket": WORK, "Key": "x", "Tagging": TAGS}),
    ("DeleteObjectTagging", {"Bucket": WORK, "Key": "x"}),
    ("GetObjectAttributes", {"Bucket": WORK, "Key": "x", "ObjectAttributes": ["ETag"]}),
    ("CopyObject", {"Bucket": WORK, "Key": "y", "CopySource": f"{WORK}/x"}),
    ("ListParts", {"Bucket": WORK, "Key": "x", "UploadId": "u"}),
    ("UploadPart", {"Bucket": WORK, "Key": "x", "UploadId": "u", "PartNumber": 1}),
    ("UploadPartCopy", {"Bucket": WORK, "Key": "x", "UploadId": "u", "PartNumber": 1, "CopySource": f"{WORK}/x"}),
    ("CompleteMultipartUpload", {"Bucket": WORK, "Key": "x", "UploadId": "u"}),
    ("AbortMultipartUpload", {"Bucket": WORK, "Key": "x", "UploadId": "u"}),
    ("DeleteObject", {"Bucket": WORK, "Key": "no-such-key"}),
    ("DeleteObjects", {"Bucket": WORK, "Delete": {"Objects": [{"Key": "no-such-key"}]}}),
    ("DeleteBucket", {"Bucket": WORK}),
]


def _method(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name.replace("V2", "_v2")).strip("_")


@pytest.mark.parametrize(("name", "parameters"), S3_CALLS, ids=[name for name, _ in S3_CALLS])
def test_s3_requests_are_named_as_the_api_does(aws: Asking, name: str, parameters: dict[str, Any]) -> None:
    """The log holds the API name of each S3 request, whatever its answer.

    The runner may do none of the harmful ones.
    """
    client = aws.client("s3", "ci-runner")
    [call] = aws.calls(client, lambda: refused(lambda: getattr(client, _method(name))(**parameters)))
    assert call["operation"] == name
    assert call["user"] == "ci-runner"
    assert (call["channel"], call["phase"]) == ("subject", "call")


@pytest.mark.parametrize(
    ("service", "method", "operation"),
    [
        ("sts", "get_caller_identity", "sts:GetCallerIdentity"),
        ("iam", "list_users", "iam:ListUsers"),
        ("glue", "get_databases", "glue:GetDatabases"),
        ("athena", "list_data_catalogs", "athena:ListDataCatalogs"),
    ],
)
def test_other_services_are_named_by_their_action(aws: Asking, service: str, method: str, operation: str) -> None:
    """The action of another service is read from the form body or the target header."""
    client = aws.client(service, "ci-runner")
    [call] = aws.calls(client, lambda: refused(getattr(client, method)))
    assert call["operation"] == operation


def test_status_and_refusals_are_noted(aws: Asking) -> None:
    """A refused request is logged with the status that its caller got."""
    client = aws.client("s3", "ci-runner")
    [call] = aws.calls(client, lambda: refused(lambda: client.put_object(Bucket=DATA, Key="x", Body=b"")))
    assert (call["operation"], call["status"]) == ("PutObject", 403)
    assert call["ms"] > 0


def test_a_session_is_logged_by_its_name(aws: Asking) -> None:
    """A request with credentials of an assumed role is logged under its session name."""
    role = {"RoleArn": "arn:aws:iam::000000000000:role/quilt-mcp-test-role", "RoleSessionName": "tests"}
    keys = aws.client("sts", "ci-runner").assume_role(**role)["Credentials"]
    client = aws.client("s3", "", **{name: str(value) for name, value in keys.items()})
    [call] = aws.calls(client, lambda: client.list_objects_v2(Bucket=DATA))
    assert (call["user"], call["status"]) == ("tests", 200)


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "body", "name"),
    [
        ("GET", "/b/k", "X-Amz-Credential=AK/20240101/us-east-1/s3/aws4_request", {}, b"", "GetObject"),
        ("POST", "/b", "", {}, b"", "PostObject"),
        ("OPTIONS", "/b/k", "", {}, b"", "OPTIONS of key"),
        ("PATCH", "/", "", {}, b"", "PATCH of account"),
        (
            "POST", "/", "", {"content-type": "application/x-www-form-urlencoded"},
            b"Action=AssumeRoleWithWebIdentity", "sts:AssumeRoleWithWebIdentity",
        ),
        ("GET", "/", "Action=GetUser&X-Amz-Credential=AK/20240101/us-east-1/iam/aws4_request", {}, b"", "iam:GetUser"),
        (
            "GET", "/functions", "", {"authorization": "Credential=AK/20240101/us-east-1/lambda/aws4_request, x"},
            b"", "lambda:GET /functions",
        ),
    ],
)  # fmt: skip
def test_requests_without_an_sdk_are_named_too(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes, name: str
) -> None:
    """Presigned, unsigned and unknown requests get the nearest operation name."""
    assert identify(method, path, query, headers, body).name == name


def test_keys_are_taken_as_they_are() -> None:
    """The path arrives decoded, so a percent sign in the key is not decoded again."""
    assert identify("GET", "/b/a%25 b", "", {}).key == "a%25 b"


def test_the_answer_has_one_date(aws: Asking) -> None:
    """A response has one Date header, because clients that join repeated headers could not parse two."""
    assert len(httpx.get(f"{aws.url}/{WORK}").headers.get_list("date")) == 1


def test_the_log_is_kept_on_disk(aws: Asking) -> None:
    """The call log is also a file with one call per line, to be read after the night."""
    path: Path = aws.target.state_dir / "testbed" / "calls" / "aws.jsonl"
    assert '"operation": "sts:GetCallerIdentity"' in path.read_text(encoding="utf-8")


def test_a_refused_upload_leaves_the_connection_usable(aws: Asking, switch: Callable[..., None], prefix: str) -> None:
    """An upload refused before its body (Expect: 100-continue) leaves the connection usable for the next request."""
    switch("error", operation="PutObject", status=501, code="NotImplemented")
    client = aws.client("s3")
    assert refused(lambda: client.put_object(Bucket=WORK, Key=f"{prefix}x", Body=b"1" * 1000)) == "NotImplemented"
    assert [refused(lambda: client.get_object(Bucket=WORK, Key=f"{prefix}x")) for _ in range(3)] == ["NoSuchKey"] * 3
