"""S3 for the cleanup: list everything below a prefix, delete it, and list again.

The order and the repetition follow how versioned listings behave while entries are deleted: one pass is never trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final

from nightproof.errors import NightproofError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from types_boto3_s3 import S3Client

BATCH: Final = 1000  # what DeleteObjects accepts on AWS
ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Version:
    """One version or delete marker of one key."""

    key: str
    version_id: str
    is_marker: bool
    modified: datetime


@dataclass(frozen=True, slots=True)
class Upload:
    """One unfinished multipart upload."""

    key: str
    upload_id: str


def versions(s3: S3Client, bucket: str, prefix: str) -> tuple[Version, ...]:
    """List every version and delete marker below a prefix, all pages."""
    found: list[Version] = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        found += [Version(v["Key"], v["VersionId"], False, v["LastModified"]) for v in page.get("Versions", [])]  # noqa: FBT003
        found += [Version(m["Key"], m["VersionId"], True, m["LastModified"]) for m in page.get("DeleteMarkers", [])]  # noqa: FBT003
    return tuple(found)


def uploads(s3: S3Client, bucket: str, prefix: str) -> tuple[Upload, ...]:
    """List unfinished multipart uploads below a prefix."""
    found: list[Upload] = []
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix):
        found += [Upload(u["Key"], u["UploadId"]) for u in page.get("Uploads", [])]
    return tuple(found)


def remove_prefix(s3: S3Client, bucket: str, prefix: str, *, exact: bool = False) -> int:
    """Delete every version, marker and upload of a prefix (or of one key) until a listing is empty; return how many.

    Raise NightproofError if entries are still listed after 5 rounds.
    """
    removed = 0
    for _ in range(ROUNDS):
        found = [v for v in versions(s3, bucket, prefix) if not exact or v.key == prefix]
        pending = [u for u in uploads(s3, bucket, prefix) if not exact or u.key == prefix]
        if not found and not pending:
            return removed
        for upload in pending:
            s3.abort_multipart_upload(Bucket=bucket, Key=upload.key, UploadId=upload.upload_id)
        for batch in _batches(found):
            _delete(s3, bucket, batch)
        removed += len(found) + len(pending)
    raise NightproofError(
        f"`s3://{bucket}/{prefix}` still lists entries after {ROUNDS} rounds of deletion: look for another writer."
    )


def _batches(found: list[Version]) -> Iterator[list[Version]]:
    for start in range(0, len(found), BATCH):
        yield found[start : start + BATCH]


def _delete(s3: S3Client, bucket: str, batch: list[Version]) -> None:
    answer = s3.delete_objects(
        Bucket=bucket,
        Delete={"Objects": [{"Key": v.key, "VersionId": v.version_id} for v in batch], "Quiet": True},
    )
    if errors := answer.get("Errors"):
        first = errors[0]
        raise NightproofError(
            f"S3 refused to delete {len(errors)} of {len(batch)} entries in `{bucket}`, first `{first.get('Key')}`: "
            f"{first.get('Code')}. Give the cleanup identity s3:DeleteObjectVersion there."
        )
