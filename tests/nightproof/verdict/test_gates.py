"""Gates: every threshold with its value, limit and state, exactly as in the table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest

from nightproof.profile import Gates
from nightproof.records import Colour
from nightproof.records import Gate
from nightproof.records import LedgerAudit
from nightproof.records import Rate
from nightproof.records import TestVerdict
from nightproof.records import Tier
from nightproof.records import Verdict
from nightproof.verdict.gates import is_broken
from nightproof.verdict.gates import reaches
from nightproof.verdict.gates import run_gates
from nightproof.verdict.gates import tier_gates
from nightproof.verdict.gates import tier_rate

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMITS: Final = Gates()
AUDITED: Final = LedgerAudit()


def verdict_of(verdict: Verdict, tier: Tier = Tier.NORMAL, **changes: Any) -> TestVerdict:
    """Return the verdict of some test."""
    base = TestVerdict(
        id="s/test_a::test_b", suite="s", backend="one", verdict=verdict, reason="", wire="subject", tier=tier,
        category="c", type="e2e", journey=None, owner="",
    )  # fmt: skip
    return replace(base, **changes)


def several(**counts: int) -> list[TestVerdict]:
    """Return so many tests of each verdict."""
    return [verdict_of(Verdict(name)) for name, number in counts.items() for _ in range(number)]


def whole(found: Sequence[TestVerdict], limits: Gates = LIMITS, **given: Any) -> dict[str, Gate]:
    """Return the gates of the whole run by name."""
    facts: dict[str, Any] = {"ledger": AUDITED, "overdue": 0, "night_usd": None, "wall_s": None}
    return {gate.name: gate for gate in run_gates(found, limits, **(facts | given))}


@pytest.mark.parametrize(
    ("tier", "good", "bad", "state"),
    [
        (Tier.CRITICAL, 1, 0, "ok"),
        (Tier.CRITICAL, 999, 1, "broken"),
        (Tier.HIGH, 96, 4, "ok"),
        (Tier.HIGH, 95, 5, "broken"),
        (Tier.HIGH, 19, 1, "broken"),
        (Tier.NORMAL, 91, 9, "ok"),
        (Tier.NORMAL, 90, 10, "broken"),
        (Tier.NORMAL, 9, 1, "broken"),
        (Tier.NORMAL, 0, 1, "broken"),
    ],
)
def test_tier_gate_lies_where_the_table_says(tier: Tier, good: int, bad: int, state: str) -> None:
    """Critical needs all tests, high more than 95 %, normal more than 90 %: the limit itself breaks the gate."""
    found = [*[verdict_of(Verdict.PASSED, tier)] * good, *[verdict_of(Verdict.FAILED, tier)] * bad]
    (gate,) = tier_gates(found, LIMITS)
    assert (gate.name, gate.value, gate.state, gate.colour) == (tier, Rate(good, good + bad), state, Colour.RED)
    assert is_broken(gate) == (state == "broken")


@pytest.mark.parametrize("verdict", Verdict)
def test_tier_rate_counts_each_verdict_as_documented(verdict: Verdict) -> None:
    """Passed and flaky count as good, unsupported and quarantined are left out, all others count as bad."""
    good = verdict in (Verdict.PASSED, Verdict.FLAKY)
    asked = verdict not in (Verdict.UNSUPPORTED, Verdict.QUARANTINED)
    assert tier_rate([verdict_of(Verdict.PASSED), verdict_of(verdict)]) == Rate(1 + good, 1 + asked)


def test_tier_gates_stand_per_suite_backend_and_tier() -> None:
    """There is one gate per suite, backend and tier, sorted in this order, critical first."""
    found = [
        verdict_of(Verdict.PASSED, Tier.NORMAL),
        verdict_of(Verdict.PASSED, Tier.CRITICAL),
        verdict_of(Verdict.FAILED, Tier.CRITICAL, backend="two"),
        verdict_of(Verdict.PASSED, Tier.HIGH, suite="r"),
    ]
    gates = [(g.suite, g.backend, g.name, g.state) for g in tier_gates(found, LIMITS)]
    assert gates == [
        ("r", "one", "high", "ok"),
        ("s", "one", "critical", "ok"),
        ("s", "one", "normal", "ok"),
        ("s", "two", "critical", "broken"),
    ]


@pytest.mark.parametrize("verdict", [Verdict.UNSUPPORTED, Verdict.QUARANTINED])
def test_tier_without_a_test_that_gates_is_not_measured(verdict: Verdict) -> None:
    """A tier without a gating test is not measured."""
    (gate,) = tier_gates([verdict_of(verdict)], LIMITS)
    assert (gate.value, gate.state) == (None, "not_measured")
    assert not is_broken(gate)


def test_night_that_could_not_be_asked_measures_nothing() -> None:
    """In a blocked night the gates on tests are `not_measured`; the others are measured."""
    found = several(blocked=3)
    assert [gate.state for gate in tier_gates(found, LIMITS, asked=False)] == ["not_measured"]
    states = {name: gate.state for name, gate in whole(found, asked=False).items()}
    assert states == dict.fromkeys(("hollow", "not_run", "flaky", "quarantine", "tolerated"), "not_measured") | (
        dict.fromkeys(("quarantine_overdue", "leaked", "unknown"), "ok")
    )


def test_night_without_an_audit_proves_nothing_about_leaks() -> None:
    """Without an audit the gates on leaks are not measured."""
    gates = whole(several(passed=1), ledger=None)
    assert (gates["leaked"].state, gates["unknown"].state) == ("not_measured", "not_measured")


@pytest.mark.parametrize(
    ("flaky", "of", "state"),
    [(1, 2, "ok"), (2, 100, "broken"), (2, 199, "broken"), (2, 200, "ok"), (3, 200, "broken"), (3, 300, "ok")],
)
def test_flaky_gate_allows_one_test_or_one_per_cent(flaky: int, of: int, state: str) -> None:
    """The flaky gate allows max(1 test, 1 %) of the supported tests."""
    gate = whole(several(flaky=flaky, passed=of - flaky, unsupported=50))["flaky"]
    assert (gate.value, gate.state, gate.colour) == (Rate(flaky, of), state, Colour.AMBER)


@pytest.mark.parametrize(("held", "of", "state"), [(0, 19, "ok"), (1, 19, "broken"), (1, 20, "ok"), (2, 39, "broken")])
def test_quarantine_gate_allows_five_per_cent(held: int, of: int, state: str) -> None:
    """More than 5 % of the tests in quarantine is AMBER."""
    assert whole(several(quarantined=held, passed=of - held))["quarantine"].state == state


@pytest.mark.parametrize(
    ("verdict", "broken"),
    [
        (Verdict.HOLLOW, {"hollow"}),
        (Verdict.NOT_RUN, {"not_run"}),
        (Verdict.FAILED, {"tolerated"}),
        (Verdict.ERROR, {"tolerated"}),
        (Verdict.TIMEOUT, {"tolerated"}),
        (Verdict.BLOCKED, {"tolerated"}),
        (Verdict.UNSUPPORTED, set()),
        (Verdict.FLAKY, set()),
        (Verdict.PASSED, set()),
    ],
)
def test_verdict_breaks_the_gate_made_for_it(verdict: Verdict, broken: set[str]) -> None:
    """One test of a verdict breaks exactly its gate of the whole run."""
    gates = whole([*several(passed=99), verdict_of(verdict)])
    assert {name for name, gate in gates.items() if gate.state == "broken"} == broken


@pytest.mark.parametrize(
    ("given", "name", "colour"),
    [
        ({"overdue": 1}, "quarantine_overdue", Colour.AMBER),
        ({"ledger": LedgerAudit(created=1, leaked=1)}, "leaked", Colour.AMBER),
        ({"ledger": LedgerAudit(unknown=1)}, "unknown", Colour.RED),
        ({"night_usd": 2.01}, "cost", Colour.AMBER),
        ({"wall_s": 60.1}, "wall", Colour.AMBER),
    ],
)
def test_fact_beside_the_tests_breaks_its_gate(given: dict[str, Any], name: str, colour: Colour) -> None:
    """Overdue entries, leaks, unknown resources, cost and wall time each break only their own gate."""
    gates = whole(several(passed=1), Gates(cost_usd=2.0, wall_s=60.0), **given)
    assert [(gate.name, gate.colour) for gate in gates.values() if gate.state == "broken"] == [(name, colour)]
    assert all(is_broken(gate) == (gate.state == "broken") for gate in gates.values())


def test_cost_without_a_measurement_is_not_measured() -> None:
    """A cost gate without a measured cost is not measured; without a limit there is no gate."""
    assert whole(several(passed=1), Gates(cost_usd=2.0))["cost"].state == "not_measured"
    assert not {"cost", "wall"} & whole(several(passed=1), night_usd=99.0, wall_s=9999.0).keys()


def test_share_is_broken_above_its_limit_only() -> None:
    """A share gate compares counts; a gate of one suite compares its rate with a fraction."""
    share = Gate("flaky", None, None, Rate(2, 10), Rate(1, 10), "broken", Colour.AMBER)
    assert is_broken(share)
    assert not is_broken(replace(share, value=Rate(1, 10)))
    assert is_broken(replace(share, value=2.0))


def test_limits_are_compared_as_decimal_fractions() -> None:
    """Limits are decimal fractions: 19 of 20 does not exceed 0.95."""
    assert not reaches(Rate(19, 20), 0.95)
    assert reaches(Rate(96, 100), 0.95)
    assert not reaches(Rate(7, 10), 0.7)
