"""Folders and files that only their owner can read.

Each is created with its mode: a process-wide umask would change what a suite's own tests see.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING
from typing import Final

if TYPE_CHECKING:
    from pathlib import Path

OTHERS: Final = 0o077  # every permission of the group and of others; as a umask it removes them
FOLDER: Final = 0o700
FILE: Final = 0o600


def private_folder(path: Path) -> Path:
    """Create a folder and its missing parents for their owner alone; return its path."""
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in (*reversed(missing), path):
        folder.mkdir(mode=FOLDER, exist_ok=True)
    return path


def private_file(path: Path) -> Path:
    """Create an empty file for its owner alone, or restrict an existing one and keep its content; return its path."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE))
    close(path)
    return path


def close(path: Path) -> None:
    """Remove everybody else's permissions from a file or folder of ours; devices and shared folders (/tmp) stay."""
    # A file system without permissions raises OSError, and a file that is gone needs none.
    with contextlib.suppress(OSError):
        found = path.stat()
        is_ours = found.st_uid == os.geteuid() and (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode))
        if is_ours and found.st_mode & OTHERS and not found.st_mode & stat.S_ISVTX:
            path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
