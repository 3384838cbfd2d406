"""Standard streams that are always open and never fail.

A pipe would get a closed descriptor 0 to 2, and the child would then lose it. A vanished terminal, a reader that
stopped reading or a full disk would raise an error during a night or after it. That error would change how the night
ends.
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
    """A file descriptor that is redirected to /dev/null at its first failed write."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write; drop this and everything later from the first failure on."""
        try:
            return super().write(data) or 0
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(memoryview(data))


def secure() -> None:
    """Open each closed descriptor of 0 to 2 on /dev/null, and make stdout and stderr never raise on a write."""
    for number in range(STREAMS):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - the lowest free one is `number`
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), encoding="utf-8")
    # Leave a replacement alone, for example the capture of a test.
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
