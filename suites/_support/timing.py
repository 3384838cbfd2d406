"""Times of a step: taken three times, judged by the median, noted as a series for the trend."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING
from typing import Final
from typing import TypeVar

from nightproof.evidence import note

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")
RUNS: Final = 3
HARD: Final = 3  # so many times the limit no single run may take


def timed(
    act: Callable[[], Result], limit_s: float, clock: Callable[[], float] = time.monotonic
) -> tuple[list[Result], list[float]]:
    """Give the results and seconds of three runs; fewer when these decide already that the median is over the limit."""
    results: list[Result] = []
    seconds: list[float] = []
    while len(results) < RUNS and sum(taken >= limit_s for taken in seconds) <= RUNS // 2:
        began = clock()
        results.append(act())
        seconds.append(round(clock() - began, 3))
        if seconds[-1] >= HARD * limit_s:
            raise TimeoutError(f"A run took {seconds[-1]} s, more than {HARD} times its limit of {limit_s} s.")
    return results, seconds


def measured(name: str, act: Callable[[], Result], limit_s: float) -> tuple[list[Result], float]:
    """Give the results of the runs and their median in seconds; note the series."""
    results, seconds = timed(act, limit_s)
    note(f"{name}_s", seconds)
    return results, statistics.median(seconds)
