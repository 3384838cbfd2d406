"""The report of a night that was killed before it could write one, from its event logs, locks and ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING

from nightproof import conclusion
from nightproof.config.loader import load
from nightproof.errors import UsageError
from nightproof.ledger.audit import sums
from nightproof.locking import holder
from nightproof.locking import require_free
from nightproof.plan import RUN_ID
from nightproof.plan import Choice
from nightproof.plan import make_plan
from nightproof.redact import Redactor
from nightproof.report.publish import publish
from nightproof.verdict.assemble import RunFacts
from nightproof.verdict.assemble import build_report
from nightproof.verdict.assemble import declared

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nightproof.plan import RunPlan
    from nightproof.records import RunReport


def salvage(profile_given: str, run_id: str) -> RunReport:
    """Judge a killed night, write its report with companion files into its directory, and return the report.

    The report claims nothing beyond the files. Tests without an event are `not_run`, the next night's sweep audits the
    resources, and the night counts as interrupted. Raise UsageError if the run does not exist or is still running.
    """
    told = load(profile_given, for_tests=False)
    profile = told.profile
    run_dir = (profile.state_dir.absolute() / "runs" / run_id).resolve()
    _require_dead(run_dir, run_id)
    plan = make_plan(profile, Choice(), run_dir.name, profile_given)
    redact = Redactor(told.secrets.values()).text
    facts = _facts(plan, run_dir, redact)
    report = replace(build_report(facts), ledger=sums(run_dir, 0, 0))
    return publish(report, run_dir, declared(facts), redact=redact)


def _require_dead(run_dir: Path, run_id: str) -> None:
    if not run_dir.is_dir() or not RUN_ID.fullmatch(run_dir.name):
        raise UsageError(f"There is no run `{run_id}` in `{run_dir.parent}`: list runs with `nightproof history`.")
    try:
        require_free(run_dir.parent.parent)
    except UsageError as error:
        running = holder(run_dir.parent.parent)
        if running is None or running.run_id == run_dir.name:
            raise UsageError(
                f"The run `{run_dir.name}` has no report yet, for it is still running: wait for its end, "
                "or interrupt it."
            ) from error


def _facts(plan: RunPlan, run_dir: Path, redact: Callable[[str], str]) -> RunFacts:
    started = datetime.strptime(run_dir.name.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    cells = tuple(conclusion.cell_facts(run_dir, cell, redact) for cell in plan.cells)
    if not any(cell.events for cell in cells):
        raise UsageError(
            f"The run `{run_dir.name}` was killed before any test began, there is nothing to report: "
            f"run it again with `{plan.rerun}`."
        )
    return RunFacts(
        run_id=run_dir.name,
        profile=plan.profile,
        started=started,
        ended=max(started, _last_sign(run_dir)),
        cells=cells,
        interrupted="killed",
        quarantine=conclusion.quarantine(plan.cells, redact),
        rerun=plan.rerun,
    )


def _last_sign(run_dir: Path) -> datetime:
    """Return the time of the run's last write to a log or ledger."""
    return datetime.fromtimestamp(max(path.stat().st_mtime for path in run_dir.rglob("*.jsonl")), UTC)
