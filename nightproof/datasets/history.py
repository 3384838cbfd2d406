"""The versions of objects in a bucket: the newest, those before it, and whether an object was deleted."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from types_boto3_s3 import S3Client

FEW: Final = 3


@dataclass(slots=True)
class Past:
    """The versions of one key; `newest` is None if the object is not there now."""

    newest: str | None = None
    etag: str = ""
    was_deleted: bool = False
    versions: set[str] = field(default_factory=set)


def past_of(s3: S3Client, bucket: str, keys: Sequence[str]) -> dict[str, Past]:
    """Return the versions of keys, by key; for more than 3 keys, by listing their whole first folders."""
    found = {key: Past() for key in keys}
    prefixes = keys if len(keys) <= FEW else sorted({f"{key.split('/', 1)[0]}/" for key in keys})
    lister = s3.get_paginator("list_object_versions")
    for page in (page for prefix in prefixes for page in lister.paginate(Bucket=bucket, Prefix=prefix)):
        for version in page.get("Versions", []):
            if past := found.get(version["Key"]):
                past.versions.add(version["VersionId"])
                if version["IsLatest"]:
                    past.newest, past.etag = version["VersionId"], version["ETag"].strip('"')
        for marker in page.get("DeleteMarkers", []):
            if past := found.get(marker["Key"]):
                past.was_deleted |= marker["IsLatest"]
    return found
