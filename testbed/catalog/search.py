"""The search index: the latest revision of every package, updated by own writes and by watching the registry.

A change adds a row beside the old ones, so that a lagging index still shows the older state.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import sqlalchemy as sa
from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError

from testbed.catalog import database as db
from testbed.catalog import query_language
from testbed.catalog import roles
from testbed.catalog import terms
from testbed.catalog.manifest import DamagedError
from testbed.catalog.search_fields import ALIASES

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Iterator

    from sqlalchemy.engine import Engine

    from testbed.catalog.injection import Defects
    from testbed.catalog.registry import Pointer
    from testbed.catalog.registry import Registry

SCAN_S: Final = 2.0  # a scan lists the pointers of all buckets: every second, it was a quarter of the catalog's work
IDLE_SCAN_S: Final = 3.0
BUSY_FOR_S: Final = 30.0
LONGEST_LAG_S: Final = 600.0


class SearchIndex:
    """The indexed states of packages; a state becomes visible after the lag."""

    def __init__(self, engine: Engine, registry: Registry, defects: Defects) -> None:
        self._engine = engine
        self._registry = registry
        self._defects = defects
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._changed = 0.0
        self._stop = threading.Event()

    def watch(self) -> None:
        """Scan until stopped; more often while packages change."""
        while not self._stop.is_set():
            with _going_on("index"):
                with self._engine.connect() as connection:
                    buckets = roles.buckets(connection)
                self.scan(sorted(buckets))
            busy = time.monotonic() - self._changed < BUSY_FOR_S
            self._stop.wait(SCAN_S if busy else IDLE_SCAN_S)

    def stop(self) -> None:
        """Stop the watch."""
        self._stop.set()

    def scan(self, buckets: Iterable[str]) -> None:
        """Update the rows of buckets from their pointers."""
        for bucket in buckets:
            with _going_on(f"index of `{bucket}`"), self._locks[bucket]:
                self._compare(bucket, self._registry.latest_pointers(bucket), self._newest(bucket))

    def update(self, bucket: str, name: str) -> None:
        """Update the row of one package from its pointer; called after the package was written."""
        # The write succeeded even if S3 fails now; the next scan catches up.
        with contextlib.suppress(BotoCoreError, ClientError), self._locks[bucket]:
            latest = [pointer for pointer in self._registry.pointers(bucket, name) if pointer.tag == "latest"]
            stamp = self._newest(bucket).get(name, "")
            self._compare(bucket, {name: latest[0]} if latest else {}, {name: stamp})

    def _compare(self, bucket: str, pointers: dict[str, Pointer], known: dict[str, str]) -> None:
        if self._defects.bend("index is frozen", value=False):
            return
        for name, stamp in known.items():
            if stamp and name not in pointers:
                self._add({"bucket": bucket, "name": name, "stamp": "", "written": time.time()})
        for name, pointer in pointers.items():
            if known.get(name) != (stamp := f"{pointer.etag}{pointer.modified.isoformat()}"):
                with _going_on(f"index of `{name}` in `{bucket}`"):
                    self._put(bucket, name, stamp)

    def _put(self, bucket: str, name: str, stamp: str) -> None:
        latest = self._registry.latest(bucket, name)
        try:
            manifest = self._registry.manifest(bucket, latest[0]) if latest else None
        except DamagedError:
            return
        if latest is None or manifest is None:
            return
        row = {
            "bucket": bucket,
            "name": name,
            "stamp": stamp,
            "hash": latest[0],
            "modified": latest[1].isoformat(),
            "comment": manifest.header.get("message") or "",
            "meta": json.dumps(manifest.header.get("user_meta")),
            "workflow": json.dumps(manifest.header.get("workflow")),
            "size": float(manifest.total_bytes),
            "entries": len(manifest.entries),
            "written": latest[1].timestamp(),
        }
        self._add(row)

    def _add(self, row: dict[str, Any]) -> None:
        """Insert a new state of a package; delete states that are older than any lag can show."""
        self._changed = time.monotonic()
        table = db.index
        same = (table.c.bucket == row["bucket"]) & (table.c.name == row["name"])
        with self._engine.begin() as connection:
            connection.execute(table.insert().values(**row))
            past = connection.scalar(
                sa.select(sa.func.max(table.c.id)).where(same, table.c.written < time.time() - LONGEST_LAG_S)
            )
            connection.execute(table.delete().where(same, table.c.id < (past or 0)))

    def _newest(self, bucket: str) -> dict[str, str]:
        table = db.index
        with self._engine.connect() as connection:
            rows = connection.execute(
                sa.select(table.c.name, table.c.stamp).where(table.c.bucket == bucket).order_by(table.c.id)
            )
            return {row.name: row.stamp for row in rows}

    def visible(self, buckets: Iterable[str]) -> list[dict[str, Any]]:
        """Return the packages of buckets as the index shows them now: newest first, then by name."""
        table, shown = db.index, time.time() - self._defects.lag()
        with self._engine.connect() as connection:
            query = sa.select(table).where(table.c.bucket.in_(list(buckets))).order_by(table.c.id)
            rows = [dict(row) for row in connection.execute(query).mappings() if row["written"] <= shown]
        latest = {(row["bucket"], row["name"]): row for row in rows}
        found = sorted((row for row in latest.values() if row["stamp"]), key=lambda row: (row["name"], row["bucket"]))
        found.sort(key=lambda row: row["modified"], reverse=True)
        return found

    def find(self, buckets: Iterable[str], text: str) -> list[dict[str, Any]]:
        """Return the packages that match a query string, in the order of `visible`."""
        query = query_language.parse(text, self._defects.bend("search rules", terms.Rules()))
        hits = [row for row in self.visible(buckets) if query.matches(haystack(row), look_of(row))]
        return list(self._defects.bend("search hits", hits, everything=lambda: self.visible(buckets)))


@contextlib.contextmanager
def _going_on(what: str) -> Iterator[None]:
    """Report an error in the block and continue: one bad package or bucket must not stop the others."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - a watch that ended would leave every later search wrong
        # S3 may be restarting or a fault may be set; the next scan catches up.
        reason = f"{type(error).__name__}: {error}"
        sys.stderr.write(f"catalog: the search {what} could not be brought up to date: {reason}\n")


def look_of(row: dict[str, Any]) -> Callable[[str], Any]:
    """Return the function that maps a field name or alias to a package's value."""
    return lambda name: fields_of(row).get(ALIASES.get(name, name))


def fields_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a package; some can be searched but are not returned."""
    meta = json.loads(row["meta"]) if row["meta"] else None
    known = meta if isinstance(meta, dict) else {}
    return {
        "ptr_name": row["name"],
        "mnfst_name": row["hash"],
        "top_hash": row["hash"],
        "ptr_tag": "latest",
        "ptr_last_modified": row["modified"],
        "last_modified": row["modified"],
        "comment": row["comment"],
        "description": known.get("description"),
        "tags": known.get("tags"),
        "metadata": row["meta"],
        "workflow.id": (json.loads(row["workflow"] or "null") or {}).get("id"),
        "package_stats.total_files": row["entries"],
        "package_stats.total_bytes": row["size"],
    }


def haystack(row: dict[str, Any]) -> str:
    """Return the text of a package in which terms are searched: name, comment and metadata."""
    meta = json.dumps(json.loads(row["meta"]), ensure_ascii=False) if row["meta"] else ""
    return "\n".join((row["name"], row["comment"], meta))
