"""Write the event logs that the cells of a sample night would have left, so that its run directory is complete."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.evidence.eventlog import EventLog
from nightproof.records import Attempt
from nightproof.records import Outcome
from nightproof.runner.events import LOGS

KEPT: Final = ("assertions", "exchanges", "server_exchanges", "server_ms", "unanswered", "exchange")

if TYPE_CHECKING:
    from pathlib import Path

    from nightproof.runner.events import CellEvents
    from nightproof.verdict.assemble import RunFacts


def write_logs(run_dir: Path, facts: RunFacts) -> None:
    """Write the logs of every cell that started."""
    for cell in facts.cells:
        if cell.events is not None:
            write_cell(run_dir / "cells" / f"{cell.suite}-{cell.backend}", cell.events)


def write_cell(folder: Path, events: CellEvents) -> None:
    """Write both passes of one cell; the second one only if a test ran twice."""
    for number, name in enumerate(LOGS, start=1):
        runs = [(i, attempts[number - 1]) for i, attempts in events.attempts.items() if len(attempts) >= number]
        if number > 1 and not runs:
            return
        log = EventLog(folder / name)
        log.write("CellStart", suite=events.suite, backend=events.backend, time=_text(events.started))
        if number == 1:
            log.write("Collected", ids=list(events.collected))
        for test_id, attempt in runs:
            _write_attempt(log, test_id, attempt, events)
        if events.exit is not None and events.exit >= 0:
            log.write("PytestEnd", exit=events.exit, time=_text(events.ended))
        else:
            log.write("CellKilled", reason="cancel", id="", time=_text(events.ended))
        log.write("ProcessExit", exit=events.exit, time=_text(events.ended))


def _write_attempt(log: EventLog, test_id: str, attempt: Attempt, events: CellEvents) -> None:
    log.write("TestStart", id=test_id, nodeid=test_id, time=_text(attempt.started))
    bad_phase = "setup" if attempt.outcome is Outcome.ERROR else "call"
    for phase in ("setup", "call", "teardown"):
        report: dict[str, Any] = {"nodeid": test_id, "when": phase, "outcome": "passed", "duration": 0.0}
        if phase == "call":
            report["duration"] = attempt.duration_s
        if phase == bad_phase and attempt.outcome is not Outcome.PASSED:
            report |= {"outcome": "failed", "longrepr": _shown(attempt), "sections": _sections(attempt)}
            report["nightproof_timeout"] = attempt.outcome is Outcome.TIMEOUT
        report |= {"user_properties": events.properties.get(test_id, ()), "nightproof_kind": attempt.kind}
        log.write("TestReport", **report)
    evidence = asdict(attempt)
    kept = {key: evidence[key] for key in KEPT}
    seen = [asdict(one) for one in events.observations.get(test_id, ())]
    log.write("TestEvidence", id=test_id, time=_text(attempt.started), observations=seen, **kept)


def _shown(attempt: Attempt) -> Any:
    """Return the failure as pytest reports it, with its frame if the sample has one."""
    if not attempt.where:
        return attempt.message
    path, _, line = attempt.where.rpartition(":")
    *lines, place = attempt.traceback.split("\n")
    frame = {"lines": lines, "reprfileloc": {"path": path, "lineno": line, "message": place.rpartition(": ")[2]}}
    crash = {"path": path, "lineno": line, "message": attempt.message}
    return {"reprcrash": crash, "reprtraceback": {"reprentries": [{"type": "ReprEntry", "data": frame}]}}


def _sections(attempt: Attempt) -> list[tuple[str, str]]:
    title, _, text = attempt.output.partition("\n")
    return [(title.strip("- "), text)] if text else []


def _text(moment: Any) -> str:
    return str(moment.isoformat())
