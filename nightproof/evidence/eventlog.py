"""Writes the event log of a cell: one JSON line per event, appended and flushed, never lost in silence."""

from __future__ import annotations

import json
import os
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXIT_LOG_LOST: Final = 74  # EX_IOERR of sysexits.h; no exit code of pytest


def _unchanged(value: Any) -> Any:
    return value


def utc_now() -> str:
    """Give the time as event lines carry it."""
    return datetime.now(UTC).isoformat()


class EventLog:
    """Appends to one file, as do other processes of the cell; raises OSError when a line is lost.

    `redact` masks secrets in a JSON value; it stands before the file, for a line that is written stays.
    """

    def __init__(self, path: Path, redact: Callable[[Any], Any] = _unchanged) -> None:
        self.path = path
        self._redact = redact
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._mend()

    def write(self, kind: str, /, **fields: Any) -> None:
        """Append one event of ours."""
        self.append({"$report_type": kind, **fields})

    def append(self, line: dict[str, Any]) -> None:
        """Append one line; what JSON cannot hold becomes its text."""
        plain = json.loads(json.dumps(line, default=str))  # what is not JSON is text only from here on
        self._write((json.dumps(self._redact(plain)) + "\n").encode())

    def close(self) -> None:
        """Close the file; safe to repeat."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _mend(self) -> None:
        """End a line that a killed process left torn, so that it spoils no line of ours."""
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":
            self._write(b"\n")

    def _write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._fd, data) :]
