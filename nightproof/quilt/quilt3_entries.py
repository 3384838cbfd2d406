"""Entries for a package of the quilt3 library, with their objects looked up concurrently."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from botocore.exceptions import ClientError
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

PER_PAGE: Final = 1000  # objects in a page of a listing
Listed = dict[tuple[str, str, None], tuple[PhysicalKey, int]]  # keyed by bucket, path and no version


def fill(ops: CatalogOps, operation: str, package: Any, entries: Entries) -> None:
    """Set every entry to its object, in the newest version unless its URL names one, as `Package.set` does.

    `Package.set` makes a session and sends two requests per entry, which takes minutes for thousands. Here all entries
    share one provider.
    """
    provider = S3ClientProvider()
    found = partial(_found, ops, operation, provider, threading.Lock(), _listed(ops, operation, provider, entries))
    with ThreadPoolExecutor(MAX_CONCURRENCY) as pool:
        for entry, placed in zip(entries, pool.map(found, entries), strict=True):
            package.set(entry["logical_key"], placed)


def _listed(ops: CatalogOps, operation: str, provider: S3ClientProvider, entries: Entries) -> Listed:
    """Return version and size of the latest objects.

    Lists a bucket instead of sending HEADs when at least a page (1,000) of its objects is requested.
    """
    sought: dict[str, list[PhysicalKey]] = {}
    for entry in entries:
        place = PhysicalKey.from_url(entry["physical_key"])
        if place.version_id is None:
            sought.setdefault(place.bucket, []).append(place)
    found: Listed = {}
    for bucket, places in sought.items():
        if len(places) >= PER_PAGE:
            with s3_errors(ops, operation, Sought("bucket", bucket, f"s3://{bucket}", bucket)):
                found |= _newest(provider, places)
    return found


def _newest(provider: S3ClientProvider, places: list[PhysicalKey]) -> Listed:
    """List the common prefix of the places, at most twice as many versions as there are places.

    An object that the listing does not show gets a HEAD of its own.
    """
    bucket = places[0].bucket
    prefix = os.path.commonprefix([place.path for place in places])  # noqa: RUF071 - S3 knows characters, no folders
    asked = {"Bucket": bucket, "Prefix": prefix}
    try:
        client = provider.find_correct_client(S3Api.LIST_OBJECT_VERSIONS, bucket, asked)
        pages = client.get_paginator("list_object_versions").paginate(**asked)
        versions = [one for page in islice(pages, 2 * len(places) // PER_PAGE) for one in page.get("Versions", ())]
    except (S3NoValidClientError, ClientError):
        return {}  # a missing right or bucket is reported by the HEAD of the object
    return {
        (bucket, one["Key"], None): (PhysicalKey(bucket, one["Key"], one["VersionId"]), one["Size"])
        for one in versions
        if one["IsLatest"] and one["VersionId"] != "null"  # `null`: only a HEAD tells if versions exist
    }


def _found(
    ops: CatalogOps,
    operation: str,
    provider: S3ClientProvider,
    turn: threading.Lock,
    listed: Listed,
    entry: dict[str, Any],
) -> PackageEntry:
    uri = entry["physical_key"]
    asked = PhysicalKey.from_url(uri)
    sought = Sought("file", uri, f"s3://{asked.bucket}", asked.bucket)
    with s3_errors(ops, operation, sought):
        try:
            place, size = listed.get((asked.bucket, asked.path, asked.version_id)) or _located(provider, turn, asked)
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
    with turn:  # the provider is not thread-safe: it asks once per bucket which client may read there
        client = provider.find_correct_client(S3Api.HEAD_OBJECT, place.bucket, asked)
    head = client.head_object(**asked)
    return PhysicalKey(place.bucket, place.path, place.version_id or head.get("VersionId")), head["ContentLength"]
