"""One execution of a test: the errors of its phases, and which of its reports were logged.

Plugins that rerun a failing test do so within one protocol, and some log nothing of the attempt that failed. What they
left out is reported here, so that a pass on a rerun can be recognised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final

import pytest

from nightproof.evidence.failures import is_time_limit
from nightproof.evidence.failures import outside_cause
from nightproof.evidence.failures import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDS_SESSION: Final = (KeyboardInterrupt, pytest.exit.Exception)


class Execution:
    """The `number`-th execution of a test within one protocol."""

    def __init__(self, item: pytest.Item, number: int) -> None:
        self.item = item
        self.number = number
        self.phases: dict[str, BaseException | None] = {}
        self._made: dict[str, pytest.TestReport] = {}
        self._logged: set[str] = set()

    def made(self, report: pytest.TestReport) -> None:
        """Keep a phase's report; reports of sub-tests come first, and the one of the whole phase replaces them."""
        self._made[str(report.when)] = report

    def logged(self, report: pytest.TestReport) -> None:
        """Record that the report of a phase reached the log; the report of a sub-test does not stand for its phase."""
        if not is_subtest(report):
            self._logged.add(str(report.when))

    def unreported(self) -> Iterator[pytest.TestReport | dict[str, object]]:
        """Yield the report of each phase that did not pass and of which nothing was logged."""
        for when, error in self.phases.items():
            report = self._made.get(when)
            if when in self._logged or (report is not None and report.outcome == "passed"):
                continue
            if report is not None:
                vars(report)["nightproof_unreported"] = True
                yield report
            elif error is not None:
                yield self._line(when, error)

    def _line(self, when: str, error: BaseException) -> dict[str, object]:
        return {
            "$report_type": "TestReport",
            "nodeid": self.item.nodeid,
            "when": "session" if isinstance(error, ENDS_SESSION) else when,
            "outcome": "failed",
            "longrepr": f"{type(error).__name__}: {text_of(error)}",
            "nightproof_unreported": not isinstance(error, ENDS_SESSION),
            "nightproof_timeout": is_time_limit(error),
            "nightproof_outside": outside_cause(error, when),
            "user_properties": list(self.item.user_properties),
        }


def is_subtest(report: pytest.TestReport) -> bool:
    """Return whether a report is one of a sub-test, of pytest 9 or of pytest-subtests."""
    return type(report).__name__.lower() == "subtestreport"
