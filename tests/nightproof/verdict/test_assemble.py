"""From facts to the report: every fact of the night arrives in it, and earlier nights give age and news."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nightproof.records import CheckResult
from nightproof.records import Colour
from nightproof.records import Rate
from nightproof.records import Totals
from nightproof.records import Verdict
from nightproof.verdict.assemble import blocked_causes
from nightproof.verdict.assemble import build_report
from nightproof.verdict.assemble import declared
from nightproof.verdict.assemble import pass_rate
from nightproof.verdict.assemble import violate
from tests.golden import samples

if TYPE_CHECKING:
    import pytest

    from nightproof.records import RunReport
    from nightproof.records import TestVerdict

SLOW = "quilt_ops/test_performance::test_listing_1000_objects"


def find(report: RunReport, test_id: str, backend: str) -> TestVerdict:
    """Return what a report says of one test."""
    return next(test for test in report.tests if (test.id, test.backend) == (test_id, backend))


def test_same_facts_give_the_same_report() -> None:
    """Judging is pure: the same facts give the same report."""
    assert build_report(samples.red()) == build_report(samples.red())


def test_rates_leave_out_what_is_unsupported() -> None:
    """First attempt counts passed, after retry passed and flaky, both of declared minus unsupported."""
    rate = pass_rate(Totals(declared=10, passed=6, flaky=1, failed=1, unsupported=2))
    assert (rate.first_attempt, rate.after_retry) == (Rate(6, 8), Rate(7, 8))


def test_test_that_fails_since_three_nights_is_known_and_old() -> None:
    """A test that failed on the three nights before is four nights old and not new."""
    slow = find(build_report(samples.red()), SLOW, "quilt3")
    assert (slow.new, slow.age_nights) == (False, 4)


def test_first_failure_is_new_and_one_night_old() -> None:
    """A test that passed last night and fails tonight is new and one night old."""
    push = find(build_report(samples.red()), "quilt_ops/test_packages::test_push_then_browse", "platform")
    assert (push.new, push.age_nights) == (True, 1)


def test_blocked_night_does_not_age_what_failed_before() -> None:
    """A blocked night does not raise the age of an earlier failure."""
    slow = find(build_report(samples.blocked()), SLOW, "quilt3")
    assert (slow.verdict, slow.age_nights) == (Verdict.BLOCKED, 3)


def test_owner_of_the_profile_takes_what_nobody_owns() -> None:
    """A test without an owner gets the profile's owner."""
    report = build_report(samples.green())
    assert find(report, SLOW, "quilt3").owner == "quality"
    assert find(report, "quilt_ops/test_packages::test_push_then_browse", "quilt3").owner == "data-platform"


def test_cell_whose_log_lacks_its_end_lasts_until_the_night_s() -> None:
    """A cell whose log lacks its end lasts until the end of the night."""
    cell = samples.cell("quilt3")
    assert cell.events
    facts = replace(samples.green(), cells=(replace(cell, events=replace(cell.events, ended=None, exit=None)),))
    (found,) = build_report(facts).cells
    assert (found.ended, found.exit, found.duration_s) == (samples.ENDED, None, 189.0)


def test_cell_that_never_started_has_no_times() -> None:
    """A cell that never started has no times and no exit code, and all its tests are not_run."""
    facts = replace(samples.green(), cells=(replace(samples.cell("quilt3"), events=None),))
    (found,) = build_report(facts).cells
    assert (found.started, found.ended, found.exit, found.duration_s) == (None, None, None, 0.0)
    assert (found.reported, found.not_run, found.declared) == (0, 12, 12)


def test_cell_can_be_blocked_alone() -> None:
    """A blocked suite has its own reason, and the other suites are judged."""
    cells = (replace(samples.cell("quilt3"), blocked="no mailbox"), samples.cell("platform"))
    report = build_report(replace(samples.green(), cells=cells))
    assert (report.totals.blocked, report.totals.passed, report.colour) == (12, 11, Colour.RED)
    assert report.cause == "12 of 23 tests blocked: no mailbox"


def test_required_checks_speak_before_any_other_blockade() -> None:
    """The first failed required check is the cause; an optional check never is."""
    gone = CheckResult("aws", required=True, ok=False, detail="refused", remedy="Start it.", duration_s=0.1)
    optional = replace(gone, name="athena", required=False)
    facts = replace(samples.green(), checks=(optional, gone, replace(gone, name="catalog")), blocked="Seeding failed.")
    assert blocked_causes(facts) == (
        "2 of 2 required checks failed: aws: refused. Start it.", "aws: refused. Start it.", "aws: refused"
    )  # fmt: skip
    assert blocked_causes(replace(facts, checks=(optional,))) == ("Seeding failed.",)
    assert blocked_causes(samples.green()) == ()


def test_declared_gives_the_ids_of_every_cell() -> None:
    """The declared ids of every cell come from the catalogue, not from the report."""
    given = declared(samples.green())
    assert given == dict.fromkeys((("quilt_ops", "quilt3"), ("quilt_ops", "platform")), frozenset(samples.declared()))


def test_report_says_that_any_peer_was_evidence() -> None:
    """Without a declared endpoint green means less, so the report says it, once for each cell."""
    cell = samples.cell("quilt3")
    assert cell.events
    loose = replace(cell, events=replace(cell.events, takes_any_peer=True))
    (found,) = build_report(replace(samples.green(), cells=(loose, samples.cell("platform")))).findings
    assert (found.kind, found.suite, found.backend, found.test) == ("any_peer", "quilt_ops", "quilt3", "")
    assert "[endpoints.urls]" in found.detail


def test_violation_makes_a_green_night_red() -> None:
    """A violation makes a GREEN night RED with exit code 1, and the first one is the cause."""
    red = violate(build_report(samples.green()), ["The cells hold 1.", "Another."])
    assert (red.colour, red.exit_code) == (Colour.RED, 1)
    assert red.cause == "The report does not add up (2 of its own checks violated): The cells hold 1."
    assert red.reconciliation.violations == ("The cells hold 1.", "Another.")
    assert not red.reconciliation.ok


def test_violation_leaves_what_stands_before_it_in_the_table() -> None:
    """A violation leaves colour, exit code and cause of blocked and interrupted nights unchanged."""
    for facts in (samples.blocked(), samples.interrupted()):
        report = build_report(facts)
        told = violate(report, ["The cells hold 1."])
        assert (told.colour, told.exit_code, told.cause) == (report.colour, report.exit_code, report.cause)
        assert not told.reconciliation.ok


def test_details_of_the_first_failures_only_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first failing tests keep their tracebacks."""
    whole = build_report(samples.red())
    monkeypatch.setattr("nightproof.verdict.assemble.DETAILED_TESTS", 1)
    cut = build_report(samples.red())
    detailed = [test.id for test in cut.tests if any(attempt.traceback for attempt in test.attempts)]
    assert len(detailed) == 1 < sum(any(a.traceback for a in test.attempts) for test in whole.tests)
    assert [test.verdict for test in cut.tests] == [test.verdict for test in whole.tests]
