"""The seeds on a target that may not be written: every object and package is checked, and its place recorded."""

from __future__ import annotations

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from typing import NamedTuple

from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError

from nightproof.datasets.catalogue import baseline_over
from nightproof.datasets.catalogue import bucket_of
from nightproof.datasets.catalogue import bulk
from nightproof.datasets.catalogue import key_of
from nightproof.datasets.catalogue import tabular_over
from nightproof.datasets.generators import BULK
from nightproof.datasets.generators import BULK_SIZE
from nightproof.datasets.generators import FILES
from nightproof.datasets.manifest import pinned
from nightproof.datasets.manifest import pins
from nightproof.datasets.push import note_pointers
from nightproof.datasets.push import pointers_of
from nightproof.datasets.put import WORKERS
from nightproof.datasets.table_specs import tables_over
from nightproof.errors import Blocked
from nightproof.records import SeedResult

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

    from nightproof.datasets.catalogue import Revision
    from nightproof.datasets.put import Storage


class Located(NamedTuple):
    """One seed that was looked for: its address, its version if it is there, and otherwise what is wrong."""

    where: str
    version: str = ""
    wrong: str = ""


def locate(
    storage: Storage, datasets: Sequence[str], remedy: str, tables: Mapping[str, str] | None = None
) -> SeedResult:
    """Compare sizes of objects, hashes of packages and configurations of tables with their pins, by reading only.

    Bytes are not read back: the tests compare what they read, and the sum would be 0.6 GB a night. `tables` are the
    data bucket's Tabulator tables, or None if no test of the target reads them. Raise Blocked with the first seed that
    is not in place, the number of such seeds, and the remedy.
    """
    started = time.monotonic()
    files = [(dataset, path) for dataset in datasets if dataset != BULK for path in FILES[dataset]]
    revisions = [*baseline_over(storage.names, datasets), *tabular_over(storage.names, datasets)]
    revisions += bulk(storage.names) if BULK in datasets else ()
    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(lambda file: _object(storage, *file), files))
        packages = list(pool.map(lambda revision: _package(storage, revision), revisions))
    listed = _bulk_objects(storage) if BULK in datasets else []
    _require(found + packages + listed + _tables(storage, datasets, tables), remedy)
    for (dataset, path), located in zip(files, found, strict=True):
        storage.placement.put(dataset, path, located.version)
    note_pointers(storage, revisions)
    facts = [pinned()[f"{dataset}/{path}"] for dataset, path in files]
    return SeedResult(
        name="located", kind="other", files=len(found) + len(packages) + len(listed),
        bytes=sum(fact["bytes"] for fact in facts),
        sha256=hashlib.sha256("".join(fact["sha256"] for fact in facts).encode()).hexdigest(),
        generated_bytes=0, uploaded_bytes=0, repaired=0, duration_s=time.monotonic() - started,
    )  # fmt: skip


def _object(storage: Storage, dataset: str, path: str) -> Located:
    bucket, key = bucket_of(dataset, storage.names), key_of(dataset, path)
    fact = pinned()[f"{dataset}/{path}"]
    where = f"s3://{bucket}/{key}"
    try:
        head = storage.s3.head_object(Bucket=bucket, Key=key)
    except (ClientError, BotoCoreError) as error:
        return Located(where, wrong=str(error))
    if fact["pin"] == "bytes" and head["ContentLength"] != fact["bytes"]:
        return Located(where, wrong=f"{head['ContentLength']} bytes instead of {fact['bytes']}")
    return Located(where, head.get("VersionId", "null"))


def _bulk_objects(storage: Storage) -> list[Located]:
    """Return what a listing shows of the bulk objects: they are too many for a request each."""
    bucket = bucket_of(BULK, storage.names)
    pages = storage.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{BULK}/")
    try:
        sizes = {item["Key"]: item["Size"] for page in pages for item in page.get("Contents", [])}
    except (ClientError, BotoCoreError) as error:
        return [Located(f"s3://{bucket}/{BULK}/", wrong=str(error))]
    found = ((f"{BULK}/{path}", sizes.get(f"{BULK}/{path}")) for path in FILES[BULK])
    return [
        Located(f"s3://{bucket}/{key}", wrong="" if size == BULK_SIZE else f"{size or 'no'} bytes, not {BULK_SIZE}")
        for key, size in found
    ]


def _tables(storage: Storage, datasets: Sequence[str], stored: Mapping[str, str] | None) -> list[Located]:
    where = f"Tabulator table of s3://{storage.names.bucket_data}: "
    if stored is None:
        return []
    return [
        Located(where + table.name, wrong="" if stored.get(table.name) == table.config else "not as configured")
        for table in tables_over(storage.names, datasets)
    ]


def _package(storage: Storage, revision: Revision) -> Located:
    where = f"s3://{revision.bucket}/{revision.package}"
    expected = revision.expected(pins())
    try:
        pointers = pointers_of(storage, revision)
    except (ClientError, BotoCoreError) as error:
        return Located(where, wrong=str(error))
    if expected not in pointers.values():
        return Located(where, wrong=f"no revision {expected[:12]}")
    return Located(where, expected)


def _require(found: Sequence[Located], remedy: str) -> None:
    wrong = [located for located in found if located.wrong]
    if wrong:
        first = wrong[0]
        raise Blocked(
            f"{len(wrong)} of {len(found)} seeds are not in place, first `{first.where}` ({first.wrong}): {remedy}"
        )
