"""Durations of a step: judged by the median of three runs, noted as a series for the trend."""

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
HARD: Final = 3  # a single run that takes this many times the limit is an error


def decided(act: Callable[[], float], limit_s: float) -> list[float]:
    """Return the seconds of two or three runs: the third runs only if two do not decide.

    Two runs on the same side of the limit decide on which side the median is. Raises TimeoutError at a run of three
    times the limit.
    """
    seconds: list[float] = []
    while max(over := sum(taken >= limit_s for taken in seconds), len(seconds) - over) <= RUNS // 2:
        seconds.append(act())
        if seconds[-1] >= HARD * limit_s:
            raise TimeoutError(f"A run took {seconds[-1]:.3f} s, more than {HARD} times its limit of {limit_s:g} s.")
    return seconds


def timed(
    act: Callable[[], Result], limit_s: float, clock: Callable[[], float] = time.monotonic
) -> tuple[list[Result], list[float]]:
    """Return results and seconds of the two or three runs that decide."""
    results: list[Result] = []

    def run() -> float:
        began = clock()
        results.append(act())
        return round(clock() - began, 3)

    return results, decided(run, limit_s)


def median_of(act: Callable[[], float], limit_s: float) -> float:
    """Return the median of the seconds that `act` returns per run; of two deciding runs, the longer."""
    return statistics.median_high(decided(act, limit_s))


def measured(name: str, act: Callable[[], Result], limit_s: float) -> tuple[list[Result], float]:
    """Return the results of the runs and their median in seconds; note the series as `<name>_s`."""
    results, seconds = timed(act, limit_s)
    note(f"{name}_s", seconds)
    return results, statistics.median_high(seconds)
