"""Runs that are timed until the median is known."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import pytest

from suites._support.timing import timed

if TYPE_CHECKING:
    from collections.abc import Callable


def clock(*seconds: float) -> Callable[[], float]:
    """Give a clock by which runs take so many seconds, one after the other."""
    moments = iter(accumulate([0.0, *(step for taken in seconds for step in (taken, 0.0))]))
    return lambda: next(moments)


def test_three_runs_within_the_limit() -> None:
    """Quick runs are all made, and each gives its result and its seconds."""
    answers = iter("abc")
    assert timed(lambda: next(answers), 10, clock(1, 20, 2)) == (["a", "b", "c"], [1, 20, 2])


def test_two_slow_runs_decide() -> None:
    """When two of three are over the limit the third is not made."""
    assert timed(lambda: "x", 10, clock(11, 12, 1)) == (["x", "x"], [11, 12])


def test_a_run_far_over_the_limit_ends_it() -> None:
    """One run of three times the limit is an error at once."""
    with pytest.raises(TimeoutError, match=r"took 30\.0 s, more than 3 times its limit"):
        timed(lambda: "x", 10, clock(30))
