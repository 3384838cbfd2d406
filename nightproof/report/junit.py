"""The night as JUnit XML, one suite per cell with its retries; also reads its numbers back."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING
from typing import Any

from junitparser import Error
from junitparser import Failure
from junitparser import Properties
from junitparser import Property
from junitparser import Skipped
from junitparser.xunit2 import FlakyFailure
from junitparser.xunit2 import JUnitXml
from junitparser.xunit2 import RerunFailure
from junitparser.xunit2 import TestCase
from junitparser.xunit2 import TestSuite

from nightproof.records import Outcome
from nightproof.records import Verdict
from nightproof.report import words

if TYPE_CHECKING:
    from nightproof.records import Attempt
    from nightproof.records import Cell
    from nightproof.records import RunReport
    from nightproof.records import TestVerdict

_FAILURES = (Verdict.FAILED, Verdict.TIMEOUT, Verdict.HOLLOW)
_ERRORS = (Verdict.ERROR, Verdict.BLOCKED, Verdict.NOT_RUN)


def render(report: RunReport) -> str:
    """Return the XML; a verdict that JUnit lacks is the `type` of a failure, error or skip."""
    root = JUnitXml(f"nightproof {report.run_id}")
    properties = Properties()
    root.append(properties)
    pairs = [("colour", words.colour_word(report)), ("cause", words.scrub(report.cause)), ("run_id", report.run_id)]
    for name, value in [*pairs, *words.counts(report)]:
        properties.add_property(Property(name, str(value)))
    for cell in report.cells:
        root.add_testsuite(_suite(cell, report))
    root.update_statistics()
    return f"<?xml version='1.0' encoding='utf-8'?>\n{root.tostring().decode()}\n".replace("\n\n", "\n")


def parse(page: str) -> tuple[dict[str, int], str, str]:
    """Return totals, colour and cause from the properties of the root."""
    found = _properties(page)
    totals = {name: int(value) for name, value in found.items() if name not in ("colour", "cause", "run_id")}
    return totals, found.get("colour", ""), found.get("cause", "")


def recount(page: str) -> dict[str, int]:
    """Return the number of test cases per verdict, to check the list against the totals."""
    counts = {verdict.value: 0 for verdict in Verdict}
    for case in ET.fromstring(page).iter("testcase"):  # noqa: S314 - our own file, read back
        verdict = next(p.get("value", "") for p in case.iter("property") if p.get("name") == "verdict")
        counts[verdict] = counts.get(verdict, 0) + 1
    return counts


def _properties(page: str) -> dict[str, str]:
    block = ET.fromstring(page).find("properties")  # noqa: S314 - our own file, read back
    return {p.get("name", ""): p.get("value", "") for p in (block if block is not None else ())}


def _suite(cell: Cell, report: RunReport) -> TestSuite:
    suite = TestSuite(f"{cell.suite}-{cell.backend}")
    suite.add_property("backend", cell.backend)
    if cell.started:
        suite.timestamp = cell.started.isoformat()
    for test in report.tests:
        if (test.suite, test.backend) == (cell.suite, cell.backend):
            suite.add_testcase(_case(test))
    suite.update_statistics()
    return suite


def _case(test: TestVerdict) -> TestCase:
    module, _, name = test.id.rpartition("::")
    case = TestCase(words.scrub(name), words.scrub(module), round(sum(a.duration_s for a in test.attempts), 3))
    for key in ("verdict", "backend", "tier", "category", "owner"):
        case.add_property(key, str(getattr(test, key)))
    result = _result(test)
    if result is not None:
        result.text = words.scrub(test.attempts[-1].message) if test.attempts else ""
        case.append(result)
    for attempt in _retried(test):
        case.add_interim_result(_interim(test, attempt))
    return case


def _result(test: TestVerdict) -> Any:
    reason = words.scrub(test.reason)
    if test.verdict in _FAILURES:
        return Failure(reason, test.verdict.value)
    if test.verdict in _ERRORS:
        return Error(reason, test.verdict.value)
    if test.verdict in (Verdict.UNSUPPORTED, Verdict.QUARANTINED):
        return Skipped(reason, test.verdict.value)
    return None


def _retried(test: TestVerdict) -> list[Attempt]:
    """Return the failing attempts that the result element does not already show."""
    earlier = test.attempts if test.verdict is Verdict.FLAKY else test.attempts[:-1]
    return [attempt for attempt in earlier if attempt.outcome is not Outcome.PASSED]


def _interim(test: TestVerdict, attempt: Attempt) -> FlakyFailure | RerunFailure:
    kind = FlakyFailure if test.verdict is Verdict.FLAKY else RerunFailure
    lines = words.scrub(attempt.message).splitlines() or [attempt.outcome.value]
    interim: FlakyFailure | RerunFailure = kind(lines[0], attempt.outcome.value)
    interim.stack_trace = words.scrub(attempt.message)
    return interim
