"""Defects under which S3 confirms deletions and keeps the objects. They can be deleted once the defect is off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.testbed.aws.asking import WORK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.testbed.aws.asking import Asking


def test_deletions_are_ignored(aws: Asking, prefix: str, switch: Callable[..., None]) -> None:
    """`s3-delete-ignored` confirms single and multiple deletions, quiet ones too, and keeps every version."""
    made = [aws.s3.put_object(Bucket=WORK, Key=f"{prefix}<{name}>", Body=b"") for name in "ab"]
    objects = [
        {"Key": f"{prefix}<{name}>", "VersionId": put["VersionId"]} for name, put in zip("ab", made, strict=True)
    ]
    switch("s3-delete-ignored")
    one = aws.s3.delete_object(Bucket=WORK, **objects[0])
    assert one["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert aws.s3.delete_objects(Bucket=WORK, Delete={"Objects": objects})["Deleted"] == objects
    assert "Deleted" not in aws.s3.delete_objects(Bucket=WORK, Delete={"Objects": objects, "Quiet": True})
    listed = aws.s3.list_object_versions(Bucket=WORK, Prefix=prefix)
    assert ([item["VersionId"] for item in listed["Versions"]], "DeleteMarkers" in listed) == (
        [item["VersionId"] for item in objects],
        False,
    )
    aws.control("DELETE", "faults/s3-delete-ignored")
    aws.s3.delete_objects(Bucket=WORK, Delete={"Objects": objects})
    assert "Versions" not in aws.s3.list_object_versions(Bucket=WORK, Prefix=prefix)


def test_aborted_uploads_stay(aws: Asking, prefix: str, switch: Callable[..., None]) -> None:
    """`s3-leaves-multipart` confirms an abort and keeps the upload. An abort without the defect ends it."""
    upload = {"Bucket": WORK, "Key": f"{prefix}a"}
    upload |= {"UploadId": aws.s3.create_multipart_upload(**upload)["UploadId"]}
    switch("s3-leaves-multipart")
    aws.s3.abort_multipart_upload(**upload)
    listed = aws.s3.list_multipart_uploads(Bucket=WORK, Prefix=prefix)
    assert [item["UploadId"] for item in listed["Uploads"]] == [upload["UploadId"]]
    aws.control("DELETE", "faults/s3-leaves-multipart")
    aws.s3.abort_multipart_upload(**upload)
    assert "Uploads" not in aws.s3.list_multipart_uploads(Bucket=WORK, Prefix=prefix)
