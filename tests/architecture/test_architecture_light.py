"""The light tree runs in other teams' interpreters: only pytest, the standard library, and Python 3.9 or later."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nightproof.runner.tree import FILES
from nightproof.runner.tree import FOLDERS
from nightproof.runner.tree import PACKAGE
from nightproof.runner.tree import lay_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path

LIGHT = (*(f"nightproof.{name.removesuffix('.py')}" for name in FILES if name != "__init__.py"), "nightproof.evidence")
LIBRARIES = {"_pytest", "pytest"}
# Only the recorder of a library imports it, after the suite itself has imported that library.
RECORDED = {"aiohttp", "botocore", "httpx", "urllib3"}
NEWER = {"slots": "@dataclass(slots=True) needs 3.10", "kw_only": "@dataclass(kw_only=True) needs 3.10"}
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")


def light_files() -> list[Path]:
    """Return the files of the tree."""
    return [PACKAGE / name for name in FILES] + sorted(
        path for folder in FOLDERS for path in (PACKAGE / folder).rglob("*.py")
    )


def imports(tree: ast.Module) -> Iterator[str]:
    """Yield the full names of the modules that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def foreign_imports(path: Path) -> list[str]:
    """Return the imports of a file that a suite's interpreter may lack."""
    recorded = RECORDED if path.parent.name == "recorders" else set()
    known = sys.stdlib_module_names | LIBRARIES | recorded
    names = imports(ast.parse(path.read_text(encoding="utf-8")))
    return [
        name
        for name in names
        if name.partition(".")[0] not in known
        and not any(name == light or name.startswith(f"{light}.") for light in LIGHT)
    ]


def newer_syntax(path: Path) -> list[str]:
    """Return the calls in a file that need more than Python 3.9 and that no syntax check finds."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))):
        if isinstance(node, ast.keyword) and node.arg in NEWER:
            found.append(NEWER[node.arg])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "isinstance" and any(isinstance(arg, ast.BinOp) for arg in node.args):
                found.append("isinstance(…, A | B) needs 3.10")
            if node.func.id == "zip" and any(keyword.arg == "strict" for keyword in node.keywords):
                found.append("zip(strict=…) needs 3.10")
        if isinstance(node, ast.alias) and node.name == "UTC":
            found.append("datetime.UTC needs 3.11")
    return found


def test_the_light_tree_imports_pytest_and_the_standard_library_only() -> None:
    """No file of the tree imports another library, or a module of ours outside the tree."""
    assert {path.name: names for path in light_files() if (names := foreign_imports(path))} == {}


def test_the_light_tree_uses_no_newer_python() -> None:
    """Every file of the tree works on Python 3.9, in its syntax and in calls that are commonly newer."""
    assert {path.name: found for path in light_files() if (found := newer_syntax(path))} == {}


def test_the_rules_see_what_they_forbid(tmp_path: Path) -> None:
    """A library, a module of ours outside the tree, and newer calls are all found."""
    path = tmp_path / "sample.py"
    path.write_text(
        "import json, httpx\nfrom nightproof.ledger import audit\nfrom datetime import UTC\n"
        "def f(a, b):\n    return isinstance(a, int | str), zip(a, b, strict=True)\n"
    )
    assert foreign_imports(path) == ["httpx", "nightproof.ledger"]
    assert len(newer_syntax(path)) == 3


@pytest.mark.parametrize("group", ["oldest", "strangers"])
def test_the_light_tree_runs_where_nothing_of_ours_is_installed(
    world: Callable[[str], Path], tmp_path: Path, group: str
) -> None:
    """The oldest and the newest pytest import every module of the tree, with warnings as errors."""
    assert import_all(world(group), lay_tree(tmp_path), "-W", "error") == len(light_files()) - 1


def interpreters() -> dict[str, str]:
    """Return every working Python from 3.9 to 3.13 on the path, and this one, by version."""
    script = "import sys; print('{}.{}'.format(*sys.version_info))"
    candidates = (*(shutil.which(f"python{version}") for version in PYTHONS), sys.executable)
    answers = {
        python: subprocess.run([python, "-c", script], capture_output=True, text=True, check=False)
        for python in candidates
        if python
    }
    # pyenv has shims for disabled versions too; those fail.
    return {answer.stdout.strip(): python for python, answer in answers.items() if answer.returncode == 0}


def test_the_light_tree_compiles_on_every_python_here(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Each interpreter on the path compiles the tree; the property `pythons` lists them."""
    pythons = interpreters()
    record_property("pythons", ", ".join(sorted(pythons)))
    root = str(lay_tree(tmp_path))
    command = ["-m", "compileall", "-q", "-f", root]
    results = {
        version: subprocess.run([python, *command], capture_output=True, text=True, check=False).stdout
        for version, python in pythons.items()
    }
    assert results == dict.fromkeys(pythons, "")


def import_all(python: Path, root: Path, *options: str) -> int:
    """Import every module of the tree except the child's sitecustomize; return their number."""
    script = (
        "import importlib, pathlib, sys\n"
        "root = pathlib.Path(sys.argv[1])\nsys.path.insert(0, str(root))\n"
        "paths = [p for p in root.rglob('*.py') if 'child' not in p.parts]\n"
        "names = ['.'.join(p.relative_to(root).with_suffix('').parts) for p in paths]\n"
        "for name in names:\n"
        "    module = importlib.import_module(name.removesuffix('.__init__'))\n"
        "    assert pathlib.Path(module.__file__).is_relative_to(root), module\n"
        "print(len(names))\n"
    )
    result = subprocess.run(
        [python, "-s", *options, "-c", script, str(root)], capture_output=True, text=True, check=True
    )
    return int(result.stdout)
