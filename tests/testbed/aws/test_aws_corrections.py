"""Corrections where the emulator differs from AWS, each seen by an SDK client over the wire."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import TYPE_CHECKING
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.testbed.aws.asking import DATA
from tests.testbed.aws.asking import SCRATCH
from tests.testbed.aws.asking import WORK
from tests.testbed.aws.asking import Asking
from tests.testbed.aws.asking import refused

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = b"nightproof" * 10
BIG = bytes(5 * 1024 * 1024)


def sha256(body: bytes) -> str:
    """Return the SHA-256 in base64, as S3 writes it."""
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def crc32(body: bytes) -> str:
    """Return the CRC-32 in base64, as S3 writes it."""
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


@pytest.mark.parametrize("bucket", [WORK, SCRATCH])
@pytest.mark.parametrize("body", [BODY, b""])
def test_put_answers_the_checksum_it_was_sent(aws: Asking, prefix: str, bucket: str, body: bytes) -> None:
    """The response to a PUT holds its checksum, whether sent in a header or trailer or chosen by the SDK."""
    put = aws.s3.put_object(Bucket=bucket, Key=f"{prefix}a", Body=body, ChecksumAlgorithm="SHA256")
    assert put["ChecksumSHA256"] == sha256(body)
    assert put["ChecksumType"] == "FULL_OBJECT"
    given = aws.s3.put_object(Bucket=bucket, Key=f"{prefix}a", Body=body, ChecksumSHA256=sha256(body))
    assert given["ChecksumSHA256"] == sha256(body)
    own = aws.s3.put_object(Bucket=bucket, Key=f"{prefix}a", Body=body)
    assert own["ChecksumCRC32"] == crc32(body)


def test_a_wrong_checksum_stores_nothing(aws: Asking, prefix: str) -> None:
    """A PUT whose body does not match its checksum is refused with BadDigest and stores nothing."""
    wrong = {"Bucket": WORK, "Key": f"{prefix}a", "Body": BODY, "ChecksumSHA256": sha256(b"other")}
    assert refused(lambda: aws.s3.put_object(**wrong)) == "BadDigest"
    assert refused(lambda: aws.s3.head_object(Bucket=WORK, Key=f"{prefix}a")) == "404"


@pytest.mark.parametrize("name", ["plain", "a b+c#d%25 ü.csv"])
@pytest.mark.parametrize("bucket", [WORK, SCRATCH])
def test_a_copy_has_the_checksum_that_was_asked(aws: Asking, prefix: str, bucket: str, name: str) -> None:
    """A copy has the requested SHA-256 in its response and in HEAD, GET and attributes, whatever the source has."""
    source, key = f"{prefix}source", prefix + name
    aws.s3.put_object(Bucket=bucket, Key=source, Body=BODY)
    where = {"Bucket": bucket, "Key": key}
    origin = {"Bucket": bucket, "Key": source}
    copy = aws.s3.copy_object(**where, CopySource=origin, ChecksumAlgorithm="SHA256")
    assert copy["CopyObjectResult"]["ChecksumSHA256"] == sha256(BODY)
    assert aws.s3.head_object(**where, ChecksumMode="ENABLED")["ChecksumSHA256"] == sha256(BODY)
    got = aws.s3.get_object(**where, ChecksumMode="ENABLED")
    assert (got["ChecksumSHA256"], got["Body"].read()) == (sha256(BODY), BODY)
    seen = aws.s3.get_object_attributes(**where, ObjectAttributes=["Checksum"])
    assert seen["Checksum"]["ChecksumSHA256"] == sha256(BODY)


def test_a_copy_of_a_named_version_holds_that_version(aws: Asking, prefix: str) -> None:
    """A copy of a named version has that version's bytes. A copy of a missing object is refused."""
    key = f"{prefix}a"
    old = aws.s3.put_object(Bucket=WORK, Key=key, Body=b"old")["VersionId"]
    aws.s3.put_object(Bucket=WORK, Key=key, Body=b"new")
    aws.s3.copy_object(Bucket=WORK, Key=f"{prefix}b", CopySource={"Bucket": WORK, "Key": key, "VersionId": old})
    assert aws.s3.get_object(Bucket=WORK, Key=f"{prefix}b")["Body"].read() == b"old"
    missing = {"Bucket": WORK, "Key": f"{prefix}none"}
    call = {"Bucket": WORK, "Key": f"{prefix}c", "CopySource": missing, "ChecksumAlgorithm": "SHA256"}
    assert refused(lambda: aws.s3.copy_object(**call)) == "NoSuchKey"


@pytest.mark.parametrize(
    ("asked", "expected", "said"),
    [
        ("bytes=0-2", b"012", "bytes 0-2/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ],
)
def test_a_range_of_a_named_version_is_cut(aws: Asking, prefix: str, asked: str, expected: bytes, said: str) -> None:
    """A range of a named version returns the bytes, length and Content-Range of that range."""
    version = aws.s3.put_object(Bucket=WORK, Key=f"{prefix}a", Body=b"0123456789")["VersionId"]
    got = aws.s3.get_object(Bucket=WORK, Key=f"{prefix}a", VersionId=version, Range=asked)
    assert got["Body"].read() == expected
    assert (got["ContentRange"], got["ContentLength"]) == (said, len(expected))
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_ranges_that_cannot_be_served(aws: Asking, prefix: str) -> None:
    """A range behind the end is refused, and a malformed one ignored. An unknown version is NoSuchVersion."""
    where = {"Bucket": WORK, "Key": f"{prefix}a"}
    version = aws.s3.put_object(**where, Body=b"0123456789")["VersionId"]
    assert refused(lambda: aws.s3.get_object(**where, VersionId=version, Range="bytes=10-")) == "InvalidRange"
    assert aws.s3.get_object(**where, VersionId=version, Range="bytes=-")["Body"].read() == b"0123456789"
    assert refused(lambda: aws.s3.get_object(**where, VersionId="0" * 32, Range="bytes=0-1")) == "NoSuchVersion"


@pytest.fixture
def upload(aws: Asking, prefix: str) -> Iterator[dict[str, Any]]:
    """Open a multipart upload with SHA-256, and abort it after the test if it is still open."""
    where = {"Bucket": WORK, "Key": f"{prefix}multipart"}
    opened = where | {"UploadId": aws.s3.create_multipart_upload(**where, ChecksumAlgorithm="SHA256")["UploadId"]}
    yield opened
    refused(lambda: aws.s3.abort_multipart_upload(**opened))


def part(number: int, answer: dict[str, Any]) -> dict[str, Any]:
    """Return a part as CompleteMultipartUpload expects it."""
    return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": answer["ChecksumSHA256"]}


def test_parts_that_are_copied_have_checksums(aws: Asking, prefix: str, upload: dict[str, Any]) -> None:
    """Parts copied by range and version have checksums. The object's checksum is composed of theirs."""
    key = f"{prefix}source"
    old = aws.s3.put_object(Bucket=WORK, Key=key, Body=BIG + b"old")["VersionId"]
    aws.s3.put_object(Bucket=WORK, Key=key, Body=BODY)
    named = {"Bucket": WORK, "Key": key, "VersionId": old}
    ranged = {"CopySource": named, "CopySourceRange": f"bytes=3-{len(BIG) + 2}"}
    first = aws.s3.upload_part_copy(**upload, PartNumber=1, **ranged)["CopyPartResult"]
    bounds = {"CopySource": {"Bucket": WORK, "Key": key}, "CopySourceRange": "bytes=0-9"}
    second = aws.s3.upload_part_copy(**upload, PartNumber=2, **bounds)["CopyPartResult"]
    parts = {"Parts": [part(1, first), part(2, second)]}
    done = aws.s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    bodies = (BIG + b"old")[3 : len(BIG) + 3], BODY[:10]
    sums = b"".join(hashlib.sha256(body).digest() for body in bodies)
    assert done["ChecksumSHA256"] == f"{sha256(sums)}-2"
    got = aws.s3.get_object(Bucket=WORK, Key=upload["Key"])
    assert got["Body"].read() == b"".join(bodies)
    head = aws.s3.head_object(Bucket=WORK, Key=upload["Key"], ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == f"{sha256(sums)}-2"


def test_a_part_of_nothing_is_refused(aws: Asking, prefix: str, upload: dict[str, Any]) -> None:
    """A part copied from a missing object is refused with the emulator's own error."""
    source = {"Bucket": WORK, "Key": f"{prefix}none"}
    assert refused(lambda: aws.s3.upload_part_copy(**upload, PartNumber=1, CopySource=source)) == "NoSuchKey"


def test_a_copied_part_has_the_checksum_of_its_upload(aws: Asking, prefix: str) -> None:
    """A part copied into an upload with CRC-32 has a CRC-32 and no SHA-256."""
    where = {"Bucket": WORK, "Key": f"{prefix}crc"}
    aws.s3.put_object(Bucket=WORK, Key=f"{prefix}source", Body=BODY)
    upload = where | {"UploadId": aws.s3.create_multipart_upload(**where, ChecksumAlgorithm="CRC32")["UploadId"]}
    source = {"Bucket": WORK, "Key": f"{prefix}source"}
    copied = aws.s3.upload_part_copy(**upload, PartNumber=1, CopySource=source)["CopyPartResult"]
    assert (copied["ChecksumCRC32"], copied.get("ChecksumSHA256")) == (crc32(BODY), None)
    parts = {"Parts": [{"PartNumber": 1, "ETag": copied["ETag"], "ChecksumCRC32": crc32(BODY)}]}
    aws.s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    assert aws.s3.get_object(**where)["Body"].read() == BODY


def test_small_parts_are_refused_before_the_last(aws: Asking, upload: dict[str, Any]) -> None:
    """A small part before the last is refused at completion. The upload stays open, so the part can be resent."""
    parts = [part(n, aws.s3.upload_part(**upload, PartNumber=n, Body=BODY, ChecksumAlgorithm="SHA256")) for n in (1, 2)]
    call = upload | {"MultipartUpload": {"Parts": parts}}
    assert refused(lambda: aws.s3.complete_multipart_upload(**call)) == "EntityTooSmall"
    again = aws.s3.upload_part(**upload, PartNumber=1, Body=BIG, ChecksumAlgorithm="SHA256")
    whole = {"Parts": [part(1, again), parts[1]]}
    aws.s3.complete_multipart_upload(**upload, MultipartUpload=whole)
    assert aws.s3.head_object(Bucket=WORK, Key=upload["Key"])["ContentLength"] == len(BIG) + len(BODY)


def test_completing_without_rights_tells_nothing(aws: Asking, prefix: str) -> None:
    """A caller without write access gets AccessDenied and learns nothing of the part sizes."""
    where = {"Bucket": DATA, "Key": f"{prefix}multipart"}
    upload = where | {"UploadId": aws.s3.create_multipart_upload(**where)["UploadId"]}
    tags = [aws.s3.upload_part(**upload, PartNumber=number, Body=BODY)["ETag"] for number in (1, 2)]
    call = upload | {"MultipartUpload": {"Parts": [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)]}}
    runner = aws.client("s3", "ci-runner")
    assert refused(lambda: runner.complete_multipart_upload(**call)) == "AccessDenied"
    assert refused(lambda: aws.s3.complete_multipart_upload(**call)) == "EntityTooSmall"
    aws.s3.abort_multipart_upload(**upload)


def test_completing_without_parts_is_the_emulators_answer(aws: Asking, upload: dict[str, Any]) -> None:
    """A completion without a list of parts gets the emulator's MalformedXML."""
    assert refused(lambda: aws.s3.complete_multipart_upload(**upload)) == "MalformedXML"


def test_more_than_a_thousand_keys_are_not_deleted(aws: Asking, prefix: str) -> None:
    """DeleteObjects refuses 1,001 keys as a whole and accepts 1,000."""
    keys = [{"Key": f"{prefix}{number}"} for number in range(1001)]
    aws.s3.put_object(Bucket=SCRATCH, Key=keys[0]["Key"], Body=b"")
    call = {"Bucket": SCRATCH, "Delete": {"Objects": keys, "Quiet": True}}
    assert refused(lambda: aws.s3.delete_objects(**call)) == "MalformedXML"
    aws.s3.head_object(Bucket=SCRATCH, Key=keys[0]["Key"])
    aws.s3.delete_objects(Bucket=SCRATCH, Delete={"Objects": keys[:1000], "Quiet": True})
    assert refused(lambda: aws.s3.head_object(Bucket=SCRATCH, Key=keys[0]["Key"])) == "404"


def test_conditional_writes(aws: Asking, prefix: str) -> None:
    """IfNoneMatch and IfMatch protect an object from being overwritten."""
    where = {"Bucket": WORK, "Key": f"{prefix}a"}
    tag = aws.s3.put_object(**where, Body=b"1", IfNoneMatch="*")["ETag"]
    assert refused(lambda: aws.s3.put_object(**where, Body=b"2", IfNoneMatch="*")) == "PreconditionFailed"
    assert refused(lambda: aws.s3.put_object(**where, Body=b"2", IfMatch='"wrong"')) == "PreconditionFailed"
    absent = {"Bucket": WORK, "Key": f"{prefix}none", "Body": b"2", "IfMatch": tag}
    assert refused(lambda: aws.s3.put_object(**absent)) == "NoSuchKey"
    aws.s3.put_object(**where, Body=b"3", IfMatch=tag)
    assert aws.s3.get_object(**where)["Body"].read() == b"3"


def test_versions_and_markers(aws: Asking, prefix: str) -> None:
    """Old versions stay readable, a delete writes a marker, and deleting the marker restores the object."""
    where = {"Bucket": WORK, "Key": f"{prefix}a"}
    versions = [aws.s3.put_object(**where, Body=body)["VersionId"] for body in (b"1", b"2")]
    marker = aws.s3.delete_object(**where)["VersionId"]
    with pytest.raises(ClientError, match="NoSuchKey"):
        aws.s3.get_object(**where)
    bodies = [aws.s3.get_object(**where, VersionId=version)["Body"].read() for version in versions]
    assert bodies == [b"1", b"2"]
    aws.s3.delete_object(**where, VersionId=marker)
    assert aws.s3.get_object(**where)["Body"].read() == b"2"
