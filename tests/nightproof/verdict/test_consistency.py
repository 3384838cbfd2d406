"""The comparison of backends: observations of both are equal or differ, those of one count as one-sided."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.records import Colour
from nightproof.records import Outcome
from nightproof.records import TestVerdict
from nightproof.records import Verdict
from nightproof.runner.events import Observation
from nightproof.verdict.assemble import build_report
from nightproof.verdict.consistency import compare
from nightproof.verdict.findings import findings
from nightproof.verdict.findings import measures
from tests.golden import samples
from tests.nightproof.verdict.test_support import BASE

if TYPE_CHECKING:
    from nightproof.side_by_side import Consistency

QUILT3: Final = replace(BASE, id="s/test_a::t", suite="s")
PLATFORM: Final = replace(QUILT3, backend="platform")


def saw(*answers: tuple[str, str]) -> dict[str, tuple[Observation, ...]]:
    """Return what the test saw: (input, output) of one operation, in order."""
    digest = samples.digest
    return {"s/test_a::t": tuple(Observation("browse", one, digest(one), two, digest(two)) for one, two in answers)}


def compared(
    one: dict[str, tuple[Observation, ...]],
    other: dict[str, tuple[Observation, ...]],
    tests: tuple[TestVerdict, ...] = (QUILT3, PLATFORM),
) -> Consistency:
    """Compare both backends."""
    (found,) = compare(tests, {("s", "quilt3"): one, ("s", "platform"): other})
    return found


def test_same_answers_are_equal() -> None:
    """Each answer is paired with the one to the same input."""
    found = compared(saw(("a", "1"), ("b", "2")), saw(("b", "2"), ("a", "1")))
    assert (found.equal, found.differs, found.one_side, found.tests) == (2, 0, 0, 1)
    assert (found.backends, found.observed) == (("quilt3", "platform"), (2, 2))


def test_different_answer_is_named_with_both_values() -> None:
    """A difference has test, step, operation, input and both answers."""
    found = compared(saw(("a", "1"), ("b", "22")), saw(("a", "1"), ("b", "23")))
    (one,) = found.differences
    assert (found.equal, found.differs) == (1, 1)
    assert (one.test, one.step, one.operation, one.input) == ("s/test_a::t", 2, "browse", "b")
    assert one.answers == {"quilt3": "22", "platform": "23"}


def test_a_call_more_moves_no_other_pair() -> None:
    """Repeated calls pair in order; an extra call is one-sided and shifts no other pair."""
    found = compared(saw(("a", "1"), ("a", "2"), ("b", "3")), saw(("a", "1"), ("b", "3"), ("c", "4")))
    assert (found.equal, found.differs, found.one_side) == (2, 0, 2)


def test_test_that_did_not_pass_is_not_compared() -> None:
    """The answers of a test that did not pass are counted as one-sided."""
    failed = replace(PLATFORM, verdict=Verdict.FAILED, attempts=(samples.attempt(1, Outcome.FAILED, "no"),))
    found = compared(saw(("a", "1")), saw(("a", "1")), (QUILT3, failed))
    assert (found.equal, found.differs, found.one_side, found.tests) == (0, 0, 2, 0)


def test_test_of_one_backend_is_left_out() -> None:
    """A test that one backend does not support or have is left out."""
    designed = replace(PLATFORM, verdict=Verdict.UNSUPPORTED, attempts=())
    assert compared(saw(("a", "1")), {}, (QUILT3, designed)).observed == (0, 0)
    other = replace(PLATFORM, id="s/test_b::t")
    assert compared(saw(("a", "1")), {}, (QUILT3, other)).observed == (0, 0)


def test_long_answers_are_shown_where_they_part() -> None:
    """Long answers are shown around the first difference, or with a note that it is past the kept part."""
    head = "x" * 1000
    (one,) = compared(saw(("a", f"{head}left")), saw(("a", f"{head}right"))).differences
    assert one.answers == {"quilt3": f"…{'x' * 80}left", "platform": f"…{'x' * 80}right"}
    cut: dict[str, tuple[Observation, ...]] = {
        "s/test_a::t": (Observation("browse", "a", samples.digest("a"), head, "f" * 64),)
    }
    (one,) = compared(saw(("a", head)), cut).differences
    assert one.answers["quilt3"] == one.answers["platform"] == f"…{'x' * 80} (it goes on differently)"


def test_difference_is_red_with_its_cause() -> None:
    """A difference between backends makes a night RED even if all tests passed."""
    facts = samples.green()
    platform = facts.cells[1].events
    assert platform is not None
    test = "quilt_ops/test_objects::test_presigned_url_opens"
    platform.observations[test] = samples.seen(test, "[]")
    report = build_report(facts)
    assert (report.colour, report.exit_code) == (Colour.RED, 1)
    assert report.cause == (
        "1 answer differs between quilt3 and platform, first browse_content in test_presigned_url_opens, step 2."
    )


def test_nothing_observed_is_not_called_equal() -> None:
    """Without observations the gate is not measured."""
    facts = samples.green()
    for cell in facts.cells:
        assert cell.events is not None
        cell.events.observations.clear()
    (gate,) = [gate for gate in build_report(facts).gates if gate.name == "differences"]
    assert (gate.state, gate.value) == ("not_measured", None)


def test_suite_of_one_backend_has_no_comparison() -> None:
    """A suite with one backend has neither comparison nor gate."""
    report = build_report(samples.foreign())
    assert report.consistency == ()
    assert "differences" not in {gate.name for gate in report.gates}


def test_findings_and_figures_of_tests() -> None:
    """A finding has a sentence and its test, a figure its range; texts and booleans are no figures."""
    race = {"kind": "create-race", "detail": "2 of 4"}
    noted: list[Any] = [
        (("s", "quilt3"), {"t2": [("index_lag_s", 3.0), ("finding", race)], "t1": [("index_lag_s", 1), ("ok", True)]}),
        (("s", "platform"), {"t1": [("index_lag_s", 2.0), ("index_lag_s", 9.0), ("name", "x"), ("finding", "odd")]}),
    ]
    (found,) = findings(noted)
    assert (found.kind, found.test, found.backend, found.detail) == ("create-race", "t2", "quilt3", "2 of 4")
    one, other = measures(noted)
    assert (one.backend, one.n, one.min, one.median, one.max) == ("platform", 2, 2.0, 5.5, 9.0)
    assert (other.backend, other.n, other.min, other.median, other.max) == ("quilt3", 2, 1.0, 2.0, 3.0)
