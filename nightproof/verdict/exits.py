"""Findings about process ends that no test accounts for: an unexplained exit code, a death after the last test."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final

from nightproof.side_by_side import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Iterator

    from nightproof.runner.events import ProcessEnd

    Ends = tuple[str, str, tuple[ProcessEnd, ...]]  # suite, backend and the ends of its processes

UNEXPLAINED: Final = "unexplained_exit"
UNCLEAN: Final = "unclean_exit"
GOOD: Final = (0, 5)  # all passed; nothing left to run
LEAVING: Final = frozenset({"cancel", "lifeline"})  # the night itself ended the process


def exits(cells: Iterable[Ends]) -> tuple[Finding, ...]:
    """Return a finding for each odd end, the worse kind first; its kind is the name of the gate that it breaks."""
    found = [
        Finding(kind, suite, backend, "", detail)
        for suite, backend, ends in cells
        for kind, detail in _odd(suite, ends)
    ]
    return tuple(sorted(found, key=lambda finding: finding.kind != UNEXPLAINED))


def _odd(suite: str, ends: tuple[ProcessEnd, ...]) -> Iterator[tuple[str, str]]:
    """Yield kind and sentence; a suite run in parts may fail a check of the whole, such as coverage, for that."""
    is_whole = sum(end.number == 1 for end in ends) == 1
    for end in ends:
        if end.is_charged or end.ended_by in LEAVING:
            continue
        if end.pytest_exit is None:
            kind = UNEXPLAINED if end.exit and end.number == 1 else UNCLEAN
            yield kind, f"A process of {suite} ended with exit code {end.exit} outside any test, before pytest did."
        elif end.pytest_exit in GOOD:
            if end.exit != end.pytest_exit:
                yield UNCLEAN, f"A process of {suite} died with exit code {end.exit} after all its tests had run."
        elif not end.has_failures and end.number == 1:
            kind = UNEXPLAINED if is_whole else UNCLEAN
            yield kind, f"pytest ended {suite} with exit code {end.pytest_exit}, although no test of it failed."
