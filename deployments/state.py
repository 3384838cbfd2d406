"""What the supervisor wrote about itself in the state directory."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nightproof.report.files import write_atomic

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class SupervisorNote:
    """The supervisor's process and the address of its server."""

    pid: int
    url: str


def note_path(state_dir: Path) -> Path:
    """Give the place of the note."""
    return state_dir / "supervisor.json"


def write_note(state_dir: Path, note: SupervisorNote) -> None:
    """Leave the note for `down` and `run`."""
    write_atomic(note_path(state_dir), json.dumps(asdict(note)))


def read_note(state_dir: Path) -> SupervisorNote | None:
    """Give the note of a supervisor that is alive; a note that a dead one left behind counts as none."""
    try:
        note = SupervisorNote(**json.loads(note_path(state_dir).read_text(encoding="utf-8")))
        os.kill(note.pid, 0)
    except (OSError, ValueError, TypeError):
        return None
    return note


def supervisor_api(state_dir: Path) -> str:
    """Give the API address of a live supervisor, else nothing."""
    note = read_note(state_dir)
    return f"{note.url}/api" if note else ""
