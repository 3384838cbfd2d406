"""Stream a child's output into a file and to a reader, in chunks of at most a second or 100 lines."""

from __future__ import annotations

import os
import time
from pathlib import Path  # noqa: TC003 - annotations stay usable at run time
from typing import IO
from typing import TYPE_CHECKING
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_LINES: Final = 100
CHUNK_S: Final = 1.0
BLOCK_BYTES: Final = 65536


class OutputStream:
    """Reads what is there without ever blocking; whole lines are redacted, then written, then passed on."""

    def __init__(
        self, source: IO[bytes], log: Path, redact: Callable[[str], str], on_lines: Callable[[list[str]], None]
    ) -> None:
        self._fd = source.fileno()
        os.set_blocking(self._fd, False)
        self._log = log.open("a", encoding="utf-8")
        self._redact = redact
        self._on_lines = on_lines
        self._rest = b""
        self._lines: list[str] = []
        self._since = time.monotonic()

    def pump(self) -> None:
        """Take what the child has written so far."""
        while data := self._read():
            *lines, self._rest = (self._rest + data).split(b"\n")
            self._take(lines)
        if self._lines and time.monotonic() - self._since >= CHUNK_S:
            self._pass_on()

    def close(self) -> None:
        """Take the rest, a torn last line included."""
        with self._log:
            self.pump()
            if self._rest:
                self._take([self._rest])
            self._pass_on()

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, BLOCK_BYTES)
        except BlockingIOError:
            return b""

    def _take(self, raw: list[bytes]) -> None:
        for line in raw:
            text = self._redact(line.decode("utf-8", "replace").rstrip("\r"))
            self._log.write(text + "\n")
            self._lines.append(text)
            if len(self._lines) >= CHUNK_LINES:
                self._pass_on()
        self._log.flush()

    def _pass_on(self) -> None:
        lines, self._lines = self._lines, []
        self._since = time.monotonic()
        if lines:
            self._on_lines(lines)
