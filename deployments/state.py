"""The supervisor's files in the state directory: note, lock and login."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from dataclasses import asdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock
from filelock import Timeout

from nightproof.config.places import make_state_dir
from nightproof.errors import UsageError
from nightproof.evidence.private import FILE
from nightproof.evidence.private import private_file
from nightproof.evidence.private import private_folder
from nightproof.report.files import write_atomic

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class SupervisorNote:
    """The supervisor's process and the address of its server."""

    pid: int
    url: str

    @property
    def api(self) -> str:
        """Return the address of the server's API."""
        return f"{self.url}/api"


def note_path(state_dir: Path) -> Path:
    """Return the path of the note."""
    return state_dir / "supervisor.json"


@contextmanager
def place(state_dir: Path) -> Iterator[None]:
    """Hold the lock of the one supervisor; raise UsageError naming its holder. The kernel frees it however we die."""
    make_state_dir(state_dir)
    lock = FileLock(_lock_path(state_dir), mode=FILE, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        note = _noted(state_dir)
        who = f"process {note.pid}, {note.url}" if note else "it is just starting"
        raise UsageError(f"A supervisor runs already ({who}): stop it with `nightproof down`.") from error
    try:
        yield
    finally:
        lock.release()


def write_note(state_dir: Path, note: SupervisorNote) -> None:
    """Write the note that `down` and `run` read."""
    write_atomic(note_path(state_dir), json.dumps(asdict(note)))


def read_note(state_dir: Path) -> SupervisorNote | None:
    """Return the note of a live supervisor, or None.

    The lock decides, not the process id: a dead supervisor's id may belong to another process by now, and `down` sends
    a signal to it.
    """
    if not _lock_path(state_dir).exists():
        return None
    try:
        with FileLock(_lock_path(state_dir), timeout=0, mode=FILE, thread_local=False):
            return None
    except Timeout:
        return _noted(state_dir)


def auth_path(state_dir: Path) -> Path:
    """Return the path of the server's login, a file that only its owner can read."""
    return state_dir / "prefect" / "login"


def kept_auth(state_dir: Path, make: Callable[[], str]) -> str:
    """Return the login of the supervisor's server. The first start makes and keeps it, so a user enters it once."""
    path = auth_path(state_dir)
    kept = path.read_text(encoding="ascii").strip() if path.is_file() else ""
    if kept:
        private_file(path)
        return kept
    private_folder(path.parent)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE), "w", encoding="ascii") as file:
        file.write(made := make())
    fresh.replace(path)
    return made


def _lock_path(state_dir: Path) -> Path:
    return state_dir / "supervisor.lock"


def _noted(state_dir: Path) -> SupervisorNote | None:
    try:
        note = SupervisorNote(**json.loads(note_path(state_dir).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return note if isinstance(note.pid, int) else None
