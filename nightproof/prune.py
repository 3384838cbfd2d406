"""Bound the state directory: an old run keeps its report.json, and its ledgers while they are open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING

from nightproof.housekeeping import started_of
from nightproof.ledger.clean import unsettled

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """The files that would go, with their size in bytes."""

    files: tuple[Path, ...]
    size_bytes: int
    runs: int


def plan_prune(runs_dir: Path, keep: timedelta, now: datetime | None = None) -> PrunePlan:
    """Find the files of runs older than `keep`; the newest run always stays whole."""
    oldest = (now or datetime.now(UTC)) - keep
    found = sorted(path for path in runs_dir.glob("*") if not path.is_symlink() and started_of(path.name))
    old = [path for path in found[:-1] if (started := started_of(path.name)) and started < oldest]
    files = {run: _expendable(run) for run in old}
    every = tuple(path for paths in files.values() for path in paths)
    return PrunePlan(every, sum(path.stat().st_size for path in every), sum(bool(paths) for paths in files.values()))


def prune(plan: PrunePlan) -> None:
    """Delete the planned files and the folders that this empties."""
    for path in plan.files:
        path.unlink(missing_ok=True)
    for folder in sorted({path.parent for path in plan.files}, key=lambda path: len(path.parts), reverse=True):
        while not (folder / "report.json").exists() and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
            folder = folder.parent  # noqa: PLW2901 - climbs until a folder that still holds something


def _expendable(run_dir: Path) -> list[Path]:
    is_open = bool(unsettled(run_dir))
    kept = {"report.json"} | ({"ledger.jsonl"} if is_open else set())
    files = (path for path in sorted(run_dir.rglob("*")) if path.is_file() or path.is_symlink())
    return [path for path in files if path.name not in kept]
