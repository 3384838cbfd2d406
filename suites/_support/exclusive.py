"""Settings of which the target has one: a test holds one alone and then restores its value.

The cells of a night share one catalog. If a test of one backend changed open query or the SSO text, the tests of the
other would see it.

Decided: one lock file per setting beside placement.json, in the state directory that all cells of a target and every
bare pytest share. The kernel releases the lock when its holder dies. The original value is written into the file
first. A test that follows a killed one therefore restores the original, not what the killed test left. The night's own
lock allows one nightly per target at a time, so a lock on one machine is enough.

Only tests that change such a setting, or whose outcome depends on it, need the lock. A Tabulator query with
credentials from the catalog works with open query on or off, and needs none.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from typing import TYPE_CHECKING
from typing import Final
from typing import TypeVar

from suites._support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

Value = TypeVar("Value", bool, "str | None")
FOLDER: Final = "borrowed"
DEADLINE_S: Final = 90  # a few other tests of some seconds each; less than a test's own time limit
EVERY_S: Final = 0.1


@contextlib.contextmanager
def borrowed(
    beside: Path, name: str, read: Callable[[], Value], write: Callable[[Value], object], deadline_s: float = DEADLINE_S
) -> Iterator[Value]:
    """Hold a setting alone, yield its value, and restore that value at the end.

    `beside` is the path of placement.json.
    """
    with alone(beside, name, deadline_s) as file:
        # Not empty after a kill: the holder died before it restored the value.
        kept = file.read()
        value: Value = json.loads(kept)["value"] if kept else read()
        _keep(file, json.dumps({"value": value}))
        try:
            yield value
        finally:
            # In this order: after a kill in between, the next holder restores the value once more.
            write(value)
            _keep(file, "")


@contextlib.contextmanager
def alone(beside: Path, name: str, deadline_s: float = DEADLINE_S) -> Iterator[TextIO]:
    """Hold an exclusive lock of the target and yield its file; raise TimeoutError if it is not free in time."""
    folder = beside.parent / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        wait_for(
            f"the setting `{name}`, which another test holds",
            lambda: _held(file),
            deadline_s=deadline_s,
            every_s=EVERY_S,
        )
        yield file


def _held(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _keep(file: TextIO, text: str) -> None:
    """Replace the content in place: the lock is on this very file."""
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()
