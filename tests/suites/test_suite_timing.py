"""Timed runs, repeated until the side of the limit on which the median lies is known."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

import pytest

from suites._support.timing import median_of
from suites._support.timing import timed

if TYPE_CHECKING:
    from collections.abc import Callable


def clock(*seconds: float) -> Callable[[], float]:
    """Return a clock by which successive runs take the given numbers of seconds."""
    moments = iter(accumulate([0.0, *(step for taken in seconds for step in (taken, 0.0))]))
    return lambda: next(moments)


def test_three_runs_when_two_disagree() -> None:
    """If two runs lie on different sides of the limit, a third is made. All results and durations are returned."""
    answers = iter("abc")
    assert timed(lambda: next(answers), 10, clock(1, 20, 2)) == (["a", "b", "c"], [1, 20, 2])


@pytest.mark.parametrize(
    ("times", "found", "made"),
    [
        ([1.0, 9.0, 2.0], 2.0, 3),
        ([9.0, 1.0, 9.0], 9.0, 3),
        ([6.0, 7.0, 1.0], 7.0, 2),  # two over the limit: the third could not help
        ([1.0, 4.9, 9.0], 4.9, 2),  # two within it: the third could not harm
    ],
)
def test_two_runs_that_agree_decide(times: list[float], found: float, made: int) -> None:
    """If two runs lie on the same side of the limit, no third is made, because it could not move the median across."""
    left = iter(times)
    assert median_of(lambda: next(left), 5.0) == found
    assert list(left) == times[made:]


def test_a_run_far_over_the_limit_ends_it() -> None:
    """A single run of three times the limit raises `TimeoutError` at once."""
    with pytest.raises(TimeoutError, match=r"took 30\.000 s, more than 3 times its limit"):
        timed(lambda: "x", 10, clock(30))
