"""Processes of a cell, recognised by a variable of their environment."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Final

LIFELINE: Final = "NIGHTPROOF_LIFELINE_FD"
EVENT_LOG: Final = "NIGHTPROOF_EVENT_LOG"


def end_strays(log: Path) -> None:
    """Kill the processes that a suite took out of its group, known by the cell's event log in their environment.

    Without /proc, only the group is ended.
    """
    mark = f"{EVENT_LOG}={log}".encode()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        pid = int(environment.parent.name)
        with contextlib.suppress(OSError):  # it ended meanwhile, or is somebody else's
            if pid != os.getpid() and mark in environment.read_bytes().split(b"\0"):
                os.kill(pid, signal.SIGKILL)
