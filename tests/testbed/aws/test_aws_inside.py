"""Corrections inside the emulator: the version `null` of an unversioned object, and IAM wildcards."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING
from typing import Any

import httpx
import pytest

from tests.testbed.aws.asking import DATA
from tests.testbed.aws.asking import SCRATCH
from tests.testbed.aws.asking import WORK
from tests.testbed.aws.asking import refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.testbed.aws.asking import Asking

BODY = b"0123456789"
Place = dict[str, str]


def part_copy(s3: Any, source: Place, target: Place, **more: Any) -> bytes:
    """Copy a source as the only part of an upload and return the bytes of the resulting object."""
    upload = s3.create_multipart_upload(**target)["UploadId"]
    try:
        made = s3.upload_part_copy(**target, UploadId=upload, PartNumber=1, CopySource=source, **more)["CopyPartResult"]
    except s3.exceptions.ClientError:
        s3.abort_multipart_upload(**target, UploadId=upload)
        raise
    parts = [{"PartNumber": 1, "ETag": made["ETag"]}]
    s3.complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})
    return bytes(s3.get_object(**target)["Body"].read())


def read_presigned(s3: Any, named: Place) -> bytes:
    """Return the bytes at a place, read through a presigned URL."""
    return httpx.get(s3.generate_presigned_url("get_object", Params=named), timeout=30).raise_for_status().content


READS: dict[str, Callable[[Any, Place, Place], Any]] = {
    "get": lambda s3, named, _: s3.get_object(**named)["Body"].read(),
    "head": lambda s3, named, _: s3.head_object(**named)["ContentLength"],
    "presigned": lambda s3, named, _: read_presigned(s3, named),
    "attributes": lambda s3, named, _: s3.get_object_attributes(**named, ObjectAttributes=["ObjectSize"])["ObjectSize"],
    "tagging": lambda s3, named, _: s3.get_object_tagging(**named)["TagSet"],
    "part": part_copy,
    "range of a part": lambda s3, named, to: part_copy(s3, named, to, CopySourceRange="bytes=2-4"),
    "copy": lambda s3, named, to: (
        s3.copy_object(**to, CopySource=named),
        s3.get_object(**to)["Body"].read(),
    )[1],
    "copy with a checksum": lambda s3, named, to: s3.copy_object(**to, CopySource=named, ChecksumAlgorithm="SHA256")[
        "CopyObjectResult"
    ].get("ChecksumSHA256"),
}
EXPECTED: dict[str, Any] = dict.fromkeys(READS, BODY) | {
    "head": len(BODY),
    "attributes": len(BODY),
    "tagging": [],
    "range of a part": BODY[2:5],
    "copy with a checksum": base64.b64encode(hashlib.sha256(BODY).digest()).decode(),
}


@pytest.mark.parametrize("kind", sorted(READS))
@pytest.mark.parametrize("name", ["plain", "a b?versionId=null&c+%2F"])
def test_null_is_the_version_of_an_unversioned_object(aws: Asking, prefix: str, name: str, kind: str) -> None:
    """Version `null` of an unversioned object reads and copies as without a version, also if the key contains one."""
    source, target = {"Bucket": SCRATCH, "Key": prefix + name}, {"Bucket": SCRATCH, "Key": f"{prefix}copy"}
    aws.s3.put_object(**source, Body=BODY)
    assert READS[kind](aws.s3, source, target) == EXPECTED[kind]
    assert READS[kind](aws.s3, source | {"VersionId": "null"}, target) == EXPECTED[kind]


@pytest.mark.parametrize("kind", ["attributes", "copy", "part"])
def test_null_is_no_version_of_a_versioned_object(aws: Asking, prefix: str, kind: str) -> None:
    """A versioned object has no version `null`; its versions are found by their ids."""
    source, target = {"Bucket": WORK, "Key": f"{prefix}a"}, {"Bucket": SCRATCH, "Key": f"{prefix}copy"}
    version = aws.s3.put_object(**source, Body=BODY)["VersionId"]
    assert READS[kind](aws.s3, source | {"VersionId": version}, target) == EXPECTED[kind]
    assert refused(lambda: READS[kind](aws.s3, source | {"VersionId": "null"}, target)) == "NoSuchVersion"


@pytest.mark.parametrize("is_many", [False, True])
def test_null_is_deleted_in_an_unversioned_bucket(aws: Asking, prefix: str, *, is_many: bool) -> None:
    """Deleting version `null` in an unversioned bucket deletes the object, alone and in a list."""
    place = {"Bucket": SCRATCH, "Key": f"{prefix}a"}
    aws.s3.put_object(**place, Body=BODY)
    if is_many:
        listed = {"Objects": [{"Key": place["Key"], "VersionId": "null"}]}
        assert "Errors" not in aws.s3.delete_objects(Bucket=SCRATCH, Delete=listed)
    else:
        aws.s3.delete_object(**place, VersionId="null")
    assert refused(lambda: aws.s3.head_object(**place)) == "404"


@pytest.mark.parametrize("key", ["a\nb", "\n", "a\r\nb", "a\u2028b", "ends\n"])
def test_a_star_of_iam_is_every_character(aws: Asking, prefix: str, key: str) -> None:
    """Rights on `bucket/*` cover keys with line breaks too, and no other bucket."""
    user = aws.client("s3", "ci-runner")
    place = {"Bucket": SCRATCH, "Key": prefix + key}
    user.put_object(**place, Body=BODY)
    assert user.get_object(**place)["Body"].read() == BODY
    assert prefix + key in [one["Key"] for one in user.list_objects_v2(Bucket=SCRATCH, Prefix=prefix)["Contents"]]
    user.delete_object(**place)
    assert refused(lambda: user.put_object(Bucket=DATA, Key=prefix + key, Body=BODY)) == "AccessDenied"


@pytest.mark.parametrize(
    ("pattern", "ignore_case", "text", "is_met"),
    [
        ("a/*", False, "a/\nb", True),
        ("a?c", False, "a\nc", True),
        ("a", False, "a\n", False),
        ("a.c", False, "abc", False),
        ("a*", False, "A\n", False),
        ("S3:get*", True, "s3:GetObject", True),
    ],
)
def test_wildcards_are_those_of_iam(pattern: str, text: str, *, ignore_case: bool, is_met: bool) -> None:
    """Only `*` and `?` are special in an IAM pattern, which must match the whole text."""
    from testbed.aws.inside import wildcard  # noqa: PLC0415 - it loads ministack

    assert bool(wildcard(pattern, ignore_case).match(text)) == is_met
