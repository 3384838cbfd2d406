"""Ad hoc cleanup of earlier runs by their ledgers, limited by age; it deletes only on request."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING

from nightproof import ledger
from nightproof.errors import UsageError
from nightproof.locking import environment_lock
from nightproof.night import clean_context
from nightproof.plan import RUN_ID
from nightproof.target import open_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nightproof.ledger import CleanContext
    from nightproof.profile import Profile
    from nightproof.profile import Secrets
    from nightproof.target import Target


@dataclass(frozen=True, slots=True)
class CleanupResult:
    """The resources that a cleanup found, deleted and leaked; `refused` entries are never touched."""

    runs: tuple[str, ...]
    planned: tuple[str, ...]
    refused: tuple[str, ...]
    deleted: int
    leaked: int
    dry_run: bool
    entries_leaked: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The result in one line."""
        found = f"{len(self.planned)} resources of {len(self.runs)} runs"
        if self.dry_run:
            return f"Would delete {found}; {len(self.refused)} refused. Nothing was changed."
        return f"Deleted {self.deleted} of {found}; {self.leaked} still there, {len(self.refused)} refused."


@contextmanager
def opened(profile: Profile, secrets: Secrets, purpose: str) -> Iterator[Target]:
    """Lock the environment and open its systems for a job that is not a night."""
    with environment_lock(profile.state_dir.absolute(), purpose):
        target = open_target(profile, secrets)
        try:
            yield target
        finally:
            target.stop()


def clean_earlier(
    profile: Profile, secrets: Secrets, *, run_id: str | None = None, min_age: timedelta, dry_run: bool = True
) -> CleanupResult:
    """Plan the cleanup of one earlier run, or of all, and do it unless it is a dry run.

    Raise UsageError for an unknown run. An empty `run_id` counts as one, so that an unset shell variable never means
    all.
    """
    runs_dir = profile.state_dir.absolute() / "runs"
    runs = _chosen(runs_dir, run_id, min_age)
    with opened(profile, secrets, "cleanup") as target:
        context = clean_context(target)
        if context is None:
            raise UsageError(f"The profile `{profile.name}` may not write, so there is nothing of ours to clean up.")
        return _clean(runs, context, dry_run=dry_run)


def _clean(runs: tuple[Path, ...], context: CleanContext, *, dry_run: bool) -> CleanupResult:
    found = [item for run_dir in runs for item in ledger.plan(run_dir, context)]
    deleted = 0 if dry_run else sum(ledger.clean_run(run_dir, context) for run_dir in runs)
    audits = [] if dry_run else [ledger.audit(run_dir, context) for run_dir in runs]
    return CleanupResult(
        runs=tuple(run_dir.name for run_dir in runs),
        planned=tuple(item.entry.title for item in found if not item.refusal),
        refused=tuple(f"{item.entry.title}: {item.refusal}" for item in found if item.refusal),
        deleted=deleted,
        leaked=sum(audit.leaked for audit in audits),
        dry_run=dry_run,
        entries_leaked=tuple(entry for audit in audits for entry in audit.entries_leaked),
    )


def _chosen(runs_dir: Path, run_id: str | None, min_age: timedelta) -> tuple[Path, ...]:
    if run_id is not None and not (RUN_ID.fullmatch(run_id) and (runs_dir / run_id).is_dir()):
        raise UsageError(f"There is no run `{run_id}` in `{runs_dir}`: list runs with `nightproof history`.")
    youngest = datetime.now(UTC) - min_age
    return tuple(
        path
        for path in ledger.open_runs(runs_dir)
        if run_id in (None, path.name) and (started := started_of(path.name)) and started <= youngest
    )


def started_of(run_id: str) -> datetime | None:
    """Return the start time in a run id, or None if the name is no run id."""
    if not RUN_ID.fullmatch(run_id):
        return None
    return datetime.strptime(run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
