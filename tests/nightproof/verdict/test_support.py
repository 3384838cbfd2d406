"""The support matrix: one status per cell, the first rule that fits, and counts that add up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Final

import pytest

from nightproof.records import Outcome
from nightproof.records import TestVerdict
from nightproof.records import Tier
from nightproof.records import Verdict
from nightproof.side_by_side import Support
from nightproof.verdict.support import state
from nightproof.verdict.support import support
from tests.golden.samples import attempt

if TYPE_CHECKING:
    from nightproof.records import Attempt

BASE: Final = TestVerdict(
    id="backend/integration/test_a::test_0", suite="backend", backend="quilt3", verdict=Verdict.PASSED, reason="",
    wire="subject", tier=Tier.NORMAL, category="integration-read", type="e2e", journey=None, owner="",
    attempts=(attempt(),),
)  # fmt: skip
FAILED: Final = attempt(1, Outcome.FAILED, "no")
SLOW: Final = attempt(1, Outcome.TIMEOUT, "late")
LATE: Final = attempt(1, Outcome.FAILED, "BackendError", kind="timeout")
STATES: Final[dict[str, tuple[Verdict, tuple[Attempt, ...], str, Support]]] = {
    "passed": (Verdict.PASSED, (attempt(),), "", Support.PASS),
    "never started": (Verdict.NOT_RUN, (), "", Support.NOT_RUN),
    "night blocked": (Verdict.BLOCKED, (), "", Support.NOT_RUN),
    "failed twice": (Verdict.FAILED, (FAILED, FAILED), "", Support.FAILING),
    "failed, then hung": (Verdict.TIMEOUT, (FAILED, SLOW), "", Support.FAILING),
    "error in set-up": (Verdict.ERROR, (attempt(1, Outcome.ERROR, "x"),), "", Support.FAILING),
    "passed without evidence": (Verdict.HOLLOW, (attempt(assertions=0),), "", Support.FAILING),
    "hung twice": (Verdict.TIMEOUT, (SLOW, SLOW), "", Support.TIMING_OUT),
    "client gave up twice": (Verdict.FAILED, (LATE, LATE), "", Support.TIMING_OUT),
    "client gave up, then an error": (Verdict.FAILED, (LATE, FAILED), "", Support.FAILING),
    "mixed": (Verdict.FLAKY, (FAILED, attempt(2)), "", Support.FLAKY),
    "by design": (Verdict.UNSUPPORTED, (), "local-session", Support.BY_DESIGN),
    "target lacks a need": (Verdict.UNSUPPORTED, (), "needs athena", Support.UNSUPPORTED),
    "quarantined and passed": (Verdict.QUARANTINED, (attempt(),), "", Support.PASS),
    "quarantined and mixed": (Verdict.QUARANTINED, (FAILED, attempt(2)), "", Support.FLAKY),
    "quarantined and failed": (Verdict.QUARANTINED, (FAILED, FAILED), "", Support.FAILING),
}


@pytest.mark.parametrize("name", STATES)
def test_state_of_one_test(name: str) -> None:
    """Timing out and failing are distinct, and a test that never ran is never a pass."""
    verdict, attempts, reason, expected = STATES[name]
    assert state(replace(BASE, verdict=verdict, attempts=attempts, reason=reason)) is expected


def one(name: str) -> TestVerdict:
    """Return a test in one of the states above."""
    verdict, attempts, reason, _ = STATES[name]
    test_id = f"backend/integration/test_a::{name}"
    return replace(BASE, id=test_id, verdict=verdict, attempts=attempts, reason=reason)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["passed", "mixed", "hung twice", "failed twice", "never started"], Support.NOT_RUN),
        (["passed", "mixed", "hung twice", "failed twice"], Support.FAILING),
        (["passed", "mixed", "hung twice"], Support.TIMING_OUT),
        (["passed", "by design", "mixed"], Support.FLAKY),
        (["passed", "by design"], Support.PASS),
        (["by design"], Support.BY_DESIGN),
        (["by design", "target lacks a need"], Support.BY_DESIGN),
        (["target lacks a need"], Support.UNSUPPORTED),
    ],
)
def test_first_rule_that_fits_gives_the_status(names: list[str], expected: Support) -> None:
    """A cell has the status of its worst test; a partly run cell is `not run`."""
    category, file = support([one(name) for name in names])
    assert (category.status, file.status) == (expected, expected)
    assert (category.file, file.file) == (None, "integration/test_a")


def test_row_counts_and_times() -> None:
    """A row has passed of supported tests, the unsupported beside them, the median time and the slowest request."""
    tests = [
        replace(BASE, attempts=(attempt(duration_s=1.0, server_ms=10.0),)),
        replace(BASE, id="backend/integration/test_b::t", attempts=(attempt(duration_s=3.0, server_ms=90.0),)),
        replace(one("failed twice"), attempts=(attempt(1, Outcome.FAILED, "x", duration_s=7.0, server_ms=None),)),
        one("by design"),
    ]
    category = next(row for row in support(tests) if row.file is None)
    assert (category.passed, category.total, category.unsupported) == (2, 3, 1)
    assert (category.median_s, category.worst_server_ms) == (3.0, 90.0)


def test_nothing_ran_measures_nothing() -> None:
    """Without an attempt a row has no times."""
    (category, _) = support([one("never started")])
    assert (category.median_s, category.worst_server_ms) == (None, None)
