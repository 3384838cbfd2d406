"""The search index: the latest revision of every package, fed by own writes and by watching the registry."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import sqlalchemy as sa
from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError
from sqlalchemy.exc import SQLAlchemyError

from testbed.catalog import database as db
from testbed.catalog.people import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Engine

    from testbed.catalog.registry import Registry
    from testbed.faults.control import Faults

SCAN_S: Final = 1.0
IDLE_SCAN_S: Final = 2.0
BUSY_FOR_S: Final = 30.0


class SearchIndex:
    """Keeps one row per package; a row becomes visible after the lag knob."""

    def __init__(self, engine: Engine, registry: Registry, faults: Faults) -> None:
        self._engine = engine
        self._registry = registry
        self._faults = faults
        self._lock = threading.Lock()
        self._changed = 0.0
        self._stop = threading.Event()

    def watch(self) -> None:
        """Scan until stopped, often while packages change."""
        while not self._stop.is_set():
            try:
                self.scan(BUCKETS)
            except (BotoCoreError, ClientError, SQLAlchemyError) as error:
                # storage may be restarting or a fault be on; the next scan catches up
                sys.stderr.write(f"catalog: the search index could not be brought up to date: {error}\n")
            busy = time.monotonic() - self._changed < BUSY_FOR_S
            self._stop.wait(SCAN_S if busy else IDLE_SCAN_S)

    def stop(self) -> None:
        """End the watch."""
        self._stop.set()

    def scan(self, buckets: Iterable[str]) -> None:
        """Bring the rows of buckets up to their pointers."""
        with self._lock:
            for bucket in buckets:
                self._scan(bucket)

    def _scan(self, bucket: str) -> None:
        pointers = self._registry.latest_pointers(bucket)
        stamps = {name: f"{p.etag}{p.modified.isoformat()}" for name, p in pointers.items()}
        with self._engine.connect() as connection:
            rows = connection.execute(sa.select(db.index.c.name, db.index.c.stamp).where(db.index.c.bucket == bucket))
            known = {row.name: row.stamp for row in rows}
        for name in known.keys() - stamps.keys():
            self._forget(bucket, name)
        for name, stamp in stamps.items():
            if known.get(name) != stamp:
                self._put(bucket, name, stamp)

    def _forget(self, bucket: str, name: str) -> None:
        self._changed = time.monotonic()
        with self._engine.begin() as connection:
            connection.execute(db.index.delete().where(db.index.c.bucket == bucket, db.index.c.name == name))

    def _put(self, bucket: str, name: str, stamp: str) -> None:
        latest = self._registry.latest(bucket, name)
        manifest = self._registry.manifest(bucket, latest[0]) if latest else None
        if latest is None or manifest is None:
            return
        self._changed = time.monotonic()
        row = {
            "bucket": bucket,
            "name": name,
            "stamp": stamp,
            "hash": latest[0],
            "modified": latest[1].isoformat(),
            "comment": manifest.header.get("message") or "",
            "meta": json.dumps(manifest.header.get("user_meta")),
            "size": float(manifest.total_bytes),
            "entries": len(manifest.entries),
            "indexed": time.time(),
        }
        with self._engine.begin() as connection:
            connection.execute(db.index.delete().where(db.index.c.bucket == bucket, db.index.c.name == name))
            connection.execute(db.index.insert().values(**row))

    def find(self, buckets: Iterable[str], text: str) -> list[dict[str, Any]]:
        """Give the packages that match any term, newest first, then by name; no term matches all."""
        lag = float((self._faults.get("index-lag") or {}).get("seconds", 0))
        with self._engine.connect() as connection:
            rows = connection.execute(
                sa.select(db.index).where(db.index.c.bucket.in_(list(buckets)), db.index.c.indexed <= time.time() - lag)
            ).mappings()
            found = [dict(row) for row in rows]
        terms = [term_pattern(term) for term in text.split() if term != "*"] if text.strip() != "*" else []
        hits = [row for row in found if not terms or any(term.search(haystack(row)) for term in terms)]
        hits.sort(key=lambda row: row["name"])
        hits.sort(key=lambda row: row["modified"], reverse=True)
        return hits


def term_pattern(term: str) -> re.Pattern[str]:
    """Compile a term: a substring whatever its case, `*` a wildcard, everything else literal."""
    bare = term.replace("\\", "").strip("*")
    return re.compile(".*".join(re.escape(part) for part in bare.split("*")), re.IGNORECASE)


def haystack(row: dict[str, Any]) -> str:
    """Give the text of a package that a term may match."""
    meta = json.dumps(json.loads(row["meta"]), ensure_ascii=False) if row["meta"] else ""
    return "\n".join((row["name"], row["comment"], meta))
