"""Process ends that no test accounts for: colour, cause and gate of the night."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nightproof.records import Colour
from nightproof.runner.events import ProcessEnd
from nightproof.verdict.assemble import build_report
from nightproof.verdict.invariants import cause_fits
from nightproof.verdict.invariants import colour_fits
from nightproof.verdict.invariants import gates_fit
from tests.golden import samples

FINE = ProcessEnd(1, 0, pytest_exit=0)


@pytest.mark.parametrize(
    ("ends", "colour", "word"),
    [
        ((FINE,), Colour.GREEN, ""),
        ((replace(FINE, exit=5, pytest_exit=5),), Colour.GREEN, ""),
        ((replace(FINE, exit=1, pytest_exit=1, has_failures=True),), Colour.GREEN, ""),
        ((replace(FINE, exit=-9, pytest_exit=None, is_charged=True),), Colour.GREEN, ""),
        ((replace(FINE, exit=-15, pytest_exit=None, ended_by="cancel"),), Colour.GREEN, ""),
        ((replace(FINE, exit=-6),), Colour.AMBER, "exit code -6 after all its tests had run"),
        ((replace(FINE, exit=1, pytest_exit=1),), Colour.RED, "exit code 1, although no test of it failed"),
        ((FINE, replace(FINE, exit=1, pytest_exit=1)), Colour.AMBER, "although no test of it failed"),
        ((FINE, replace(FINE, number=2, exit=1, pytest_exit=1)), Colour.GREEN, ""),
        ((replace(FINE, pytest_exit=None),), Colour.AMBER, "outside any test, before pytest did"),
        ((replace(FINE, exit=3, pytest_exit=None),), Colour.RED, "outside any test, before pytest did"),
    ],
)
def test_an_odd_end_colours_the_night_and_is_its_cause(ends: tuple[ProcessEnd, ...], colour: Colour, word: str) -> None:
    """An odd end alone sets the colour, the cause, a gate and a finding."""
    facts = samples.green()
    first = facts.cells[0]
    assert first.events is not None
    cells = (replace(first, events=replace(first.events, ends=ends)), *facts.cells[1:])
    report = build_report(replace(facts, cells=cells))
    assert report.colour is colour
    assert word in report.cause
    assert bool(report.cause) == bool(word)
    assert [*gates_fit(report), *colour_fits(report), *cause_fits(report)] == []
