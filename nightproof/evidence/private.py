"""Folders and files that only their owner reads.

The modes are given where something is made: a process-wide umask would change what a suite's own tests see.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING
from typing import Final

if TYPE_CHECKING:
    from pathlib import Path

OTHERS: Final = 0o077  # every permission of a group and of all others; as an umask it takes them away
FOLDER: Final = 0o700
FILE: Final = 0o600


def private_folder(path: Path) -> Path:
    """Make a folder, and those above it that are missing, for their owner alone; return its path."""
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in (*reversed(missing), path):
        folder.mkdir(mode=FOLDER, exist_ok=True)
    return path


def private_file(path: Path) -> Path:
    """Make an empty file for its owner alone, or close the one that is there, its content kept; return its path."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE))
    close(path)
    return path


def close(path: Path) -> None:
    """Take a file or folder of ours from everybody else; devices and folders for all, such as /tmp, stay."""
    # A file system without permissions refuses, and what is gone meanwhile needs none.
    with contextlib.suppress(OSError):
        found = path.stat()
        is_ours = found.st_uid == os.geteuid() and (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode))
        if is_ours and found.st_mode & OTHERS and not found.st_mode & stat.S_ISVTX:
            path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
