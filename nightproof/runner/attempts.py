"""Make an attempt of what the log says about one execution of one test."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from typing import Any
from typing import Final

from nightproof.records import Attempt
from nightproof.records import Exchanges
from nightproof.records import Outcome
from nightproof.runner.failure import failure_of

PHASES: Final = ("setup", "call", "teardown")
MESSAGE_LIMIT: Final = 4000  # characters


@dataclass(slots=True)
class Running:
    """A test between its first line and its last."""

    id: str
    nodeid: str
    started: datetime
    reports: list[dict[str, Any]] = field(default_factory=list)
    evidence: dict[str, Any] | None = None


def to_attempt(running: Running, n: int, why: str, cut_outcome: Outcome, ended: datetime | None) -> Attempt:
    """Judge the reports; `why` and `cut_outcome` hold where the log was cut short by the process's end."""
    outcome, message = _judge(running)
    if outcome is None:
        outcome, message = cut_outcome, why or "the test left no outcome"
    evidence = running.evidence or {}
    failure = failure_of(running.reports)
    return Attempt(
        n=n,
        outcome=outcome,
        started=running.started.astimezone(UTC),
        duration_s=_duration(running, ended),
        assertions=evidence.get("assertions", 0),
        exchanges=Exchanges(**evidence.get("exchanges", {})),
        server_exchanges=evidence.get("server_exchanges"),
        message=message[:MESSAGE_LIMIT],
        unanswered=evidence.get("unanswered", 0),
        kind=next((report["nightproof_kind"] for report in running.reports if report.get("nightproof_kind")), ""),
        server_ms=evidence.get("server_ms"),
        where=failure.where,
        traceback=failure.traceback,
        output=failure.output,
        exchange=str(evidence.get("exchange", "")) if outcome is not Outcome.PASSED else "",
    )


def noted(running: Running) -> tuple[tuple[str, Any], ...]:
    """Give the properties that the test noted; each report carries all of them so far."""
    found = running.reports[-1].get("user_properties", ()) if running.reports else ()
    return tuple((str(name), value) for name, value in found)


def skip_reason(running: Running) -> str:
    """Give the reason of a skip or xfail, which nobody registered; empty when there is none."""
    for report in running.reports:
        if "wasxfail" in report:
            return f"xfail: {report['wasxfail'] or 'no reason given'}"
        if report.get("outcome") == "skipped":
            return f"skip: {_message(report)}"
    return ""


def _judge(running: Running) -> tuple[Outcome | None, str]:
    """Give outcome and message; no outcome for a test whose log is incomplete and shows no failure yet."""
    for report in running.reports:
        if report.get("nightproof_timeout"):
            return Outcome.TIMEOUT, _message(report)
    if skipped := skip_reason(running):
        return Outcome.FAILED, f"unregistered {skipped}"
    broken = next((report for report in running.reports if report.get("outcome") != "passed"), None)
    if broken is not None:
        return Outcome.FAILED if broken.get("when") == "call" else Outcome.ERROR, _message(broken)
    seen = {report.get("when") for report in running.reports}
    if running.evidence is None or not seen.issuperset(PHASES):
        return None, ""
    return Outcome.PASSED, ""


def _message(report: dict[str, Any]) -> str:
    """Give the crash line first, then pytest's whole text of it."""
    shown = report.get("longrepr")
    if isinstance(shown, list) and shown:
        return str(shown[-1])
    if isinstance(shown, dict):
        crash = (shown.get("reprcrash") or {}).get("message", "")
        return str(crash) or "failed without a message"
    return str(shown or "failed without a message")


def _duration(running: Running, ended: datetime | None) -> float:
    if running.evidence is None and ended is not None:
        return max(0.0, (ended - running.started).total_seconds())
    return float(sum(report.get("duration", 0.0) for report in running.reports))
