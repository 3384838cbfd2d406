"""A state directory: locked by one testbed at a time; its secrets and files are readable by their owner only."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from pathlib import Path

HANDOVER_S: Final = 10.0  # the services of a killed testbed need a moment to notice and end
POLL_S: Final = 0.05
USERS: Final = ("test-user", "test-admin", "test-readonly", "test-service")


class StartError(Exception):
    """The testbed cannot start; the message is one sentence with the remedy."""

    exit_code = 1


class UsageError(StartError):
    """A start that cannot work as requested, because a port or a directory is in use, for example."""

    exit_code = 3


def hold(state: Path, handover_s: float = HANDOVER_S) -> int:
    """Lock the directory and return the descriptor of the lock; children that inherit it hold the lock too.

    A living holder raises UsageError at once. The services of a killed one get `handover_s` seconds to end.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(state / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UsageError(
            f"The state directory `{state}` cannot be used ({error.strerror}): name another --state-dir."
        ) from error
    deadline = time.monotonic() + handover_s
    while not _locked(descriptor):
        holder = os.pread(descriptor, 20, 0).decode() or "unknown"
        if _is_alive(holder) or time.monotonic() > deadline:
            os.close(descriptor)
            raise UsageError(
                f"The state directory `{state}` is in use by the testbed of process {holder}: "
                "stop that one, or name another --state-dir."
            )
        time.sleep(POLL_S)
    # A later start reads from this number whether the holder is alive.
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (ProcessLookupError, ValueError):
        return False
    return True


def kept_secrets(path: Path) -> dict[str, Any]:
    """Return the state directory's secrets, created at its first start.

    Raise UsageError if their file is damaged.
    """
    if path.is_file():
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UsageError(f"The file `{path}` is damaged ({error}): delete it, and new secrets are made.") from error
        return found
    made = {
        "control_token": secrets.token_urlsafe(24),
        "jwt_secret": secrets.token_urlsafe(32),
    }
    write_private(path, made)
    return made


def issued_tokens() -> dict[str, str]:
    """Return a new refresh token per user, for one life of the testbed.

    An exchange ends a token, so the next life needs new ones.
    """
    return {user: secrets.token_urlsafe(32) for user in USERS}


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write JSON atomically, readable by its owner only."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    fresh.replace(path)
