"""`nightproof down`: ask the supervisor to end and wait until it has, with everything that it started."""

from __future__ import annotations

import os
import select
import signal
import sys
from typing import TYPE_CHECKING
from typing import Final

from deployments.state import read_note
from nightproof.errors import NightproofError
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S: Final = 120.0  # a cancelled night cleans up before it ends


def stop_supervisor(state_dir: Path, deadline_s: float = DEADLINE_S) -> str:
    """Stop the supervisor of a state directory: it cancels runs, then stops worker and server."""
    note = read_note(state_dir)
    if note is None:
        return "No supervisor is running."
    os.kill(note.pid, signal.SIGTERM)
    if not _has_ended(note.pid, deadline_s):
        raise NightproofError(
            f"The supervisor (process {note.pid}) did not end within {deadline_s:.0f} s: look at {note.url}."
        )
    return "Stopped."


def _has_ended(pid: int, deadline_s: float) -> bool:
    """Wait for the end of a process that is not our child."""
    if sys.platform != "linux":
        return _has_vanished(pid, deadline_s)
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], deadline_s)[0])
    finally:
        os.close(descriptor)


def _has_vanished(pid: int, deadline_s: float) -> bool:
    try:
        return await_value(lambda: not _exists(pid), deadline_s, 0.2)
    except TimeoutError:
        return False


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
