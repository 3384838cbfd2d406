"""Ends of processes: each test has a verdict after many crashes, and an unexplained end is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nightproof.runner import cell
from nightproof.runner.cell import GroupRegistry
from nightproof.runner.cell import run_cell
from nightproof.runner.events import read_cell
from nightproof.verdict.catalogue import CatalogueTest
from nightproof.verdict.exits import exits
from nightproof.verdict.outcomes import judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.runner.cell import CellPlan

TWO = """
    import atexit, os, pytest, sys, time
    def test_a(): assert True
    def test_b(): assert True
"""


def run(plan: CellPlan) -> None:
    """Run one pass."""
    run_cell(plan, lambda _lines: None, GroupRegistry())


def outcomes(plan: CellPlan) -> dict[str, str]:
    """Return the outcome of each test's last attempt, by its name."""
    found = read_cell(plan.cell_dir).attempts
    return {test.partition("::")[2]: attempts[-1].outcome.value for test, attempts in found.items()}


def reasons(plan: CellPlan) -> dict[str, str]:
    """Return the reason of each test's verdict, by its id."""
    tests = {test_id: CatalogueTest(test_id) for test_id in plan.test_ids}
    return {verdict.id: verdict.reason for verdict in judge("shop", "default", tests, read_cell(plan.cell_dir))}


def odd_ends(plan: CellPlan) -> list[tuple[str, str]]:
    """Return kind and sentence of the findings on the cell's ends."""
    return [(it.kind, it.detail) for it in exits([("shop", "default", read_cell(plan.cell_dir).ends)])]


@pytest.mark.parametrize(
    ("conftest", "expected"),
    [
        ("", []),
        (
            "import atexit, os\natexit.register(os.abort)",
            [("unclean_exit", "A process of shop died with exit code -6 after all its tests had run.")],
        ),
        (
            "def pytest_sessionfinish(session): session.exitstatus = 1",
            [("unexplained_exit", "pytest ended shop with exit code 1, although no test of it failed.")],
        ),
        (
            "import pytest\n@pytest.hookimpl(trylast=True)\ndef pytest_sessionfinish(session): session.exitstatus = 9",
            [("unexplained_exit", "pytest ended shop with exit code 9, although no test of it failed.")],
        ),
        (
            "def pytest_sessionfinish(session): raise RuntimeError('no coverage')",
            [("unexplained_exit", "A process of shop ended with exit code 1 outside any test, before pytest did.")],
        ),
        (
            "import os\ndef pytest_sessionfinish(session): os._exit(0)",
            [("unclean_exit", "A process of shop ended with exit code 0 outside any test, before pytest did.")],
        ),
        (
            "import sys\ndef pytest_unconfigure(config): sys.exit(3)",
            [("unexplained_exit", "A process of shop ended with exit code 3 outside any test, before pytest did.")],
        ),
    ],
)
def test_an_end_that_no_test_explains_is_told(
    make_cell: Callable[..., CellPlan], conftest: str, expected: list[tuple[str, str]]
) -> None:
    """An exit code that no test explains, by a plugin or a death at the exit, is reported."""
    plan = make_cell(TWO, "test_a", "test_b")
    (plan.suite_path / "conftest.py").write_text(conftest)
    run(plan)
    assert outcomes(plan) == {"test_a": "passed", "test_b": "passed"}
    assert odd_ends(plan) == expected


@pytest.mark.parametrize(
    "source", ["assert False", "pytest.exit('enough')", "os._exit(0)", "raise KeyboardInterrupt", "os.abort()"]
)
def test_an_end_that_a_test_answers_for_is_told_once(make_cell: Callable[..., CellPlan], source: str) -> None:
    """An exit code explained by a red test gives no finding."""
    plan = make_cell(f"{TWO}    def test_c(): {source}\n    def test_d(): assert True\n", "test_a", "test_c", "test_d")
    run(plan)
    assert outcomes(plan) | {"test_c": ""} == {"test_a": "passed", "test_c": "", "test_d": "passed"}
    assert outcomes(plan)["test_c"] in {"failed", "error"}
    assert odd_ends(plan) == []


def test_every_test_has_its_verdict_however_many_crash(make_cell: Callable[..., CellPlan]) -> None:
    """Every test has its verdict however many crash, at one process per crash."""
    source = """
    import os, pytest
    @pytest.mark.parametrize("n", range(14))
    def test_n(n):
        if n % 2: os._exit(n)
        assert True
    """
    names = [f"test_n[{n}]" for n in range(14)]
    plan = make_cell(source, *names)
    run(plan)
    assert outcomes(plan) == {name: "error" if n % 2 else "passed" for n, name in enumerate(names)}


def test_tests_behind_too_many_hung_ones_say_so(
    make_cell: Callable[..., CellPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After too many hung tests the rest does not run, and the reason names the limit."""
    monkeypatch.setattr(cell, "SPARE_PROCESSES", 1)
    source = "\n    import time\n    def test_a(): time.sleep(60)\n    def test_b(): assert True\n"
    plan = make_cell(source, "test_a", "test_b", timeout_s=3)
    (plan.suite_path / "pytest.ini").write_text("[pytest]\ntimeout = 0\n")
    run(plan)
    assert outcomes(plan) == {"test_a": "timeout"}
    assert reasons(plan)["shop/test_it::test_b"] == (
        "not started: the kill timer ended 1 processes of this cell, the limit for 2 tests"
    )


def test_a_module_that_does_not_import_says_why(make_cell: Callable[..., CellPlan]) -> None:
    """The tests of a module that was not imported have the import error, or its skip, as reason."""
    plan = make_cell("def test_a(): assert True", "test_a")
    (plan.suite_path / "deep").mkdir()
    (plan.suite_path / "deep" / "test_late.py").write_text("def test_x(): pass\nraise RuntimeError('only at night')\n")
    (plan.suite_path / "test_gone.py").write_text("import pytest\npytest.importorskip('nowhere')\n")
    ids = ("shop/deep/test_late::test_x", "shop/test_gone::test_y", "shop/test_other::test_z")
    object.__setattr__(plan, "test_ids", (*plan.test_ids, *ids))
    run(plan)
    found = reasons(plan)
    assert found[ids[0]].endswith("/test_late.py` could not be imported: RuntimeError: only at night")
    assert found[ids[1]].startswith("skip: Skipped: could not import 'nowhere'")
    assert found[ids[2]] == "declared, and no event in any cell log"
    assert odd_ends(plan) == []


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("conftest.py", "import nowhere\n", "(exit 4): ModuleNotFoundError: No module named 'nowhere'"),
        ("pytest.ini", "[pytest]\naddopts = --no-such\n", "(exit 4)"),
    ],
)
def test_a_pytest_that_cannot_start_says_why(
    make_cell: Callable[..., CellPlan], file: str, text: str, why: str
) -> None:
    """If pytest cannot start, its complaint is the reason of every test."""
    plan = make_cell("def test_a(): assert True", "test_a")
    (plan.suite_path / file).write_text(text)
    run(plan)
    assert f"pytest could not start {why}" in reasons(plan)["shop/test_it::test_a"]
