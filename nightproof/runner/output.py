"""A child's output, streamed into a file and to a reader in chunks of at most a second or 100 lines."""

from __future__ import annotations

import os
import time
from pathlib import Path  # noqa: TC003 - annotations stay usable at run time
from typing import IO
from typing import TYPE_CHECKING
from typing import Final

from nightproof.evidence.private import private_file
from nightproof.redact import KEY_BEGIN
from nightproof.redact import KEY_END

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK_LINES: Final = 100
CHUNK_S: Final = 1.0
BLOCK_BYTES: Final = 65536
PUMP_BYTES: Final = 1_000_000  # a child that prints without end must not keep us from checking the clock
LINE_BYTES: Final = 4_000_000  # a longer line is cut, so that no line fills the memory
KEY_LINES: Final = 200  # no private key is longer; one without an end must not hold the output back
COMPLAINTS: Final = ("E   ", "ERROR: ", "INTERNALERROR> ")  # how pytest begins a line that says why it gave up
KEPT_BYTES: Final = 100_000_000  # per process; a suite that prints more must not fill the disk


class OutputStream:
    """A reader that never blocks; whole lines are redacted, then written, then passed on."""

    def __init__(
        self, source: IO[bytes], log: Path, redact: Callable[[str], str], on_lines: Callable[[list[str]], None]
    ) -> None:
        self._fd = source.fileno()
        os.set_blocking(self._fd, False)
        self._log = private_file(log).open("a", encoding="utf-8")
        self._redact = redact
        self._on_lines = on_lines
        self._rest = bytearray()
        self._held = ""
        self._lines: list[str] = []
        self._since = time.monotonic()
        self._room = KEPT_BYTES
        self.complaint = ""

    def pump(self) -> bool:
        """Take what the child has written so far, up to 1 MB; return whether more is waiting."""
        taken = 0
        while taken < PUMP_BYTES and (data := self._read()):
            taken += len(data)
            self._rest += data
            end = self._rest.rfind(b"\n", len(self._rest) - len(data))
            if end < 0 and len(self._rest) > LINE_BYTES:
                end = len(self._rest) - 1
            self._take(bytes(self._rest[: end + 1]))
            del self._rest[: end + 1]
        if self._lines and time.monotonic() - self._since >= CHUNK_S:
            self._pass_on()
        return taken >= PUMP_BYTES

    def close(self) -> None:
        """Take the rest, a torn last line included."""
        with self._log:
            while self.pump():
                pass
            self._take(bytes(self._rest))
            self._release()
            self._pass_on()

    def _read(self) -> bytes:
        try:
            return os.read(self._fd, BLOCK_BYTES)
        except BlockingIOError:
            return b""

    def _take(self, raw: bytes) -> None:
        if not raw or self._room <= 0:
            return
        self._room -= len(raw)
        self._held += raw.decode("utf-8", "replace").replace("\r\n", "\n")
        if self._room <= 0:
            self._held += f"\n… what this process prints beyond {KEPT_BYTES} bytes is not kept\n"
        if not _is_in_key(self._held):
            self._release()

    def _release(self) -> None:
        """Redact, write and pass on the text that was held; the redactor turns the lines of a key into one."""
        text, self._held = self._redact(self._held), ""
        for line in text.removesuffix("\n").split("\n") if text else ():
            if line.startswith(COMPLAINTS):
                self.complaint = line.partition(" ")[2].strip()
            self._log.write(line + "\n")
            self._lines.append(line)
            if len(self._lines) >= CHUNK_LINES:
                self._pass_on()
        self._log.flush()

    def _pass_on(self) -> None:
        lines, self._lines = self._lines, []
        self._since = time.monotonic()
        if lines:
            self._on_lines(lines)


def _is_in_key(text: str) -> bool:
    """Return whether a private key goes on after this text: it can be masked only as a whole."""
    begun = max((found.start() for found in KEY_BEGIN.finditer(text)), default=-1)
    return begun >= 0 and KEY_END.search(text, begun) is None and text.count("\n", begun) < KEY_LINES
