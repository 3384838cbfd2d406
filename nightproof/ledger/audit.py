"""The audit: an independent listing against which the cleanup's claims are checked."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nightproof.ledger import catalog
from nightproof.ledger import glue
from nightproof.ledger import packages
from nightproof.ledger import s3 as storage
from nightproof.ledger.clean import UNREACHABLE
from nightproof.ledger.clean import ledger_paths
from nightproof.ledger.clean import place
from nightproof.ledger.journal import Entry
from nightproof.ledger.journal import Ledger
from nightproof.ledger.journal import carries_tag
from nightproof.ledger.journal import read_entries
from nightproof.records import LedgerAudit

if TYPE_CHECKING:
    from pathlib import Path

    from nightproof.ledger.clean import CleanContext


def audit(run_dir: Path, context: CleanContext, swept: int = 0) -> LedgerAudit:
    """List buckets, catalog and Glue database afresh and settle every entry of a run by what is there.

    A claimed deletion that the listing contradicts becomes `leaked`. What carries the run's tag and is in no ledger is
    `unknown`. If a listing itself fails, nothing is proved: every entry that it covers counts as leaked.
    """
    entries = read_entries(ledger_paths(run_dir))
    ledger = Ledger(run_dir / "ledger.jsonl", run_dir.name)
    present: dict[str, frozenset[str]] = {}
    failed: dict[str, str] = {}
    for where, listing in (("", _stored), (catalog.PLACE, _held), (glue.PLACE, _tables)):
        try:
            present |= listing(context)
        except UNREACHABLE as error:
            failed[where] = f"the listing failed: {error}"
    for entry in entries:
        where = place(entry)[0]
        reason = failed.get(where if where in {catalog.PLACE, glue.PLACE} else "", "")
        if entry.state != "kept" and (reason or _is_there(entry, present)):
            known = entry.detail if entry.state == "leaked" else ""
            ledger.adopt(entry, "leaked", known or reason or "still listed")
    return sums(run_dir, _unknown(run_dir.name, entries, present), swept)


def _stored(context: CleanContext) -> dict[str, frozenset[str]]:
    return {bucket: _keys(context, bucket) for bucket in sorted(context.writable)}


def _held(context: CleanContext) -> dict[str, frozenset[str]]:
    """Return the users and tables of the catalog, or `{}` without an admin, who alone can list them."""
    return {catalog.PLACE: context.catalog.present()} if context.catalog else {}


def _tables(context: CleanContext) -> dict[str, frozenset[str]]:
    """Return the tables of the Glue database, or `{}` if there is none."""
    return {glue.PLACE: context.glue.present()} if context.glue else {}


def _keys(context: CleanContext, bucket: str) -> frozenset[str]:
    """Return every key of a bucket that has a version, a marker, an object or an unfinished upload."""
    keys = {version.key for version in storage.versions(context.s3, bucket, "")}
    keys |= {upload.key for upload in storage.uploads(context.s3, bucket, "")}
    for page in context.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        keys |= {item["Key"] for item in page.get("Contents", [])}
    return frozenset(keys)


def _is_there(entry: Entry, present: dict[str, frozenset[str]]) -> bool:
    if entry.state == "absent" and entry.kind == "manifest":
        return False  # another package names it, so it stays
    bucket, _ = place(entry)
    return any(covers(entry, key) for key in present.get(bucket, ()))


def covers(entry: Entry, key: str) -> bool:
    """Return whether a listed key is the resource of an entry, or part of it."""
    _, wanted = place(entry)
    if entry.kind in {"object", "manifest", glue.KIND} | catalog.KINDS:
        return key == wanted
    if entry.kind == "package":
        return key.startswith((packages.pointer_prefix(wanted), f"{wanted}/"))
    return key.startswith(wanted)


def _unknown(run_id: str, entries: tuple[Entry, ...], present: dict[str, frozenset[str]]) -> int:
    return sum(
        carries_tag(key, run_id) and not any(place(entry)[0] == bucket and covers(entry, key) for entry in entries)
        for bucket, keys in present.items()
        for key in keys
    )


def sums(run_dir: Path, unknown: int, swept: int) -> LedgerAudit:
    """Add up the entries of a run's ledgers, without looking at what is there."""
    entries = read_entries(ledger_paths(run_dir))
    states = Counter("leaked" if entry.state in {"intent", "confirmed"} else entry.state for entry in entries)
    leaked = tuple(f"{e.title}: {e.detail}" for e in entries if e.state in {"intent", "confirmed", "leaked"})
    return LedgerAudit(
        created=states["deleted"] + states["kept"] + states["leaked"],
        deleted=states["deleted"], kept=states["kept"], leaked=states["leaked"],
        unknown=unknown, swept=swept, entries_leaked=leaked,
    )  # fmt: skip
