"""Pruning of the state directory: an old run keeps its report.json, and its ledgers while they are open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING

from nightproof.housekeeping import started_of
from nightproof.ledger.clean import ledger_paths
from nightproof.ledger.clean import unsettled
from nightproof.locking import holder

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """The files to delete, their total size in bytes, and their run directories."""

    files: tuple[Path, ...]
    size_bytes: int
    run_dirs: tuple[Path, ...]

    @property
    def runs(self) -> int:
        """The number of runs that would lose files."""
        return len(self.run_dirs)


def plan_prune(runs_dir: Path, keep: timedelta, now: datetime | None = None) -> PrunePlan:
    """Find the files of runs older than `keep`; the newest run and a running one are never touched."""
    oldest = (now or datetime.now(UTC)) - keep
    holding = holder(runs_dir.parent)
    found = sorted(path for path in runs_dir.glob("*") if not path.is_symlink() and started_of(path.name))
    spared = {*found[-1:], runs_dir / (holding.run_id if holding else "")}
    old = [path for path in found if path not in spared and (started := started_of(path.name)) and started < oldest]
    files = {run: gone for run in old if (gone := _expendable(run))}
    every = tuple(path for paths in files.values() for path in paths)
    return PrunePlan(every, sum(path.lstat().st_size for path in every), tuple(files))


def prune(plan: PrunePlan) -> None:
    """Delete the planned files and the folders that are then empty, run directories included."""
    for path in plan.files:
        path.unlink(missing_ok=True)
    for run_dir in plan.run_dirs:
        folders = [path for path in run_dir.rglob("*") if path.is_dir() and not path.is_symlink()]
        for folder in [*sorted(folders, reverse=True), run_dir]:
            if not any(folder.iterdir()):
                folder.rmdir()


def _expendable(run_dir: Path) -> list[Path]:
    kept = {run_dir / "report.json"} | (set(ledger_paths(run_dir)) if unsettled(run_dir) else set())
    files = (path for path in sorted(run_dir.rglob("*")) if path.is_file() or path.is_symlink())
    return [path for path in files if path not in kept]
