"""Colour and exit code of a night: the first matching line of the ordered table (DESIGN §4)."""

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
    """Return colour and exit code; wrong usage (line 1 of the table) never reaches a report."""
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
