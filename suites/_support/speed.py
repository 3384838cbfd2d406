"""How fast and how big: calls in fresh processes, because peak memory only ever grows, and the median of three runs."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

    from suites._support.isolated import Isolated
    from suites._support.settings import Settings

RUNS: Final = 3
HARD: Final = 3
START_S: Final = 60
Call = tuple[str, list[Any], dict[str, Any]]


@dataclass(frozen=True)
class Run:
    """The results of a run's calls, the time of each, and the growth of peak memory over all of them."""

    results: list[Any]
    seconds: list[float]
    grown_bytes: int


def run_alone(
    isolated: Isolated, target: Settings, calls: Sequence[Call], *, limit_s: float, timeouts: dict[str, Any] | None
) -> Run:
    """Make calls as the test user in a process of their own, which has several times their limit to end."""
    answer = isolated.run(
        "measured",
        deadline_s=START_S + (HARD + 1) * limit_s,
        calls=calls,
        timeouts=timeouts,
        credentials={"refresh_token": target.refresh_token(target.user)},
    )
    return Run(**answer)


def median_of(act: Callable[[], float], limit_s: float) -> float:
    """Give the median of three times; fail at once at three times the limit, and end once two are over it."""
    times: list[float] = []
    while len(times) < RUNS and sum(seconds >= limit_s for seconds in times) <= RUNS // 2:
        times.append(act())
        if times[-1] >= HARD * limit_s:
            pytest.fail(f"One run took {times[-1]:.1f} s, three times the limit of {limit_s:g} s.")
    return median(times)
