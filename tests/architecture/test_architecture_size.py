"""Lengths, docstrings and hosts, which a review would otherwise have to count."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from statistics import median

import pytest

from tests.architecture.parsed import parsed

pytestmark = pytest.mark.xdist_group("architecture")  # each file is parsed once
ROOT = Path(__file__).parents[2]
ROOMS = ("deployments", "flows", "tasks", "nightproof", "suites", "testbed", "tests")
MAX_FILE_LINES = 400
MEDIAN_FILE_LINES = 120
MAX_FUNCTION_LINES = 50
MEDIAN_FUNCTION_LINES = 10
MAX_TEST_LINES = 40
PUBLIC_HOSTS = {"pypi.org", "files.pythonhosted.org"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def files(*rooms: str) -> list[Path]:
    """Return the Python files of rooms."""
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def functions(path: Path) -> list[Function]:
    """Return every function of a file."""
    nodes = ast.walk(parsed(path))
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def length(function: Function) -> int:
    """Return the number of lines of a function, from its `def` to its end."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def place(path: Path, function: Function) -> str:
    """Return path, line and name of a function."""
    return f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"


def cases_in(path: Path) -> list[Function]:
    """Return the tests of a file."""
    if not path.name.startswith("test_"):
        return []
    return [function for function in functions(path) if function.name.startswith("test_")]


def test_no_file_is_long() -> None:
    """No file is longer than 400 lines, and the median is at most 120."""
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files(*ROOMS)}
    assert {str(path.relative_to(ROOT)): count for path, count in lines.items() if count > MAX_FILE_LINES} == {}
    assert median(lines.values()) <= MEDIAN_FILE_LINES


def test_no_function_is_long() -> None:
    """No function is longer than 50 lines, and the median is at most 10."""
    found = [(place(path, function), length(function)) for path in files(*ROOMS) for function in functions(path)]
    assert [pair for pair in found if pair[1] > MAX_FUNCTION_LINES] == []
    assert median(count for _, count in found) <= MEDIAN_FUNCTION_LINES


@pytest.mark.parametrize("room", ["suites", "tests"])
def test_every_test_is_short_and_says_what_it_holds(room: str) -> None:
    """Every test has a docstring and at most forty lines."""
    found = [(path, test) for path in files(room) for test in cases_in(path)]
    assert [place(path, test) for path, test in found if not ast.get_docstring(test)] == []
    assert [place(path, test) for path, test in found if length(test) > MAX_TEST_LINES] == []


def test_every_module_has_a_docstring() -> None:
    """Every module outside tests/ has a docstring."""
    rooms = [room for room in ROOMS if room != "tests"]
    silent = [path for path in files(*rooms) if not ast.get_docstring(parsed(path))]
    assert silent == []


def test_the_lock_names_only_public_hosts() -> None:
    """The lock refers to the public package index only."""
    text = (ROOT / "uv.lock").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://([^/\"]+)", text)) == PUBLIC_HOSTS
