"""The folder in which the pytest of a suite runs."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - annotations stay usable at run time
from typing import Final

ROOT_FILES: Final = ("pyproject.toml", "pytest.ini", "tox.ini", "setup.cfg", ".git")


def project_root(suite_path: Path) -> Path:
    """Return the folder from which a person would run the suite; pytest puts it on the import path."""
    folders = (suite_path, *suite_path.parents)
    return next((folder for folder in folders if any((folder / name).exists() for name in ROOT_FILES)), suite_path)
