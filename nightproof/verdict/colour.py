"""Decide the colour and the exit code: the first line of the ordered table that holds (DESIGN §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final

from nightproof.records import Colour

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nightproof.records import Gate

EXIT_GOOD: Final = 0
EXIT_RED: Final = 1
EXIT_BLOCKED: Final = 2
EXIT_INTERRUPTED: Final = {"SIGINT": 130, "SIGTERM": 143, "cancelled": 130, "killed": 137}


def decide(
    *, interrupted: str | None, blocked: bool, violated: bool, gates: Iterable[Gate]
) -> tuple[Colour | None, int]:
    """Give colour and exit code; wrong usage (line 1) never gets as far as a report."""
    broken = {gate.colour for gate in gates if gate.state == "broken"}
    if interrupted:
        return None, EXIT_INTERRUPTED[interrupted]
    if blocked:
        return Colour.BLOCKED, EXIT_BLOCKED
    if violated or Colour.RED in broken:
        return Colour.RED, EXIT_RED
    if Colour.AMBER in broken:
        return Colour.AMBER, EXIT_GOOD
    return Colour.GREEN, EXIT_GOOD
