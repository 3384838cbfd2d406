"""Facts from earlier nights, on a fake clock: news, age, standing, recovery, quarantine, builds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightproof.history.nights import Night
from nightproof.history.nights import age_nights
from nightproof.history.nights import counted
from nightproof.history.nights import is_new
from nightproof.history.nights import last_alarm
from nightproof.history.nights import night_of
from nightproof.history.nights import not_green
from nightproof.records import Colour
from nightproof.records import Outcome
from nightproof.records import RunReport
from nightproof.records import SlackDelivery
from nightproof.records import TestVerdict
from nightproof.records import Verdict
from nightproof.verdict.assemble import build_report
from tests.golden import samples

if TYPE_CHECKING:
    from nightproof.verdict.assemble import RunFacts

KEY: Final = ("quilt_ops/test_packages::test_push_of_empty_package_is_refused", "quilt3")
DAY: Final = timedelta(days=1)
TOLD: Final = SlackDelivery(delivered=True, channel="C1", ts="1.0")


def failing() -> RunFacts:
    """Return a night in which the one test fails twice."""
    bad = (samples.attempt(1, Outcome.FAILED, "no"), samples.attempt(2, Outcome.FAILED, "no"))
    attempts = samples.all_pass(samples.declared(), "quilt3") | {KEY[0]: bad}
    return replace(samples.green(), cells=(samples.cell("quilt3", attempts), samples.cell("platform")))


def series(kinds: str, *, slack: SlackDelivery = TOLD) -> list[RunReport]:
    """Judge nights one day apart: G green, R the one test fails, B blocked, I interrupted."""
    reports: list[RunReport] = []
    for day, kind in enumerate(kinds):
        facts = {"G": samples.green, "R": failing, "B": samples.blocked, "I": samples.interrupted}[kind]()
        now = replace(
            facts,
            run_id=f"202611{day + 1:02}T020000Z-aaaaaa",
            started=facts.started + day * DAY,
            ended=facts.ended + day * DAY,
            nights=tuple(night_of(report) for report in reports),
            slack=slack,
        )
        reports.append(build_report(now))
    return reports


def told(report: RunReport) -> TestVerdict:
    """Return what a report says of the one test."""
    return next(test for test in report.tests if (test.id, test.backend) == KEY)


@pytest.mark.parametrize(
    ("kinds", "new", "age", "standing"),
    [
        ("R", False, 1, 1),  # the first night ever: nothing to be new against
        ("GR", True, 1, 1),
        ("GRR", False, 2, 2),
        ("GRBR", False, 2, 2),  # a blocked night neither counts nor interrupts
        ("GRIR", False, 2, 2),
        ("BR", False, 1, 1),  # a blocked night is no night to compare with
        ("GRGR", True, 1, 1),
        ("GRB", False, 1, 1),  # tonight blocked: the age of last night stays
        ("GRI", False, 0, 1),  # it passed before the interruption
        ("GRRG", False, 0, 0),
        ("RRRRR", False, 5, 5),
    ],
)
def test_nights_tell_news_age_and_standing(kinds: str, new: bool, age: int, standing: int) -> None:  # noqa: FBT001
    """`new`, `age_nights` and `not_green_nights` count the counted nights only."""
    report = series(kinds)[-1]
    assert (told(report).new, told(report).age_nights, report.not_green_nights) == (new, age, standing)


@pytest.mark.parametrize(
    ("kinds", "ending"), [("R", " no."), ("GR", " no, new."), ("GRR", " no, none new."), ("BR", " no.")]
)
def test_cause_tells_news_only_against_an_earlier_night(kinds: str, ending: str) -> None:
    """The first counted night's cause names nothing as new; unchanged builds are not named."""
    assert series(kinds)[-1].cause == f"1 of 23 tests failed: {KEY[0].rpartition('::')[2]} (quilt3):{ending}"


@pytest.mark.parametrize(
    ("before", "tonight", "since"),
    [
        ({"aws": "1", "catalog": "1"}, {"aws": "1", "catalog": "1"}, ", new."),
        ({"aws": "1", "catalog": "1"}, {"aws": "1", "catalog": "2"}, ", new since build catalog 2."),
        ({"aws": "1", "catalog": "1"}, {"aws": "2", "catalog": "2"}, ", new since builds aws 2, catalog 2."),
        ({"aws": "1"}, {"aws": "1", "catalog": "2"}, ", new."),  # never seen before: no change that anybody made
        ({}, {"aws": "1"}, ", new."),
    ],
)
def test_only_changed_builds_are_named(before: dict[str, str], tonight: dict[str, str], since: str) -> None:
    """The cause names only builds that differ from the last counted night."""
    last = night_of(build_report(replace(samples.green(), builds=before)))
    facts = replace(failing(), builds=tonight, started=samples.STARTED + DAY, ended=samples.ENDED + DAY, nights=(last,))
    assert build_report(facts).cause.endswith(since)


@pytest.mark.parametrize(
    ("kinds", "alarmed"),
    [("", False), ("G", False), ("R", True), ("RG", False), ("RB", True), ("RI", True), ("B", False), ("I", False)],
)
def test_recovery_answers_only_the_last_counted_night_if_it_was_red(kinds: str, *, alarmed: bool) -> None:
    """A recovery answers the last counted night if it was RED; blocked and interrupted nights do not count."""
    nights = [night_of(report) for report in series(kinds)]
    assert (last_alarm(nights) is not None) is alarmed
    assert last_alarm(night_of(report) for report in series(kinds, slack=SlackDelivery(channel="C1"))) is None


@pytest.mark.parametrize(("days", "state"), [(10, "ok"), (11, "ok"), (12, "broken")])
def test_quarantine_expires_by_the_date_of_the_night(days: int, state: str) -> None:
    """A quarantine entry applies on its expiry date; the day after, the night turns AMBER."""
    facts = samples.red()
    moved = replace(facts, started=facts.started + days * DAY, ended=facts.ended + days * DAY)
    gates = {gate.name: gate for gate in build_report(moved).gates}
    assert gates["quarantine_overdue"].state == state


@given(st.lists(st.sampled_from([*Colour, None]), max_size=12))
def test_standing_is_the_run_of_nights_since_green(colours: list[Colour | None]) -> None:
    """The standing is the number of counted nights since the last GREEN one, whatever order they are given in."""
    nights = [Night(str(i), samples.STARTED + i * DAY, colour, None) for i, colour in enumerate(colours)]
    held = [night.colour for night in counted(nights)]
    wanted = held.index(Colour.GREEN) if Colour.GREEN in held else len(held)
    assert not_green(reversed(nights)) == wanted


def test_unsupported_and_passed_tests_have_no_age() -> None:
    """A passed or unsupported test has age 0, and a night without the test ends the count."""
    night = Night("1", samples.STARTED, Colour.RED, None, {KEY: Verdict.FAILED})
    for verdict in (Verdict.PASSED, Verdict.UNSUPPORTED):
        assert age_nights(KEY, verdict, [night]) == 0
        assert not is_new(KEY, verdict, [night])
    unknown = replace(night, verdicts={KEY: Verdict.UNSUPPORTED})
    assert age_nights(KEY, Verdict.FAILED, [unknown, night]) == 1
    assert is_new(KEY, Verdict.FAILED, [unknown])
