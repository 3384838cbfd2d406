"""Cleanup: deletes what a run's ledger claims, and reports what stays behind.

It never decides a test's verdict, and it may be repeated at any time. Whatever a ledger says, it rejects what does not
carry the run's tag in one of the project's writable buckets. A finalizer's `deleted` is only a claim. The purge alone
closes an entry: it also deletes versions, markers, manifests and unfinished uploads, and then lists again.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING
from typing import Final

from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError

from nightproof.errors import NightproofError
from nightproof.ledger import catalog
from nightproof.ledger import glue
from nightproof.ledger import packages
from nightproof.ledger import s3 as storage
from nightproof.ledger.journal import Entry
from nightproof.ledger.journal import Ledger
from nightproof.ledger.journal import carries_tag
from nightproof.ledger.journal import read_entries
from nightproof.names import run_tag
from nightproof.quilt.exceptions import QuiltOpsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Iterator
    from pathlib import Path

    from types_boto3_s3 import S3Client

    from nightproof.ledger.catalog import CatalogAdmin
    from nightproof.ledger.glue import GlueDatabase

PURGED: Final = "purged and listed again"
WORKERS: Final = 8
UNREACHABLE: Final = (BotoCoreError, ClientError, NightproofError, QuiltOpsError)


@dataclass(frozen=True, slots=True)
class CleanContext:
    """The context of a cleanup: our resources are in `writable` buckets, and our manifests point into `sources`.

    Without `catalog` there is no admin to delete users and tables, without `glue` no database of external tables.
    """

    s3: S3Client
    writable: frozenset[str]
    sources: frozenset[str]
    keep: bool = False
    catalog: CatalogAdmin | None = None
    glue: GlueDatabase | None = None
    progress: Callable[[int, int], None] = field(default=lambda _done, _of: None)


@dataclass(frozen=True, slots=True)
class Planned:
    """One entry with what a cleanup would do; `refusal` is empty if it would delete."""

    entry: Entry
    refusal: str


def ledger_paths(run_dir: Path) -> tuple[Path, ...]:
    """Return every journal of a run, the run's own first."""
    return tuple(sorted(run_dir.rglob("ledger.jsonl"), key=lambda path: (len(path.parts), path)))


def unsettled(run_dir: Path) -> tuple[Entry, ...]:
    """Return the entries that no purge has closed yet."""
    return tuple(entry for entry in read_entries(ledger_paths(run_dir)) if _is_unsettled(entry))


def open_runs(runs_dir: Path, current: str = "") -> tuple[Path, ...]:
    """Return the run directories, oldest first, whose ledgers hold unsettled entries; `current` is left out."""
    found = sorted(path for path in runs_dir.glob("*") if path.is_dir() and not path.is_symlink())
    return tuple(path for path in found if path.name != current and unsettled(path))


def plan(run_dir: Path, context: CleanContext) -> tuple[Planned, ...]:
    """Return what `clean_run` would delete or refuse, without touching anything."""
    return tuple(Planned(entry, refusal(entry, run_dir.name, context)) for entry in unsettled(run_dir))


def sweep(runs_dir: Path, current: str, context: CleanContext) -> int:
    """Close the ledgers of earlier runs; return how many resources were deleted."""
    return sum(clean_run(run_dir, context) for run_dir in open_runs(runs_dir, current))


def clean_run(run_dir: Path, context: CleanContext) -> int:
    """Purge everything that one run's ledger claims; return the number of deletions. One failure stops no other."""
    entries = unsettled(run_dir)
    ledger = Ledger(run_dir / "ledger.jsonl", run_dir.name)
    if context.keep:
        for entry in entries:
            ledger.adopt(entry, "kept", "kept on request")
        return 0
    allowed = [entry for entry in entries if not _refuse(entry, ledger, context)]
    blind = _find_manifests(allowed, ledger, context)
    found = (entry for entry in unsettled(run_dir) if entry.kind == "manifest")
    manifests = tuple(entry for entry in found if not refusal(entry, run_dir.name, context))
    held = [entry for entry in allowed if entry.kind in catalog.KINDS]
    stored = [entry for entry in allowed if entry.kind not in {*catalog.KINDS, "manifest"} and entry not in blind]
    total = len(stored) + len(manifests) + len(held)
    deleted = 0
    for done, is_deleted in enumerate(_purge_all(stored, manifests, ledger, context), start=1):
        deleted += is_deleted
        context.progress(done, total)
    for done, (entry, result) in enumerate(catalog.purge(held, context.catalog), start=total - len(held) + 1):
        deleted += _settle(entry, result, ledger)
        context.progress(done, total)
    return deleted


def refusal(entry: Entry, run_id: str, context: CleanContext) -> str:
    """Return why an entry in the ledger of a run must not be touched, or an empty text."""
    if entry.run_id != run_id:
        return f"it is written down for the run `{entry.run_id}`, not `{run_id}`"
    if entry.kind in catalog.KINDS:
        return catalog.refusal(entry, run_id)
    if entry.kind == glue.KIND:
        return glue.refusal(entry, run_id, context.glue)
    return _refusal_of_stored(entry, run_id, context.writable)


def _refusal_of_stored(entry: Entry, run_id: str, writable: frozenset[str]) -> str:
    bucket, key = place(entry)
    mark = f"np-{run_tag(run_id)}"
    if bucket not in writable:
        return f"`{bucket}` is not one of this environment's writable buckets"
    if entry.kind == "manifest":
        return "" if len(key.removeprefix(packages.MANIFESTS)) == len("0" * 64) else f"`{key}` is not a manifest"
    if not carries_tag(key, run_id):
        return f"`{key}` does not carry the tag `{mark}` of its run"
    if entry.kind == "prefix" and key.endswith(mark):
        return f"the prefix `{key}` has no end: `{key}x` of somebody else would go with it, write `{key}/`"
    return ""


def place(entry: Entry) -> tuple[str, str]:
    """Return bucket and key (or prefix) of an entry; resources of catalog and Glue have a bucket name of their own."""
    if entry.kind in catalog.KINDS:
        return catalog.PLACE, catalog.key_of(entry)
    if entry.kind == glue.KIND:
        return glue.PLACE, glue.key_of(entry)
    locator = entry.locator
    bucket = str(locator.get("bucket") or locator.get("registry", "")).removeprefix("s3://").rstrip("/")
    if entry.kind == "manifest":
        return bucket, packages.MANIFESTS + str(locator.get("hash", ""))
    return bucket, str(locator.get("key") or locator.get("prefix") or locator.get("name", ""))


def _is_unsettled(entry: Entry) -> bool:
    return entry.is_open or (entry.state == "deleted" and entry.detail != PURGED)


def _refuse(entry: Entry, ledger: Ledger, context: CleanContext) -> bool:
    reason = refusal(entry, ledger.run_id, context)
    if reason:
        ledger.adopt(entry, "leaked", f"not touched: {reason}")
    return bool(reason)


def _find_manifests(entries: Iterable[Entry], ledger: Ledger, context: CleanContext) -> list[Entry]:
    """Record the manifests of our packages before the pointers that lead to them are deleted.

    Return the packages whose manifests could not be found. They keep their pointers, because nothing else leads to
    them.
    """
    blind: list[Entry] = []
    for bucket, made in _by_bucket(entry for entry in entries if entry.kind == "package"):
        try:
            found = _manifests(bucket, made, context)
        except UNREACHABLE as error:
            for entry in made:
                ledger.adopt(entry, "leaked", f"its manifests could not be listed: {error}")
            blind += made
        else:
            for top_hash in sorted(found):
                ledger.confirmed(ledger.intent("manifest", {"registry": bucket, "hash": top_hash}))
    return blind


def _by_bucket(entries: Iterable[Entry]) -> Iterable[tuple[str, list[Entry]]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(place(entry)[0], []).append(entry)
    return found.items()


def _manifests(bucket: str, made: list[Entry], context: CleanContext) -> frozenset[str]:
    named = [packages.package_hashes(context.s3, bucket, str(entry.locator["name"])) for entry in made]
    unconfirmed = [entry.intended for entry in made if not entry.was_confirmed]
    return frozenset().union(*named) | packages.orphans(context.s3, bucket, unconfirmed, context.sources)


def _purge_all(
    stored: Iterable[Entry], manifests: Iterable[Entry], ledger: Ledger, context: CleanContext
) -> Iterator[bool]:
    """Purge what is stored, then the manifests that no package names any more; yield whether each was deleted."""
    with ThreadPoolExecutor(WORKERS) as pool:
        yield from pool.map(lambda entry: _purge(entry, ledger, context), stored)
        for bucket, made in _by_bucket(manifests):
            purge = partial(_purge_manifest, ours=_unnamed(bucket, made, context), ledger=ledger, context=context)
            yield from pool.map(purge, made)


def _unnamed(bucket: str, made: list[Entry], context: CleanContext) -> frozenset[str] | str:
    """Return the hashes that no package names any more, or the reason why that is unknown."""
    try:
        return packages.unshared(context.s3, bucket, frozenset(str(entry.locator["hash"]) for entry in made))
    except UNREACHABLE as error:
        return f"could not be deleted: {error}"


def _purge_manifest(entry: Entry, ours: frozenset[str] | str, ledger: Ledger, context: CleanContext) -> bool:
    if isinstance(ours, str):
        return _settle(entry, ours, ledger)
    if entry.locator["hash"] not in ours:
        ledger.adopt(entry, "absent", "another package names this manifest")
        return False
    return _purge(entry, ledger, context)


def _purge(entry: Entry, ledger: Ledger, context: CleanContext) -> bool:
    """Delete one resource with all its versions; record what the listing shows afterwards."""
    try:
        removed = _remove(entry, context)
    except UNREACHABLE as error:
        ledger.adopt(entry, "leaked", f"could not be deleted: {error}")
        return False
    return _settle(entry, bool(removed), ledger)


def _settle(entry: Entry, result: bool | str, ledger: Ledger) -> bool:  # noqa: FBT001 - what a deletion gave
    """Record what became of a resource: deleted, never there, or why it stays; return whether it was deleted."""
    if isinstance(result, str):
        ledger.adopt(entry, "leaked", result)
        return False
    # A resource that was confirmed and is not there now was deleted by its test.
    is_deleted = result or entry.was_confirmed
    ledger.adopt(entry, "deleted" if is_deleted else "absent", PURGED if is_deleted else "was never made")
    return is_deleted


def _remove(entry: Entry, context: CleanContext) -> int:
    s3, (bucket, key) = context.s3, place(entry)
    if entry.kind == glue.KIND and context.glue:
        return context.glue.remove(entry)
    if entry.kind == "package":
        pointers = storage.remove_prefix(s3, bucket, packages.pointer_prefix(key))
        return pointers + storage.remove_prefix(s3, bucket, f"{key}/")
    return storage.remove_prefix(s3, bucket, key, exact=entry.kind in {"object", "manifest"})
