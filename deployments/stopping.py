"""`nightproof down`: ask the supervisor to end and wait until it has, with everything that it started."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING
from typing import Final

from deployments.state import read_note
from nightproof.errors import NightproofError
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from pathlib import Path

DEADLINE_S: Final = 120.0  # a cancelled night cleans up before it ends


def stop_supervisor(state_dir: Path, deadline_s: float = DEADLINE_S) -> str:
    """End the supervisor of a state directory; it cancels runs, then stops worker and server."""
    note = read_note(state_dir)
    if note is None:
        return "No supervisor is running."
    os.kill(note.pid, signal.SIGTERM)
    try:
        await_value(lambda: read_note(state_dir) is None, deadline_s, 0.2)
    except TimeoutError as error:
        raise NightproofError(
            f"The supervisor (process {note.pid}) did not end within {deadline_s:.0f} s: look at {note.url}."
        ) from error
    return "Stopped."
