"""The entry point of a cell's process: watch the lifeline, then run pytest."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final

import pytest

from nightproof.evidence.eventlog import EventLog
from nightproof.evidence.eventlog import utc_now
from nightproof.evidence.relay import client as relay
from nightproof.evidence.strays import EVENT_LOG
from nightproof.evidence.strays import LIFELINE
from nightproof.evidence.strays import end_strays

BLOCK_BYTES: Final = 4096
EXIT_GRACE_S: Final = 3.0


def watch_parent(fd: int) -> None:
    """Wait until the runner's death closes the pipe, then kill the whole process group."""
    while os.read(fd, BLOCK_BYTES):
        pass
    try:
        _note_death()
    finally:
        os.killpg(0, signal.SIGKILL)


def _note_death() -> None:
    if path := os.environ.get(EVENT_LOG):
        end_strays(Path(path))
        EventLog(Path(path)).write("CellKilled", reason="lifeline", id="", time=utc_now())


def main() -> int:
    """Run pytest with the arguments of the command line and return its exit code."""
    fd = os.environ.pop(LIFELINE, "")
    if fd:
        os.set_inheritable(int(fd), False)  # noqa: FBT003 - the standard library's signature
        threading.Thread(target=watch_parent, args=(int(fd),), name="lifeline", daemon=True).start()
    relay.start()
    code = int(pytest.main(sys.argv[1:]))
    relay.close()
    if path := os.environ.get(EVENT_LOG):
        EventLog(Path(path)).write("PytestEnd", exit=code, time=utc_now())
    _end_soon(code)
    return code


def _end_soon(code: int) -> None:
    """End the process after 3 s if a thread that a test left running keeps it alive; everything is written by then."""
    timer = threading.Timer(EXIT_GRACE_S, os._exit, (code,))
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    sys.exit(main())
