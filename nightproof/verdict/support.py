"""The support matrix: the status of each category, and of each file, of a suite on each backend."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING
from typing import Final

from nightproof.records import Outcome
from nightproof.records import TestVerdict
from nightproof.records import Verdict
from nightproof.side_by_side import Support
from nightproof.side_by_side import SupportRow

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Sequence

TIMEOUT_KIND: Final = "timeout"  # the `kind` of a backend error when its system did not answer in time
LACKING: Final = "needs "
_OF_VERDICT: Final = {
    Verdict.NOT_RUN: Support.NOT_RUN,
    Verdict.BLOCKED: Support.NOT_RUN,
    Verdict.PASSED: Support.PASS,
    Verdict.FLAKY: Support.FLAKY,
    Verdict.HOLLOW: Support.FAILING,
}
_ALL_OF_THEM: Final = (Support.BY_DESIGN, Support.UNSUPPORTED)
_PASSED: Final = (Verdict.PASSED, Verdict.FLAKY)


def support(tests: Iterable[TestVerdict]) -> tuple[SupportRow, ...]:
    """Return the rows of all suites: each category, and each of its files, per backend."""
    groups: dict[tuple[str, str, str, str], list[TestVerdict]] = {}
    for test in tests:
        for file in ("", file_of(test)):
            groups.setdefault((test.suite, test.category, file, test.backend), []).append(test)
    return tuple(_row(key, groups[key]) for key in sorted(groups))


def file_of(test: TestVerdict) -> str:
    """Return the file of a test, without the suite."""
    return test.id.removeprefix(f"{test.suite}/").partition("::")[0]


def state(test: TestVerdict) -> Support:
    """Return the status of one test on its backend; a quarantined test gets the status of its attempts."""
    if test.verdict in _OF_VERDICT:
        return _OF_VERDICT[test.verdict]
    if test.verdict is Verdict.UNSUPPORTED:
        return Support.UNSUPPORTED if test.reason.startswith(LACKING) else Support.BY_DESIGN
    passed = [attempt.outcome is Outcome.PASSED for attempt in test.attempts]
    if any(passed):
        return Support.PASS if all(passed) else Support.FLAKY
    slow = [attempt.outcome is Outcome.TIMEOUT or attempt.kind == TIMEOUT_KIND for attempt in test.attempts]
    return Support.TIMING_OUT if slow and all(slow) else Support.FAILING


def status(states: Sequence[Support]) -> Support:
    """Return the worst status of a cell; unsupported ones count only if the cell has no other."""
    asked = [one for one in states if one not in _ALL_OF_THEM]
    return min(asked or states, key=list(Support).index)


def _row(key: tuple[str, str, str, str], tests: Sequence[TestVerdict]) -> SupportRow:
    suite, category, file, backend = key
    last = [test.attempts[-1] for test in tests if test.attempts]
    unsupported = sum(test.verdict is Verdict.UNSUPPORTED for test in tests)
    return SupportRow(
        suite=suite,
        category=category,
        file=file or None,
        backend=backend,
        status=status([state(test) for test in tests]),
        passed=sum(test.verdict in _PASSED for test in tests),
        total=len(tests) - unsupported,
        unsupported=unsupported,
        median_s=round(median(attempt.duration_s for attempt in last), 3) if last else None,
        worst_server_ms=max((attempt.server_ms for attempt in last if attempt.server_ms is not None), default=None),
    )
