"""Business journeys: protected only if every required test passed, at risk if one did not, else unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from nightproof.records import Outcome
from nightproof.records import TestVerdict
from nightproof.records import Tier
from nightproof.records import Verdict
from nightproof.verdict.journeys import journeys
from tests.golden import samples

BASE: Final = TestVerdict(
    id="s/a::pays", suite="s", backend="quilt3", verdict=Verdict.PASSED, reason="", wire="subject",
    tier=Tier.CRITICAL, category="c", type="e2e", journey="pay", owner="",
)  # fmt: skip
FAILING: Final = (samples.attempt(1, Outcome.FAILED, "no"),)


def state(*tests: TestVerdict) -> str:
    """Return the state of the journey that these tests protect."""
    (found,) = journeys(tests, {"pay": 100.0})
    return found.state


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict.PASSED, "protected"),
        (Verdict.FLAKY, "at_risk"),
        (Verdict.FAILED, "at_risk"),
        (Verdict.ERROR, "at_risk"),
        (Verdict.TIMEOUT, "at_risk"),
        (Verdict.HOLLOW, "at_risk"),
        (Verdict.BLOCKED, "unknown"),
        (Verdict.NOT_RUN, "unknown"),
        (Verdict.UNSUPPORTED, "unknown"),
        (Verdict.QUARANTINED, "unknown"),
    ],
)
def test_verdict_puts_its_journey_into_a_state(verdict: Verdict, expected: str) -> None:
    """A journey has the state of its worst test: at risk, then unknown, then protected."""
    other = replace(BASE, id="s/a::other")
    assert state(replace(BASE, verdict=verdict), other) == expected


def test_quarantined_test_that_failed_puts_at_risk() -> None:
    """A quarantined test that failed puts its journey at risk."""
    assert state(replace(BASE, verdict=Verdict.QUARANTINED, attempts=FAILING)) == "at_risk"
    assert state(replace(BASE, verdict=Verdict.QUARANTINED, attempts=(samples.attempt(),))) == "unknown"


def test_backend_that_is_unsupported_by_design_is_not_required() -> None:
    """An unsupported backend is not required; a failure on one backend puts the journey at risk."""
    elsewhere = replace(BASE, backend="platform", verdict=Verdict.UNSUPPORTED)
    assert state(BASE, elsewhere) == "protected"
    assert state(BASE, replace(elsewhere, verdict=Verdict.NOT_RUN)) == "unknown"
    assert state(BASE, replace(elsewhere, verdict=Verdict.FAILED)) == "at_risk"


def test_journey_without_a_test_is_unknown() -> None:
    """A journey without a test is unknown."""
    assert state() == "unknown"


def test_journeys_are_listed_once_with_revenue_and_tests() -> None:
    """Each journey of profile or tests is listed once, by name, with its tests in order."""
    found = journeys(
        [BASE, replace(BASE, backend="platform"), replace(BASE, id="s/a::b", journey="ship")], {"pay": 9.5}
    )
    assert [(one.journey, one.mrr_usd, one.tests) for one in found] == [
        ("pay", 9.5, ("s/a::pays",)),
        ("ship", None, ("s/a::b",)),
    ]
