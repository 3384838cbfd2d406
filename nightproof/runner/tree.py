"""The light tree: what of ours a suite's own interpreter loads, laid out where nothing else of ours is.

It needs pytest and the standard library only; a test holds that.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[1]
FILES: Final = ("__init__.py", "errors.py", "names.py", "redact.py", "spellings.py")
FOLDERS: Final = ("evidence",)


def lay_tree(folder: Path) -> Path:
    """Copy the tree below a folder, unless it is there; return what goes on the import path."""
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
        fresh.rename(root)
    return root


def remove_tree(folder: Path) -> None:
    """Remove the tree below a folder, if one is there."""
    shutil.rmtree(folder / "light", ignore_errors=True)
