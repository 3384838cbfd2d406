"""Standard streams as a night needs them: open, and never the reason why it ends in another way.

A closed descriptor is the next one that a pipe gets, which then is no pipe to the child that expects it. A terminal
that went away, a reader that stopped reading and a full disk fail in the middle of a night, or after it.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING
from typing import Final

if TYPE_CHECKING:
    from typing import TextIO

    from _typeshed import ReadableBuffer

STREAMS: Final = 3


class _Unfailing(io.FileIO):
    """A descriptor that leads nowhere once it cannot be written to."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, or from the first failure on drop everything."""
        try:
            return super().write(data) or 0
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(memoryview(data))


def secure() -> None:
    """Open what is closed of descriptors 0 to 2, and let writing to the standard streams never fail."""
    for number in range(STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - the lowest free one is `number`
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    # What somebody else put in their place, a test's capture for one, stays.
    if sys.stdout is sys.__stdout__:
        sys.stdout = _unfailing(1, sys.__stdout__)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _unfailing(2, sys.__stderr__)


def _unfailing(number: int, before: TextIO | None) -> TextIO:
    raw = _Unfailing(number, "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding if before else "utf-8",
        errors=before.errors if before else "backslashreplace",
        line_buffering=number != 1 or raw.isatty(),
    )
