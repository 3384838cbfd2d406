"""Runs that are timed until the median is known."""

from __future__ import annotations

import time

import pytest

from suites._support.timing import timed


def test_three_runs_within_the_limit() -> None:
    """Quick runs are all made, and each gives its result and its seconds."""
    answers = iter("abc")
    results, seconds = timed(lambda: next(answers), 10)
    assert (results, len(seconds)) == (["a", "b", "c"], 3)


def test_two_slow_runs_decide() -> None:
    """When two of three are over the limit the third is not made."""
    passes: list[int] = []
    results, seconds = timed(lambda: _spin(0.2, passes), 0.19)
    assert (results, len(seconds)) == ([1, 2], 2)


def test_a_run_far_over_the_limit_ends_it() -> None:
    """One run of three times the limit is an error at once."""
    with pytest.raises(TimeoutError, match="more than 3 times its limit"):
        timed(lambda: _spin(0.05, []), 0.01)


def _spin(seconds: float, passes: list[int]) -> int:
    """Take a little time without sleeping; say how often this was done."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    passes.append(1)
    return len(passes)
