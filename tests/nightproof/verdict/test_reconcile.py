"""Reconciliation: a healthy night has no violation, and each invariant, broken alone, is named in one sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest

from nightproof.records import CheckResult
from nightproof.records import Colour
from nightproof.records import Exchanges
from nightproof.records import Gate
from nightproof.records import Journey
from nightproof.records import LedgerAudit
from nightproof.records import Outcome
from nightproof.records import Rate
from nightproof.records import RunReport
from nightproof.records import Verdict
from nightproof.report.publish import write_all
from nightproof.runner.events import read_cell
from nightproof.side_by_side import Support
from nightproof.verdict.assemble import build_report
from nightproof.verdict.assemble import declared
from nightproof.verdict.assemble import pass_rate
from nightproof.verdict.reconcile import reconcile
from tests.golden import samples
from tests.golden.logs import write_logs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nightproof.records import TestVerdict
    from nightproof.verdict.assemble import RunFacts

PUSH: Final = "quilt_ops/test_packages::test_push_then_browse"


def written(run_dir: Path, facts: RunFacts, report: RunReport | None = None) -> RunReport:
    """Write a night as the harness would, logs first, and give its report."""
    made = report or build_report(facts)
    write_logs(run_dir, facts)
    write_all(made, run_dir, nights=facts.nights)
    return made


@pytest.mark.parametrize("name", samples.NIGHTS)
def test_sample_nights_add_up(tmp_path: Path, name: str) -> None:
    """The sample nights of every colour have no violation."""
    facts = samples.NIGHTS[name]()
    report = written(tmp_path, facts)
    assert reconcile(tmp_path, report, declared(facts)) == ()


@pytest.mark.parametrize("name", ["green", "red", "interrupted", "foreign"])
def test_logs_of_the_samples_read_back_as_the_facts(tmp_path: Path, name: str) -> None:
    """The logs written for a sample night hold exactly the attempts its report was made from."""
    facts = samples.NIGHTS[name]()
    write_logs(tmp_path, facts)
    for cell in facts.cells:
        if cell.events:
            assert read_cell(tmp_path / "cells" / f"{cell.suite}-{cell.backend}") == cell.events


def totals(**counts: int) -> Callable[[RunReport], RunReport]:
    """Add to the totals of the night."""
    return lambda r: replace(r, totals=replace(r.totals, **{k: getattr(r.totals, k) + n for k, n in counts.items()}))


def one_test(**changes: Any) -> Callable[[RunReport], RunReport]:
    """Change what is said of the push test on quilt3."""
    return lambda r: replace(r, tests=tuple(replace(t, **changes) if _is_push(t) else t for t in r.tests))


def one_attempt(**changes: Any) -> Callable[[RunReport], RunReport]:
    """Change the only attempt of the push test on quilt3."""
    return one_test(attempts=(samples.attempt(**changes),))


def first_cell(**counts: int) -> Callable[[RunReport], RunReport]:
    """Add to the counts of the first cell."""

    def change(report: RunReport) -> RunReport:
        first, *others = report.cells
        return replace(report, cells=(replace(first, **{k: getattr(first, k) + n for k, n in counts.items()}), *others))

    return change


def gate(name: str, **changes: Any) -> Callable[[RunReport], RunReport]:
    """Change the gates of this name."""
    return lambda r: replace(r, gates=tuple(replace(g, **changes) if g.name == name else g for g in r.gates))


def _is_push(test: TestVerdict) -> bool:
    return test.id == PUSH and test.backend == "quilt3"


def _without_push(report: RunReport) -> RunReport:
    return replace(report, tests=tuple(test for test in report.tests if not _is_push(test)))


def _push_twice(report: RunReport) -> RunReport:
    return replace(report, tests=(*report.tests, next(filter(_is_push, report.tests))))


def _stranger(report: RunReport) -> RunReport:
    return replace(report, tests=tuple(replace(t, id=f"{PUSH}_2") if _is_push(t) else t for t in report.tests))


def _journey_twice(report: RunReport) -> RunReport:
    return replace(report, journeys=(*report.journeys, Journey("find-data", 1.0, "at_risk", ())))


def _failed_check(report: RunReport) -> RunReport:
    check = CheckResult("aws", required=True, ok=False, detail="refused", remedy="Start it.", duration_s=0.1)
    return replace(report, checks=(check,))


def _without_gate(report: RunReport) -> RunReport:
    return replace(report, gates=tuple(found for found in report.gates if found.name != "hollow"))


def _broken_gate(report: RunReport) -> RunReport:
    cost = Gate("cost", None, None, 3.0, 2.0, "broken", Colour.AMBER)
    return replace(report, gates=(*report.gates, cost))


def compared(**changes: Any) -> Callable[[RunReport], RunReport]:
    """Change the comparison of the backends."""
    return lambda r: replace(r, consistency=tuple(replace(one, **changes) for one in r.consistency))


def first_row(**changes: Any) -> Callable[[RunReport], RunReport]:
    """Change the first row of the support matrix, a category."""
    return lambda r: replace(r, support=(replace(r.support[0], **changes), *r.support[1:]))


LATE: Final = samples.ENDED + timedelta(minutes=5)
FAILED: Final = samples.attempt(1, Outcome.FAILED, "no")
BROKEN: Final[dict[str, tuple[Callable[[RunReport], RunReport], str]]] = {
    "verdict counts of the night": (totals(passed=1), "The verdicts of the night add up to 25, declared are 24."),
    "verdict counts of a cell": (
        first_cell(passed=1),
        "The verdicts of quilt_ops-quilt3 add up to 13, declared are 12.",
    ),
    "reported in excess": (totals(reported=2), "do not make 24 declared."),
    "list against totals": (totals(passed=-1, hollow=1), "The list holds 23 passed tests, the totals say 22."),
    "cells against totals": (totals(passed=-1), "The cells hold 23 passed, the totals say 22."),
    "declared of the cells": (first_cell(declared=1), "The cells hold 25 declared, the totals say 24."),
    "reported of a cell": (
        first_cell(reported=-1),
        "The event log of quilt_ops-quilt3 reports 12 tests, the report 11.",
    ),
    "a test in no cell": (_without_push, f"The declared test {PUSH} is missing on quilt3."),
    "a duplicate": (_push_twice, f"The test {PUSH} appears 2 times on quilt3."),
    "an undeclared test": (_stranger, f"The test {PUSH}_2 on quilt3 is in no catalogue."),
    "a missing attempt": (one_test(attempts=()), f"The log holds 1 attempts of {PUSH}, the report 0."),
    "an invented attempt": (one_test(attempts=(FAILED,) * 2), f"The log holds 1 attempts of {PUSH}, the report 2."),
    "passed after a failure": (one_test(attempts=(FAILED,)), "is passed, but not by its first and only attempt."),
    "flaky without failure": (one_test(verdict=Verdict.FLAKY), "is flaky, but no failing attempt comes before"),
    "passed without exchange": (
        one_attempt(exchanges=Exchanges()),
        "on quilt3 is passed without evidence: no answer from",
    ),
    "passed without assertion": (one_attempt(assertions=0), "without evidence: no assertion was executed."),
    "passed, server disagrees": (
        one_attempt(server_exchanges=9),
        "without evidence: client and server counted differently",
    ),
    "quiet test that spoke": (
        one_test(wire="none"),
        "without evidence: requests were sent by a test that declares none",
    ),
    "attempt after the end": (one_attempt(started=LATE), f"Attempt 1 of {PUSH} on quilt3 lies outside the night."),
    "attempt ends after the end": (
        one_attempt(duration_s=900.0),
        f"Attempt 1 of {PUSH} on quilt3 lies outside the night.",
    ),
    "stage sums": (lambda r: replace(r, stages={**r.stages, "suites": 215.0}), "s, the night took 214.000 s."),
    "journeys": (_journey_twice, "The journeys' revenue is"),
    "ledger sums": (
        lambda r: replace(r, ledger=LedgerAudit(created=15, deleted=14)),
        "Created 15 is not deleted 14 + kept 0 + leaked 0.",
    ),
    "leaks listed": (
        lambda r: replace(r, ledger=LedgerAudit(created=14, deleted=14, entries_leaked=("one",))),
        "0 resources leaked, 1 are listed.",
    ),
    "rate after retry": (
        lambda r: replace(r, pass_rate=replace(r.pass_rate, after_retry=Rate(23, 24))),
        "The rate after retry is 23 of 24, the totals give 23 of 23.",
    ),
    "rate of the first attempt": (
        lambda r: replace(r, pass_rate=replace(pass_rate(r.totals), first_attempt=Rate(22, 23))),
        "The rate first attempt is 22 of 23, the totals give 23 of 23.",
    ),
    "gate forgotten": (_without_gate, "The gate hollow is missing."),
    "gate measures another number": (
        gate("hollow", value=1.0, state="broken"),
        "The gate hollow measured 1, the report counts 0.",
    ),
    "share measures another number": (
        gate("flaky", value=Rate(1, 24)),
        "The gate flaky measured 1 of 24, the report counts 0 of 23.",
    ),
    "tier measures another number": (
        gate("critical", value=Rate(3, 3)),
        "critical of quilt_ops-quilt3 measured 3 of 3, the report counts",
    ),
    "gate looks away": (gate("leaked", limit=-1.0), "The gate leaked is ok at 0 with limit -1."),
    "colour too good": (_broken_gate, "The colour is GREEN, the ordered table gives AMBER."),
    "colour too bad": (
        lambda r: replace(r, colour=Colour.AMBER),
        "The colour is AMBER, the ordered table gives GREEN.",
    ),
    "colour of an interrupted night": (
        lambda r: replace(r, interrupted="SIGINT"),
        "The colour is GREEN, the ordered table gives none.",
    ),
    "failed check is not BLOCKED": (_failed_check, "The colour is GREEN, the ordered table gives BLOCKED."),
    "BLOCKED with tests that ran": (
        lambda r: replace(r, colour=Colour.BLOCKED),
        "The night is BLOCKED, but 0 of 24 tests are blocked.",
    ),
    "matrix too good": (first_row(status=Support.FLAKY), "The support matrix is not that of the listed tests."),
    "matrix counts another number": (
        first_row(passed=0),
        "The categories of quilt_ops-platform hold 9 passed of 12 declared, the cell 11 of 12.",
    ),
    "answers forgotten": (compared(equal=21), "The tests of quilt_ops saw 44 answers, the comparison accounts for 42."),
    "answers made equal": (
        compared(equal=23),
        "The logs of quilt_ops compare as 22 equal, 0 different, 0 on one side of 44, not as 23 equal",
    ),
    "difference without a place": (compared(differs=1), "1 answers of quilt_ops differ, 0 are listed."),
    "difference without its gate": (
        compared(differs=1, equal=21),
        "The gate differences measured 0, the report counts 1.",
    ),
    "exit code": (lambda r: replace(r, exit_code=1), "The exit code is 1, the ordered table gives 0."),
    "cause absent": (lambda r: replace(r, colour=Colour.RED), "The night is RED without a cause."),
    "cause of a green night": (lambda r: replace(r, cause="Why?"), "The night is GREEN, but gives a cause: Why?"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_invariant_is_named(tmp_path: Path, name: str) -> None:
    """A report with one wrong fact, written consistently, has exactly one violation."""
    change, sentence = BROKEN[name]
    facts = samples.green()
    report = written(tmp_path, facts, change(build_report(facts)))
    violations = reconcile(tmp_path, report, declared(facts))
    assert len([violation for violation in violations if sentence in violation]) == 1, violations
