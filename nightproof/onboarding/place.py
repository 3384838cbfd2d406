"""The place of a suite: its folder, its project, its interpreter, and pytest's settings for it."""

from __future__ import annotations

import configparser
import glob
import os
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.errors import UsageError
from nightproof.runner.command import ROOT_FILES
from nightproof.runner.command import project_root
from nightproof.runner.world import interpreter_at

if TYPE_CHECKING:
    from collections.abc import Iterable

ENVIRONMENTS: Final = (".venv", "venv")
NAMELESS: Final = frozenset({"tests", "test"})  # the parent folder's name says more
MODULES: Final = ("test_*.py", "*_test.py")
# The files that pytest searches for settings, in its order, with the sections that count.
SETTINGS: Final = (
    ("pytest.toml", ("pytest",)),
    (".pytest.toml", ("pytest",)),
    ("pytest.ini", ("pytest",)),
    (".pytest.ini", ("pytest",)),
    ("pyproject.toml", ("tool.pytest", "tool.pytest.ini_options")),
    ("tox.ini", ("pytest",)),
    ("setup.cfg", ("tool:pytest",)),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Pytest's settings for a suite, and their file; lists are joined by blanks."""

    file: Path | None
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of a suite and its project; without `python` it runs in nightproof's own interpreter."""

    suite: Path
    root: Path
    python: Path | None
    settings: Settings


def find_place(path: Path, python: Path | None = None) -> Place:
    """Return the place of the suite in a folder or a repository; raise UsageError if there is none."""
    path = Path(os.path.normpath(path.absolute()))
    if not os.path.lexists(path):
        raise UsageError(f"There is no folder `{path}`: give the folder of a pytest suite, or its repository.")
    if not path.is_dir():
        raise UsageError(f"`{path}` is no folder: give the folder of the suite, as `{path.parent}`.")
    suite = _suite_of(path)
    root = _root_of(suite)
    own = interpreter_at(Path(os.path.normpath(python.absolute()))) if python else _interpreter(suite, root)
    return Place(suite, root, own, _nearest_settings(suite, root))


def settings_of(folder: Path) -> Settings:
    """Return the settings in the first of pytest's files in a folder; empty if no file has any."""
    for name, sections in SETTINGS:
        file = folder / name
        found = _sections(file) if file.is_file() else {}
        told = [found[section] for section in sections if section in found]
        if told:
            return Settings(file, {key: value for section in told for key, value in section.items()})
    return Settings(None, {})


def _suite_of(path: Path) -> Path:
    named = settings_of(path).values.get("testpaths", "").split()
    matches = {path / found for pattern in named for found in glob.glob(pattern, root_dir=path)}  # noqa: PTH207 - `.`
    folders = sorted(folder for folder in matches if folder.is_dir())
    if len(folders) > 1:
        shown = ", ".join(f"`{folder}`" for folder in folders)
        raise UsageError(f"`testpaths` of `{path}` names {len(folders)} folders ({shown}): give the one to begin with.")
    if folders:
        return Path(os.path.normpath(folders[0]))
    has_modules = any(True for pattern in MODULES for _ in path.glob(pattern))
    return path / "tests" if (path / "tests").is_dir() and not has_modules else path


def _root_of(suite: Path) -> Path:
    """Return pytest's root folder or, without a marker file, the parent of `tests` or of a sibling of `.venv`."""
    root = project_root(suite)
    is_marked = any((root / name).exists() for name in ROOT_FILES)
    has_environment = any((suite.parent / name / "pyvenv.cfg").is_file() for name in ENVIRONMENTS)
    return suite.parent if not is_marked and (suite.name in NAMELESS or has_environment) else root


def _interpreter(suite: Path, root: Path) -> Path | None:
    """Return the interpreter of the project's nearest virtual environment, or None if that is ours or missing."""
    folders = [folder for folder in (suite, *suite.parents) if folder.is_relative_to(root)]
    found = [folder / name for folder in folders for name in ENVIRONMENTS]
    active = Path(os.environ.get("VIRTUAL_ENV") or os.sep)
    found += [active] if active.is_relative_to(root) else []
    here = next((venv for venv in found if interpreter_at(venv).exists() and venv.is_dir()), None)
    is_ours = here is None or here.resolve() == Path(sys.prefix).resolve()
    return None if here is None or is_ours else interpreter_at(here)


def _nearest_settings(suite: Path, root: Path) -> Settings:
    folders: Iterable[Path] = (folder for folder in (suite, *suite.parents) if folder.is_relative_to(root))
    return next((told for told in map(settings_of, folders) if told.file), Settings(None, {}))


def _sections(file: Path) -> dict[str, dict[str, str]]:
    """Return the sections of an INI or TOML file by full name; empty if unreadable, as pytest reports that itself."""
    try:
        text = file.read_text(encoding="utf-8")
        if file.suffix == ".toml":
            return _flat(tomllib.loads(text))
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        parser.read_string(text)
    except (OSError, ValueError, configparser.Error):
        return {}
    return {name: dict(parser.items(name)) for name in parser.sections()}


def _flat(data: dict[str, Any]) -> dict[str, dict[str, str]]:
    tool = data.get("tool") if isinstance(data.get("tool"), dict) else {}
    own = tool.get("pytest") if isinstance(tool, dict) else None
    options = own.get("ini_options") if isinstance(own, dict) else None
    named = {"pytest": data.get("pytest"), "tool.pytest": own, "tool.pytest.ini_options": options}
    texts = {
        name: {key: _text(value) for key, value in section.items() if not isinstance(value, dict)}
        for name, section in named.items()
        if isinstance(section, dict)
    }
    return {name: section for name, section in texts.items() if section}


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
