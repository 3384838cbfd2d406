"""The sections of the page: changes, causes, revenue and debt."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final
from urllib.parse import quote

from nightproof.history.nights import counted
from nightproof.records import STAGES
from nightproof.records import Attempt
from nightproof.records import Outcome
from nightproof.records import RunReport
from nightproof.records import TestVerdict
from nightproof.records import Verdict
from nightproof.verdict.clusters import FAILURES
from nightproof.verdict.clusters import Cluster
from nightproof.verdict.clusters import clusters

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

    from nightproof.history.nights import Night

SLOWEST: Final = 10


@dataclass(frozen=True, slots=True)
class Changes:
    """The differences from the last counted night; without one `since` is empty, and nothing is new or fixed."""

    since: str
    new: tuple[TestVerdict, ...]
    known: tuple[TestVerdict, ...]
    fixed: tuple[TestVerdict, ...]
    newly_flaky: tuple[TestVerdict, ...]


def changes(report: RunReport, past: Sequence[Night]) -> Changes:
    """Split tonight's failures into new and known, and find the fixed tests."""
    last = next(iter(counted(past)), None)
    failing = [test for test in report.tests if test.verdict in (*FAILURES, Verdict.BLOCKED)]
    before = last.verdicts if last else {}
    fixed = [
        test
        for test in report.tests
        if test.verdict is Verdict.PASSED and before.get((test.id, test.backend)) in FAILURES
    ]
    return Changes(
        since=last.run_id if last else "",
        new=tuple(test for test in failing if test.new),
        known=tuple(sorted((test for test in failing if not test.new), key=lambda test: -test.age_nights)),
        fixed=tuple(fixed),
        newly_flaky=tuple(test for test in report.tests if test.verdict is Verdict.FLAKY and test.new),
    )


def causes(report: RunReport) -> tuple[Cluster, ...]:
    """Return the clusters of failures, largest first."""
    return clusters(report.tests)


def revenue(report: RunReport) -> dict[str, float]:
    """Return the monthly revenue in USD by state and in total; empty if none is known."""
    known = [journey for journey in report.journeys if journey.mrr_usd is not None]
    states = {s: sum(j.mrr_usd or 0 for j in known if j.state == s) for s in ("protected", "at_risk", "unknown")}
    return {**states, "total": sum(states.values())} if known else {}


def with_verdicts(report: RunReport, *verdicts: Verdict) -> list[TestVerdict]:
    """Return the tests with these verdicts, oldest first."""
    return sorted((test for test in report.tests if test.verdict in verdicts), key=lambda test: -test.age_nights)


def unsupported(report: RunReport) -> list[tuple[str, list[TestVerdict]]]:
    """Return the unsupported tests by reason, most frequent first."""
    by_reason: dict[str, list[TestVerdict]] = {}
    for test in report.tests:
        if test.verdict is Verdict.UNSUPPORTED:
            by_reason.setdefault(test.reason, []).append(test)
    return sorted(by_reason.items(), key=lambda pair: (-len(pair[1]), pair[0]))


def stage_bars(report: RunReport) -> list[tuple[str, float, float]]:
    """Return name, seconds and percentage of each stage, in the night's order."""
    total = sum(report.stages.values()) or 1.0
    return [
        (name.replace("_", " "), report.stages[name], 100 * report.stages[name] / total)
        for name in STAGES
        if name in report.stages
    ]


def slowest(report: RunReport) -> list[tuple[TestVerdict, float]]:
    """Return the ten slowest tests with the total seconds of their attempts."""
    timed = [(test, sum(attempt.duration_s for attempt in test.attempts)) for test in report.tests if test.attempts]
    return sorted(timed, key=lambda pair: -pair[1])[:SLOWEST]


def anchor(test: TestVerdict) -> str:
    """Return the id of a test's row on the page, also the name of its folder below `evidence/`."""
    return f"{hashlib.sha256(test.id.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}-{test.backend}"


def evidence_links(test: TestVerdict, files: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Return name and address, relative to the page, of each file in the evidence folder of a test."""
    folder = anchor(test)
    return [(name, f"evidence/{quote(folder)}/{quote(name)}") for name in files.get(folder, ())]


def failed_attempts(test: TestVerdict) -> list[Attempt]:
    """Return the attempts that did not pass."""
    return [attempt for attempt in test.attempts if attempt.outcome is not Outcome.PASSED]
