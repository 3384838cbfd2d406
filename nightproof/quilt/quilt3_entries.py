"""Put entries into a package of the quilt3 library: their objects are looked up side by side, not one by one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

from quilt3.data_transfer import MAX_CONCURRENCY
from quilt3.data_transfer import S3Api
from quilt3.data_transfer import S3ClientProvider
from quilt3.data_transfer import S3NoValidClientError
from quilt3.packages import PackageEntry
from quilt3.util import PhysicalKey

from nightproof.quilt.s3_errors import Sought
from nightproof.quilt.s3_errors import deny
from nightproof.quilt.s3_errors import s3_errors

if TYPE_CHECKING:
    from nightproof.quilt.base import CatalogOps
    from nightproof.quilt.contract import Entries


def fill(ops: CatalogOps, operation: str, package: Any, entries: Entries) -> None:
    """Set every entry to the newest version of its object, as `Package.set` with an address does.

    That makes a session and asks twice for each, which takes minutes for thousands; here all share one provider.
    """
    found = partial(_found, ops, operation, S3ClientProvider(), threading.Lock())
    with ThreadPoolExecutor(MAX_CONCURRENCY) as pool:
        for entry, placed in zip(entries, pool.map(found, entries), strict=True):
            package.set(entry["logical_key"], placed)


def _found(
    ops: CatalogOps, operation: str, provider: S3ClientProvider, turn: threading.Lock, entry: dict[str, Any]
) -> PackageEntry:
    uri = entry["physical_key"]
    bucket = uri.removeprefix("s3://").split("/", 1)[0]
    sought = Sought("file", uri, f"s3://{bucket}", bucket)
    with s3_errors(ops, operation, sought):
        try:
            place, size = _located(provider, turn, PhysicalKey.from_url(uri))
        except S3NoValidClientError as error:
            deny(ops, operation, sought, error)
    placed = PackageEntry(place, size, None, None)
    if entry["meta"] is not None:
        placed.set_meta(entry["meta"])
    return placed


def _located(provider: S3ClientProvider, turn: threading.Lock, place: PhysicalKey) -> tuple[PhysicalKey, int]:
    asked = {"Bucket": place.bucket, "Key": place.path}
    if place.version_id is not None:
        asked["VersionId"] = place.version_id
    with turn:  # the provider is not made for threads: it asks once per bucket which client may read there
        client = provider.find_correct_client(S3Api.HEAD_OBJECT, place.bucket, asked)
    head = client.head_object(**asked)
    return PhysicalKey(place.bucket, place.path, place.version_id or head.get("VersionId")), head["ContentLength"]
