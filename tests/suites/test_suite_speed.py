"""The median of three times: it ends as soon as the verdict is known, and at once at three times the limit."""

from __future__ import annotations

import pytest

from suites._support.speed import median_of


@pytest.mark.parametrize(
    ("times", "found", "made"),
    [
        ([1.0, 9.0, 2.0], 2.0, 3),  # one slow run of three is no slow system
        ([6.0, 7.0, 1.0], 6.5, 2),  # two over the limit: the third could not help
        ([5.0, 1.0, 5.0], 5.0, 3),
    ],
)
def test_three_runs_or_two_that_decide(times: list[float], found: float, made: int) -> None:
    """The median is given; runs that could not change the verdict are not made."""
    left = iter(times)
    assert median_of(lambda: next(left), 5.0) == found
    assert list(left) == times[made:]


def test_three_times_the_limit_ends_it() -> None:
    """A single run that long fails the test at once, by its time and the limit."""
    left = iter([15.0, 1.0, 1.0])
    with pytest.raises(pytest.fail.Exception, match=r"One run took 15\.0 s, three times the limit of 5 s"):
        median_of(lambda: next(left), 5.0)
    assert list(left) == [1.0, 1.0]
