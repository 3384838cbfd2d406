"""Duration and memory of calls in fresh processes, because peak memory never shrinks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from suites._support.timing import HARD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from suites._support.isolated import Isolated
    from suites._support.settings import Settings

START_S: Final = 60
Call = tuple[str, list[Any], dict[str, Any]]


@dataclass(frozen=True)
class Run:
    """The results of a run's calls, the seconds of each, and the growth of peak memory over all of them."""

    results: list[Any]
    seconds: list[float]
    grown_bytes: int


def run_alone(
    isolated: Isolated, target: Settings, calls: Sequence[Call], *, limit_s: float, timeouts: dict[str, Any] | None
) -> Run:
    """Run calls as the test user in one child process; kill it after 60 s plus four times `limit_s`."""
    answer = isolated.run(
        "measured",
        deadline_s=START_S + (HARD + 1) * limit_s,
        calls=calls,
        timeouts=timeouts,
        credentials=target.credentials(target.user),
    )
    return Run(**answer)
