"""The event log of a cell: one JSON line per event, appended and flushed, never lost in silence."""

from __future__ import annotations

import contextlib
import json
import os
import platform
from datetime import datetime
from datetime import timezone
from importlib import metadata
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.evidence.failures import text_of
from nightproof.evidence.private import FILE
from nightproof.evidence.private import private_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VERSIONED: Final = ("nightproof", "pytest", "quilt3", "boto3", "requests", "httpx")
TEXT_LIMIT: Final = 100_000  # characters of one text
MATCHED: Final = ("id", "ids", "nodeid", "prefix")  # tests are looked up by these, so only reports mask them
DEPTH_LIMIT: Final = 40  # a value that contains itself ends here
EXIT_LOG_LOST: Final = 74  # EX_IOERR of sysexits.h; no exit code of pytest


def _unchanged(value: Any) -> Any:
    return value


def utc_now() -> str:
    """Return the current time in UTC, as event lines hold it."""
    return datetime.now(timezone.utc).isoformat()


class EventLog:
    """A writer that appends to one file, as other processes of the cell do; raises OSError if a line is lost.

    The file is opened for each line. A suite may close every descriptor that it finds, and a reused number would lead
    our lines into a file of the suite. `redact` masks secrets before a line is written; written lines are never
    changed.
    """

    def __init__(self, path: Path, redact: Callable[[Any], Any] = _unchanged) -> None:
        self.path = path
        self._redact = redact
        private_folder(path.parent)
        self._write(b"", os.O_CREAT)

    def write(self, kind: str, /, **fields: Any) -> None:
        """Append one event."""
        self.append({"$report_type": kind, **fields})

    def append(self, line: dict[str, Any]) -> None:
        """Append one line; values that JSON cannot hold become text, and overlong texts are shortened."""
        plain = _plain(line)
        ids = {name: plain[name] for name in MATCHED if name in plain}
        self._write((json.dumps({**self._redact(_shortened(plain)), **ids}) + "\n").encode())

    def _write(self, data: bytes, flags: int = 0) -> None:
        """Append to the existing file; a missing one is a loss and is not created again."""
        fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | flags, FILE)
        try:
            size = os.fstat(fd).st_size
            if size and os.pread(fd, 1, size - 1) != b"\n":
                data = b"\n" + data  # a killed process left a torn line, which must spoil none of ours
            while data:
                data = data[os.write(fd, data) :]
        finally:
            os.close(fd)


def printable(text: str) -> str:
    """Return a text that every encoding of Unicode can carry: a lone surrogate, as in file names, is escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _plain(value: Any, depth: int = 0) -> Any:
    """Return a value as JSON can hold it, whatever methods the suite's own classes define."""
    kind = type(value)  # not isinstance, to which a mock may lie
    if value is None or issubclass(kind, bool):
        return value
    if issubclass(kind, (int, float)):
        return int.__int__(value) if issubclass(kind, int) else float.__float__(value)
    if depth < DEPTH_LIMIT and issubclass(kind, dict):
        return {printable(text_of(key)): _plain(item, depth + 1) for key, item in dict.items(value)}
    if depth < DEPTH_LIMIT and issubclass(kind, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    return printable(str.__str__(value) if issubclass(kind, str) else text_of(value))


def _shortened(value: Any) -> Any:
    """Cut the middle out of texts of more than 100,000 characters: a test may print without limit."""
    if isinstance(value, str) and len(value) > TEXT_LIMIT:
        half = TEXT_LIMIT // 2
        head, tail = value[:half].rpartition("\n"), value[-half:].partition("\n")
        cut = f"\n…({len(value)} characters in all)…\n"
        return (head[0] or f"{value[:half]}…") + cut + (tail[2] or f"…{value[-half:]}")
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    return [_shortened(item) for item in value] if isinstance(value, list) else value


def versions_here() -> dict[str, str]:
    """Return the versions of the interpreter and of the main libraries in the suite's environment."""
    found = {"python": platform.python_version()}
    for name in VERSIONED:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
