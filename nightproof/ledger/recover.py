"""Recovery of what a ledger no longer holds: found by the run's tag and age, and recorded for the cleanup.

A ledger can be garbled like any file, or lack the lines that a killed process had not written. The run directory names
the run, every resource carries the run's whole tag, and nothing of a run is older than its start.
"""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.ledger import glue
from nightproof.ledger import packages
from nightproof.ledger import s3 as storage
from nightproof.ledger.audit import covers
from nightproof.ledger.clean import UNREACHABLE
from nightproof.ledger.clean import ledger_paths
from nightproof.ledger.clean import place
from nightproof.ledger.clean import refusal
from nightproof.ledger.journal import Entry
from nightproof.ledger.journal import Ledger
from nightproof.ledger.journal import carries_tag
from nightproof.ledger.journal import is_readable
from nightproof.ledger.journal import read_entries

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Iterator
    from pathlib import Path

    from nightproof.ledger.clean import CleanContext

    Found = tuple[str, dict[str, Any]]  # a kind and a locator

MARK: Final = ".recovered"  # marks the directory of a run that was searched: once is enough
CLOCKS: Final = timedelta(minutes=5)  # how far the clocks of storage and machine may be apart


def recover(runs_dir: Path, current: str, context: CleanContext) -> tuple[str, ...]:
    """Record what exists of earlier runs with damaged ledgers; return sentences about it for the reader."""
    damaged = {path: lines for path in sorted(runs_dir.glob("2*-*")) if (lines := _damage(path, current))}
    if not damaged:
        return ()
    try:
        stored = {bucket: storage.versions(context.s3, bucket, "") for bucket in sorted(context.writable)}
        others = (*_held(context), *_tables(context))
    except UNREACHABLE as error:
        return (f"{len(damaged)} damaged ledgers could not be made good, the next night tries again: {error}",)
    told = []
    for run_dir, lines in damaged.items():
        found = [*_stored(run_dir.name, stored), *others]
        number = _write_down(run_dir, found, context)
        (run_dir / MARK).touch()
        told.append(
            f"The ledger of `{run_dir.name}` has {lines} unreadable lines: {number} resources were found by its tag."
        )
    return tuple(told)


def _damage(run_dir: Path, current: str) -> int:
    """Return the number of unreadable lines in a run's ledgers.

    A torn last line does not count, because its resource was not created yet.
    """
    if run_dir.is_symlink() or run_dir.name == current or (run_dir / MARK).exists():
        return 0
    wholes = (path.read_bytes().rpartition(b"\n")[0] for path in ledger_paths(run_dir))
    return sum(not is_readable(line) for whole in wholes for line in whole.split(b"\n") if line)


def _write_down(run_dir: Path, found: Iterable[Found], context: CleanContext) -> int:
    """Record what carries the run's tag, may be touched, and is in none of its ledgers; return how many."""
    known = read_entries(ledger_paths(run_dir))
    ledger = Ledger(run_dir / "ledger.jsonl", run_dir.name)
    number = 0
    for kind, locator in found:
        entry = Entry("", run_dir.name, kind, locator, datetime.now(UTC), "intent")
        bucket, key = place(entry)
        is_ours = carries_tag(key, run_dir.name) and not refusal(entry, run_dir.name, context)
        if is_ours and not any(place(other)[0] == bucket and covers(other, key) for other in known):
            ledger.confirmed(ledger.intent(kind, locator))
            number += 1
    return number


def _stored(run_id: str, stored: dict[str, tuple[storage.Version, ...]]) -> Iterator[Found]:
    """Yield the packages and objects whose every version was written since the run started."""
    # A run id begins with the UTC time at which the run started.
    born = datetime.strptime(run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) - CLOCKS
    for bucket, versions in stored.items():
        older = {version.key for version in versions if version.modified < born}
        keys = {version.key for version in versions if carries_tag(version.key, run_id)} - older
        names = {"/".join(key.removeprefix(packages.POINTERS).split("/")[:2]) for key in keys if _is_pointer(key)}
        yield from (("package", {"registry": bucket, "name": name}) for name in sorted(names))
        yield from (("object", {"bucket": bucket, "key": key}) for key in sorted(keys) if not _is_pointer(key))


def _is_pointer(key: str) -> bool:
    return key.startswith(packages.POINTERS)


def _held(context: CleanContext) -> Iterator[Found]:
    for key in sorted(context.catalog.present()) if context.catalog else ():
        kind, _, name = key.partition("/")
        bucket, _, table = name.partition("/")
        yield kind, {"name": name} if kind == "user" else {"bucket": bucket, "name": table}


def _tables(context: CleanContext) -> Iterator[Found]:
    for key in sorted(context.glue.present()) if context.glue else ():
        database, _, table = key.partition("/")
        yield glue.KIND, {"database": database, "name": table}
