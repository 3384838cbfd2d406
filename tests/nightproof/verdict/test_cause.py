"""The cause: one deterministic sentence of at most 150 characters that says why the night has its colour."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightproof.records import CAUSE_LIMIT
from nightproof.records import Colour
from nightproof.records import Gate
from nightproof.records import Rate
from nightproof.records import TestVerdict
from nightproof.records import Tier
from nightproof.records import Verdict
from nightproof.verdict.cause import CauseFacts
from nightproof.verdict.cause import cause
from nightproof.verdict.cause import short_name

if TYPE_CHECKING:
    from collections.abc import Sequence

BASE: Final = TestVerdict(
    id="s/test_a::test_0", suite="s", backend="default", verdict=Verdict.FAILED, reason="KeyError: 'a'",
    wire="subject", tier=Tier.NORMAL, category="general", type="e2e", journey=None, owner="",
)  # fmt: skip
REASONS: Final = ("KeyError: 'a'", "ConnectionError: refused by peer", "AssertionError: bytes differ here")


BROKEN: Final = tuple(
    Gate(name, None, None, 3.0, 1.0, "broken", Colour.AMBER)
    for name in ("flaky", "quarantine", "quarantine_overdue", "tolerated", "leaked", "cost", "wall")
)
TEXTS: Final = st.builds(
    lambda before, inner, after: f"{before} ({inner}) {after}",
    *[st.lists(st.sampled_from(("refused", "by", "s3://bucket/key", "x" * 40)), max_size=9).map(" ".join)] * 3,
)
VERDICTS: Final = st.sampled_from(tuple(Verdict))
FACTS: Final = st.fixed_dictionaries(
    {
        "interrupted": st.sampled_from((None, "SIGTERM", "cancelled")),
        "blocked": st.tuples(TEXTS),
        "violations": st.lists(TEXTS, max_size=2),
        "system_deaths": st.lists(st.sampled_from(("catalog", "aws")), max_size=2),
        "unknown": st.lists(TEXTS, max_size=2),
        "builds": st.lists(TEXTS, max_size=3),
        "first": st.booleans(),
        "gates": st.lists(st.sampled_from(BROKEN), max_size=4),
    }
)


def _test(verdict: Verdict, reason: str, new: bool, name: str) -> TestVerdict:  # noqa: FBT001 - drawn
    return replace(BASE, id=f"s/test_a::test_0[{name}]", verdict=verdict, reason=reason, new=new)


def failed(number: int, reasons: Sequence[str] = REASONS[:1], **changes: Any) -> list[TestVerdict]:
    """Return so many failed tests, whose reasons take turns."""
    return [replace(BASE, id=f"s/test_a::test_{i}", reason=reasons[i % len(reasons)], **changes) for i in range(number)]


def passed(number: int, **changes: Any) -> list[TestVerdict]:
    """Return so many passed tests."""
    return [replace(BASE, id=f"s/test_p::test_{i}", verdict=Verdict.PASSED, **changes) for i in range(number)]


def red(tests: Sequence[TestVerdict], **facts: Any) -> str:
    """Return the cause of a RED night."""
    return cause(CauseFacts(Colour.RED, tests, **facts))


def test_few_failures_are_named_with_their_cause() -> None:
    """Up to three failing tests are named, with their shared cause."""
    assert red([*failed(2), *passed(8)]) == "2 of 10 tests failed: test_0, test_1: KeyError: 'a', none new."


def test_few_failures_of_several_causes_are_named() -> None:
    """Up to three failing tests without a shared cause are named alone."""
    assert red([*failed(3, REASONS), *passed(7)]) == "3 of 10 tests failed: test_0, test_1, test_2, none new."


@pytest.mark.parametrize(
    ("new", "builds", "since"),
    [
        (0, (), ", none new."),
        (1, (), ", 1 new."),
        (2, (), ", all new."),
        (0, ("catalog 7",), ", none new."),
        (2, ("catalog 7",), ", all new since build catalog 7."),
        (1, ("catalog 7",), ", 1 new since build catalog 7."),
        (2, ("aws 2", "catalog 7"), ", all new since builds aws 2, catalog 7."),
        (2, tuple(f"system-{i} 10.{i}" for i in range(9)), "system-0 10.0, system-1 10.1, system-2 10.2 and 6 more."),
    ],
)
def test_new_failures_are_told_from_known_ones(new: int, builds: tuple[str, ...], since: str) -> None:
    """The sentence ends with the number of new failures and the changed builds."""
    tests = [replace(test, new=i < new) for i, test in enumerate(failed(2))]
    assert red(tests, builds=builds).endswith(since)


@pytest.mark.parametrize("number", [2, 5, 9])
def test_first_night_calls_nothing_new(number: int) -> None:
    """Without an earlier counted night neither news nor builds are mentioned."""
    told = red([*failed(number, REASONS), *passed(number)], builds=("catalog 7",), first=True)
    assert "new" not in told
    assert "build" not in told


@pytest.mark.parametrize(
    ("verdict", "reason", "told"),
    [
        (
            Verdict.HOLLOW,
            "no assertion was executed",
            "no assertion was executed; declare its `helpers`, or call checked()",
        ),
        (Verdict.HOLLOW, "client and server counted differently: 4 answered", "client and server counted differently"),
        (Verdict.NOT_RUN, "declared, and no event in any cell log", "no event in any cell log"),
        (Verdict.TIMEOUT, "Failed: Timeout (>60.0s) from pytest-timeout.", "no end within the time limit"),
    ],
)
def test_cause_of_a_kind_is_a_short_sentence(verdict: Verdict, reason: str, told: str) -> None:
    """Hollow, not run and timed out tests have a short cause of their own."""
    tests = [*failed(6, [reason], verdict=verdict), *failed(2, REASONS[1:]), *passed(4)]
    assert f", one cause explains 6: {told}, none new." in red(tests)
    assert red([*tests[:1], *passed(4)]).endswith(f": test_0: {told}, none new.")


def test_one_new_failure_is_not_all() -> None:
    """A single new failure is `new`, not `all new`."""
    assert red(failed(1, new=True)) == "1 of 1 tests failed: test_0: KeyError: 'a', new."


def test_one_cause_that_explains_most_failures_is_told() -> None:
    """A cause of at least 60 % of the failures is given."""
    tests = [*failed(4), *failed(5, REASONS[1:])]
    assert red([*tests[:6], *passed(4)]) == "6 of 10 tests failed, one cause explains 4: KeyError: 'a', none new."


def test_long_cause_is_cut_so_that_the_numbers_stay() -> None:
    """A long message is cut in its middle, and the counts and the news stay."""
    told = red([*failed(5, ["word " * 100]), *passed(5)])
    assert told.startswith("5 of 10 tests failed, one cause explains all 5: word word")
    assert told.endswith("word, none new.")
    assert len(told) <= CAUSE_LIMIT


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"backend": "platform"}, "all on backend default"),
        ({"category": "admin"}, "all on category general"),
        ({}, "3 unrelated causes"),
        ({"backend": "platform", "category": "admin"}, "all on backend default"),
    ],
)
def test_failures_without_a_common_cause_are_placed(other: dict[str, str], told: str) -> None:
    """Failures without a common cause get their only backend, else their only category, else the number of causes."""
    tests = [*failed(6, REASONS), *passed(4, **other)]
    assert red(tests) == f"6 of 10 tests failed, {told}, none new."


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (Verdict.FAILED, "failed"),
        (Verdict.ERROR, "ended in error"),
        (Verdict.TIMEOUT, "timed out"),
        (Verdict.HOLLOW, "passed hollow"),
        (Verdict.NOT_RUN, "not run"),
    ],
)
def test_kind_of_failure_is_a_word(verdict: Verdict, state: str) -> None:
    """Failures of one kind read as a verb, and unsupported tests are not in the denominator."""
    tests = [*failed(1, verdict=verdict), *passed(1), replace(BASE, verdict=Verdict.UNSUPPORTED)]
    assert red(tests).startswith(f"1 of 2 tests {state}: ")


def test_kinds_are_counted_when_they_differ() -> None:
    """Several kinds of failures are listed with their numbers, in the order of the verdicts."""
    tests = [*failed(2), *failed(1, verdict=Verdict.NOT_RUN), *failed(1, verdict=Verdict.ERROR)]
    assert red(tests).startswith("4 of 4 tests did not pass (2 failed, 1 error, 1 not run), ")


def test_death_of_a_system_comes_before_its_consequences() -> None:
    """The death of a system is named before the failures."""
    told = red([*failed(9, REASONS), *passed(1)], system_deaths=("catalog",))
    assert told == "The catalog died during the night: 9 of 10 tests failed, none new."


def test_names_too_long_for_the_sentence_are_counted() -> None:
    """If the names are too long, one is shortened and the others are counted."""
    tests = [replace(test, id=f"s/test_a::test_{i}_{'x' * 150}") for i, test in enumerate(failed(3, REASONS))]
    assert red(tests) == f"3 of 3 tests failed: test_0_{'x' * 109}… and 2 more."
    assert red(tests[:1]) == f"1 of 1 tests failed: test_0_{'x' * 120}…."


def test_blocked_tests_of_a_night_that_ran_are_told() -> None:
    """If tests are only blocked, their reason is the cause."""
    tests = failed(2, ["no mailbox"], verdict=Verdict.BLOCKED)
    assert red([*tests, *passed(2)]) == "2 of 4 tests blocked: no mailbox"


def test_night_without_a_colour_problem_gives_no_cause() -> None:
    """A GREEN night has no cause."""
    assert cause(CauseFacts(Colour.GREEN, failed(1))) == ""


def test_several_reasons_of_an_amber_night_are_all_told_while_they_fit() -> None:
    """An AMBER cause lists every broken gate or, if that is too long, the first and the number of others."""
    gates = [
        Gate("flaky", None, None, Rate(3, 10), Rate(1, 10), "broken", Colour.AMBER),
        Gate("leaked", None, None, 2.0, 0.0, "broken", Colour.AMBER),
        Gate("quarantine_overdue", None, None, 2.0, 0.0, "broken", Colour.AMBER),
        Gate("cost", None, None, 1.0, 2.0, "ok", Colour.AMBER),
    ]
    tests = [replace(BASE, verdict=Verdict.FLAKY), *passed(9)]
    told = cause(CauseFacts(Colour.AMBER, tests, gates))
    assert told == (
        "3 of 10 tests flaky, 1 allowed: test_0; 2 resources leaked, left to the next sweep; "
        "2 quarantine entries past the expiry date."
    )
    long = [replace(BASE, id=f"s/a::test_{'x' * 60}", verdict=Verdict.FLAKY), *passed(9)]
    assert cause(CauseFacts(Colour.AMBER, long, gates)).endswith(f"1 allowed: test_{'x' * 60}; +2 more.")


def test_short_name_carries_the_backend_where_there_are_several() -> None:
    """A test's short name includes its backend unless that is the only one."""
    assert short_name(BASE) == "test_0"
    assert short_name(replace(BASE, backend="quilt3", id="s/a::test_x[EUR]")) == "test_x[EUR] (quilt3)"


@given(tests=st.lists(st.builds(_test, VERDICTS, TEXTS, st.booleans(), TEXTS), max_size=12), facts=FACTS)
def test_every_cause_fits_in_whole_brackets(tests: list[TestVerdict], facts: dict[str, Any]) -> None:
    """Every cause has at most 150 characters, one line and no open bracket."""
    for colour in Colour:
        told = cause(CauseFacts(colour, tests, **facts))
        assert len(told) <= CAUSE_LIMIT
        assert told == " ".join(told.split())
        assert [told.count(one) - told.count(other) for one, other in ("()", "[]", "{}")] == [0, 0, 0]
        assert told or colour in (Colour.GREEN, Colour.AMBER)


def test_unrelated_comparisons_are_no_one_cause() -> None:
    """Unrelated assertions on numbers are separate causes, and no placeholder reaches a reader."""
    told = red([*failed(4, ["AssertionError: assert 3 == 4", "AssertionError: assert 7 == 9"]), *passed(4)])
    assert told == "4 of 8 tests failed, 4 unrelated causes, none new."


def test_real_words_of_a_failure_are_told() -> None:
    """Numbers and ticket ids of a message appear unchanged in the sentence."""
    told = red([*failed(4, ["RuntimeError: BUG-77: 3 teas cost 12"]), *passed(4)])
    assert told == "4 of 8 tests failed, one cause explains all 4: RuntimeError: BUG-77: 3 teas cost 12, none new."


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (
            "no answer from the system under test: 0 subject exchanges in the call phase",
            "no answer from the system under test; name its address in [endpoints.urls] or `hosts`.",
        ),
        ("no assertion was executed", "no assertion was executed; declare its `helpers`, or call checked()."),
    ],
)
@pytest.mark.parametrize("number", [2, 9])
def test_hollow_suite_is_one_cause_with_its_remedy(reason: str, told: str, number: int) -> None:
    """A suite that is hollow for one reason has one cause with its remedy."""
    tests = failed(number, [reason], verdict=Verdict.HOLLOW)
    assert red(tests, first=True).endswith(told)
