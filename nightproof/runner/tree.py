"""The light tree: those of our modules that a suite's own interpreter loads, copied to a folder of their own.

It needs pytest and the standard library only; a test enforces that.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[1]
FILES: Final = ("__init__.py", "errors.py", "names.py", "redact.py", "spellings.py")
FOLDERS: Final = ("evidence",)


def lay_tree(folder: Path) -> Path:
    """Copy the tree below a folder, unless it is there; return the folder for the import path."""
    root = folder / "light"
    if not root.exists():
        fresh = folder / "light.new"
        shutil.rmtree(fresh, ignore_errors=True)
        target = fresh / PACKAGE.name
        target.mkdir(parents=True)
        for name in FILES:
            shutil.copy(PACKAGE / name, target / name)
        for name in FOLDERS:
            shutil.copytree(PACKAGE / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        # Renamed when it is complete, so that an interrupted copy is never taken for the tree.
        fresh.rename(root)
    return root


def remove_tree(folder: Path) -> None:
    """Remove the tree below a folder, if one is there."""
    shutil.rmtree(folder / "light", ignore_errors=True)
