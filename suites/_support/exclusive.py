"""Settings of which the whole target has one: borrowed by one test at a time, and given back as they were.

The cells of a night share one catalog, so that open query or the SSO text changed by one backend's test would be seen
by the other's. Decided: one lock file per setting beside placement.json, in the state directory that all cells of a
target and every bare pytest share. The kernel frees it when its holder dies. The value to give back is written into
the file first, so that whoever comes after a killed test gives back the true one and not what that test left. One
nightly at a time per target is the night's own lock, so a lock on one machine is enough.

Only tests that change such a setting, or whose outcome depends on its state, need it: a Tabulator query with keys
that the catalog issued works in both states of open query and asks for no lock.
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
DEADLINE_S: Final = 90  # a test waits for at most a few others of some seconds each, within its own limit
EVERY_S: Final = 0.1


@contextlib.contextmanager
def borrowed(
    beside: Path, name: str, read: Callable[[], Value], write: Callable[[Value], object], deadline_s: float = DEADLINE_S
) -> Iterator[Value]:
    """Hold a setting alone, give its value, and write that back at the end; `beside` is the path of placement.json."""
    with alone(beside, name, deadline_s) as file:
        kept = file.read()
        value: Value = json.loads(kept)["value"] if kept else read()
        _keep(file, json.dumps({"value": value}))
        try:
            yield value
        finally:
            write(value)
            _keep(file, "")


@contextlib.contextmanager
def alone(beside: Path, name: str, deadline_s: float = DEADLINE_S) -> Iterator[TextIO]:
    """Hold a lock of the target that one test at a time has, and give its file."""
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
