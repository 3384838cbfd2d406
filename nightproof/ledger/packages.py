"""The parts of a Quilt package in its registry, read straight from S3.

A package is its pointers `.quilt/named_packages/<name>/…`, the manifests that those pointers ever named, and the
objects copied to `<name>/…`. Manifests are shared by content: one that another package names stays.
"""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Final

from botocore.exceptions import ClientError

from nightproof.ledger import s3 as storage

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from types_boto3_s3 import S3Client

POINTERS: Final = ".quilt/named_packages/"
MANIFESTS: Final = ".quilt/packages/"
GONE: Final = frozenset({"NoSuchVersion", "NoSuchKey"})  # somebody else deleted it after our listing
TOP_HASH: Final = re.compile(r"[0-9a-f]{64}")
READERS: Final = 8
ORPHAN_WINDOW: Final = timedelta(minutes=5)  # longer than any construct may take (120 s), shorter than a night


def pointer_prefix(name: str) -> str:
    """Return the prefix of a package's pointers."""
    return f"{POINTERS}{name}/"


def named_hashes(s3: S3Client, bucket: str, pointers: Iterable[storage.Version]) -> frozenset[str]:
    """Return the top hashes that pointer versions name; markers, damaged and vanished pointers name none."""
    wanted = [(pointer.key, pointer.version_id) for pointer in pointers if not pointer.is_marker]

    def body(pointer: tuple[str, str]) -> str:
        key, version_id = pointer
        try:
            with s3.get_object(Bucket=bucket, Key=key, VersionId=version_id)["Body"] as stream:
                return stream.read().decode("ascii", "replace").strip()
        except ClientError as error:
            if error.response["Error"]["Code"] in GONE:
                return ""
            raise

    with ThreadPoolExecutor(READERS) as pool:
        return frozenset(found for found in pool.map(body, wanted) if TOP_HASH.fullmatch(found))


def package_hashes(s3: S3Client, bucket: str, name: str) -> frozenset[str]:
    """Return the hashes of all manifests that a package ever pointed at, deleted revisions included."""
    return named_hashes(s3, bucket, storage.versions(s3, bucket, pointer_prefix(name)))


def unshared(s3: S3Client, bucket: str, hashes: frozenset[str]) -> frozenset[str]:
    """Return the hashes that no remaining package of the registry names."""
    if not hashes:
        return hashes
    return hashes - named_hashes(s3, bucket, storage.versions(s3, bucket, POINTERS))


def orphans(s3: S3Client, bucket: str, intended: Iterable[datetime], sources: frozenset[str]) -> frozenset[str]:
    """Return the hashes of manifests whose creation died between manifest and pointer.

    Ours are those that no pointer names, written within 5 minutes after an intent that was never confirmed. All their
    entries must lie in our `sources` buckets. Anything less certain stays.
    """
    starts = tuple(intended)
    if not starts:
        return frozenset()
    recent = frozenset(
        version.key.removeprefix(MANIFESTS)
        for version in storage.versions(s3, bucket, MANIFESTS)
        if not version.is_marker
        and any(start - timedelta(seconds=2) <= version.modified <= start + ORPHAN_WINDOW for start in starts)
    )
    return frozenset(top for top in unshared(s3, bucket, recent) if _points_into(s3, bucket, top, sources))


def _points_into(s3: S3Client, bucket: str, top_hash: str, sources: frozenset[str]) -> bool:
    try:
        with s3.get_object(Bucket=bucket, Key=MANIFESTS + top_hash)["Body"] as stream:
            lines = stream.read().splitlines()[1:]
        keys = [str(key) for line in lines for key in json.loads(line).get("physical_keys", [])]
    except (s3.exceptions.NoSuchKey, ValueError, AttributeError, TypeError):
        return False  # gone meanwhile, or no manifest as we write them: not ours
    return bool(keys) and all(key.removeprefix("s3://").split("/", 1)[0] in sources for key in keys)
