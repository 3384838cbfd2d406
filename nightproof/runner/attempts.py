"""The attempt that the event log shows for one execution of one test."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.records import Attempt
from nightproof.records import Exchanges
from nightproof.records import Outcome
from nightproof.runner.failure import failure_of

if TYPE_CHECKING:
    from collections.abc import Iterator

PHASES: Final = ("setup", "call", "teardown")
MESSAGE_LIMIT: Final = 4000  # characters


@dataclass(slots=True)
class Running:
    """A test between its first line and its last."""

    id: str
    nodeid: str
    started: datetime
    execution: int = 1  # a plugin of the suite's own ran it again within the process
    reports: list[dict[str, Any]] = field(default_factory=list)
    subtests: list[dict[str, Any]] = field(default_factory=list)
    time_limit: str = ""
    evidence: dict[str, Any] | None = None


def to_attempt(running: Running, n: int, why: str, cut_outcome: Outcome, ended: datetime | None) -> Attempt:
    """Return the attempt that the reports show; `why` and `cut_outcome` apply if the process ended in mid-test."""
    outcome, message, outside = _judge(running)
    if outcome is None:
        outcome, message = cut_outcome, why or "the test left no outcome"
    # Without evidence the process died in mid-test, which running this test alone may not repeat.
    if running.evidence is None and cut_outcome is Outcome.ERROR and outcome is not Outcome.TIMEOUT:
        outside = outside or "the death of the process"
    evidence = running.evidence or {}
    failure = failure_of([*running.subtests, *running.reports])
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
        unrecorded=evidence.get("unrecorded", 0),
        proof=evidence.get("proof", ""),
        vouched=evidence.get("vouched", ""),
        kind=next((report["nightproof_kind"] for report in _unpassed(running) if report.get("nightproof_kind")), ""),
        server_ms=evidence.get("server_ms"),
        where=failure.where,
        traceback=failure.traceback,
        output=failure.output,
        exchange=str(evidence.get("exchange", "")) if outcome is not Outcome.PASSED else "",
        outside_cause=outside,
    )


def noted(running: Running) -> tuple[tuple[str, Any], ...]:
    """Return the properties that the test noted; each report holds all of them so far."""
    found = running.reports[-1].get("user_properties", ()) if running.reports else ()
    return tuple((str(name), value) for name, value in found)


def skip_reason(running: Running) -> str:
    """Return kind and reason of a skip, an expected failure or an unexpected pass, or an empty text."""
    for report in running.reports:
        if "wasxfail" in report:
            kind = "xpass" if report.get("outcome") == "passed" else "xfail"
            return f"{kind}: {str(report['wasxfail']).removeprefix('reason:').strip() or 'no reason given'}"
        if report.get("outcome") == "skipped":
            return f"skip: {_message(report)}"
    return ""


def _judge(running: Running) -> tuple[Outcome | None, str, str]:
    """Return outcome, message and outside cause; the outcome is None for an incomplete log without a failure."""
    broken = next(_broken(running), None)
    timed_out = next((report for report in _unpassed(running) if report.get("nightproof_timeout")), None)
    if timed_out is not None:
        return Outcome.TIMEOUT, _message(timed_out), ""
    if running.time_limit and running.evidence is None:
        return Outcome.TIMEOUT, running.time_limit, ""
    if broken is None and (skipped := skip_reason(running)):
        return Outcome.FAILED, f"unregistered {skipped}", ""
    if broken is not None:
        outcome = Outcome.FAILED if broken.get("when") == "call" else Outcome.ERROR
        outside = str(broken.get("nightproof_outside") or "")
        message = _subtests(running) or _message(broken)
        return outcome, f"{outside}: {message}" if outside else message, outside
    # A test that passed has its evidence and all three phases; anything less is an incomplete log.
    seen = {report.get("when") for report in running.reports}
    if running.evidence is None or not seen.union(running.evidence.get("phases", ())).issuperset(PHASES):
        return None, "", ""
    return Outcome.PASSED, "", ""


def _unpassed(running: Running) -> Iterator[dict[str, Any]]:
    return (report for report in (*running.subtests, *running.reports) if report.get("outcome") != "passed")


def _broken(running: Running) -> Iterator[dict[str, Any]]:
    """Yield the reports of what failed, failed sub-tests first; a plugin that reruns has an outcome of its own."""
    yield from (report for report in running.subtests if report.get("outcome") == "failed")
    for report in running.reports:
        if report.get("outcome") not in {"passed", "skipped"}:
            yield report


def _subtests(running: Running) -> str:
    """Return the failed sub-tests with the message of the first, or an empty text if none failed."""
    failed = [report for report in running.subtests if report.get("outcome") == "failed"]
    if not failed:
        return ""
    others = [_subtest_name(report) for report in failed[1:]]
    more = f"\nsub-tests that failed too: {', '.join(others)}" if others else ""
    return f"sub-test {_subtest_name(failed[0])}: {_message(failed[0])}{more}"


def _subtest_name(report: dict[str, Any]) -> str:
    """Return a sub-test's description as pytest prints it."""
    context = report.get("_subtest.context") or {}
    values = ", ".join(f"{name}={value}" for name, value in (context.get("kwargs") or {}).items())
    shown = [f"[{context['msg']}]"] if context.get("msg") is not None else []
    return " ".join([*shown, *([f"({values})"] if values else [])]) or "(<subtest>)"


def _message(report: dict[str, Any]) -> str:
    """Return the reason of a skip, the message of a crash, or the plain text of any other report."""
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
