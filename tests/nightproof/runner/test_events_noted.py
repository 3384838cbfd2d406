"""Notes and observations of tests are read back from a real cell's log, those of the last attempt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nightproof.runner.cell import GroupRegistry
from nightproof.runner.cell import run_cell
from nightproof.runner.cell import second_pass
from nightproof.runner.events import read_cell

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.runner.cell import CellPlan

SOURCE = """
    import os
    from nightproof.evidence import finding, note, observe

    class Slow(Exception):
        context = {"kind": "timeout"}

    def test_noting(record_property):
        note("index_lag_s", 0.5)
        finding("lost-update", "one of four is missing")
        record_property("rows", 3)
        observe("rows", [1, 2])
        assert True

    def test_slow():
        attempt = os.environ["NIGHTPROOF_PASS"]
        note("attempt", int(attempt))
        observe("attempt", attempt)
        if attempt == "1":
            raise Slow

    def test_quiet():
        error = Exception("no context")
        error.context = "text"
        raise error
"""


def test_notes_observations_and_kinds_come_back(make_cell: Callable[..., CellPlan]) -> None:
    """Properties and observations are those of the last attempt; each attempt keeps its kind of failure."""
    plan = make_cell(SOURCE, "test_noting", "test_slow", "test_quiet")
    run_cell(plan, lambda _lines: None, GroupRegistry())
    again = replace(plan, test_ids=("shop/test_it::test_slow",))
    second_pass(again, lambda _lines: None, GroupRegistry())
    events = read_cell(plan.cell_dir)
    noting, slow, quiet = (f"shop/test_it::{name}" for name in ("test_noting", "test_slow", "test_quiet"))
    race = {"kind": "lost-update", "detail": "one of four is missing"}
    assert events.properties == {
        noting: (("index_lag_s", 0.5), ("finding", race), ("rows", 3)),
        slow: (("attempt", 2),),
    }
    assert [(seen.operation, seen.output) for seen in events.observations[noting]] == [("rows", "[1,2]")]
    assert [seen.output for seen in events.observations[slow]] == ['"2"']
    assert [attempt.kind for attempt in events.attempts[slow]] == ["timeout", ""]
    assert [attempt.kind for attempt in events.attempts[quiet]] == [""]
