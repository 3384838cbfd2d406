"""Plain red is never our green, and no honest pass becomes red: checked over hundreds of generated suites."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nightproof.records import Outcome
from nightproof.runner.events import read_cell
from tests.nightproof.runner import plain_red

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.runner.cell import CellPlan
    from nightproof.runner.events import CellEvents

pytestmark = pytest.mark.xdist_group("plain-red")  # the runs are made once, for all of them
FILES = 102  # in each batch; together more than 300 suites


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[dict[str, str], CellPlan]]:
    """Run every batch plain and in a cell, once for all tests of this file."""
    folder = tmp_path_factory.mktemp("suites")
    suites = [plain_red.write_batch(folder, batch, FILES) for batch in plain_red.BATCHES]
    outcomes = [plain_red.plain_outcomes(suite) for suite in suites]
    return [
        (plain, plain_red.run_both_passes(suite, folder, plain)) for suite, plain in zip(suites, outcomes, strict=True)
    ]


def test_what_plain_pytest_fails_does_not_pass_here_nor_the_other_way(
    runs: list[tuple[dict[str, str], CellPlan]],
) -> None:
    """Over more than 300 suites each test's verdict is exactly as red as plain pytest's outcome."""
    found = []
    for plain, plan in runs:
        assert len(plain) > FILES
        assert {"passed", "failed", "skipped"} == set(plain.values())
        found += plain_red.broken_promises(plain, plain_red.verdict_words(plan, read_cell(plan.cell_dir)))
    assert found == []


def forget_subtests(plan: CellPlan) -> CellEvents:
    """Return the events of a log without the lines of sub-tests."""
    logs = {path: path.read_text() for path in plan.cell_dir.glob("events*.jsonl")}
    for path, whole in logs.items():
        path.write_text("".join(line for line in whole.splitlines(keepends=True) if "SubTestReport" not in line))
    try:
        return read_cell(plan.cell_dir)
    finally:
        for path, whole in logs.items():
            path.write_text(whole)


def forget_outside_causes(plan: CellPlan) -> CellEvents:
    """Return the events of a log without outside causes, so that every second pass counts as a retry."""
    events = read_cell(plan.cell_dir)
    forgotten = {
        test: tuple(replace(attempt, outside_cause="") for attempt in tries) for test, tries in events.attempts.items()
    }
    return replace(events, attempts=forgotten)


def forget_errors(plan: CellPlan) -> CellEvents:
    """Return the events of a log with every error as a pass, as if only the test's body counted."""
    events = read_cell(plan.cell_dir)
    forgotten = {
        test: tuple(
            replace(attempt, outcome=Outcome.PASSED if attempt.outcome is Outcome.ERROR else attempt.outcome)
            for attempt in tries
        )
        for test, tries in events.attempts.items()
    }
    return replace(events, attempts=forgotten)


@pytest.mark.parametrize("forget", [forget_subtests, forget_outside_causes, forget_errors])
def test_the_comparison_sees_a_judge_that_forgets(
    runs: list[tuple[dict[str, str], CellPlan]], forget: Callable[[CellPlan], CellEvents]
) -> None:
    """The comparison detects a judge that ignores part of the log."""
    found = []
    for plain, plan in runs:
        found += plain_red.broken_promises(plain, plain_red.verdict_words(plan, forget(plan)))
    assert found
