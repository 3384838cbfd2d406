"""A suite with its own environment: interpreter, plugins, variables and configuration."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from nightproof.errors import UsageError
from nightproof.records import Outcome
from nightproof.runner.cell import GroupRegistry
from nightproof.runner.cell import run_cell
from nightproof.runner.cell import second_pass
from nightproof.runner.events import read_cell
from nightproof.runner.world import World
from nightproof.runner.world import interpreter_at
from nightproof.runner.world import probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nightproof.records import Attempt
    from nightproof.runner.cell import CellPlan

ASKING = """
    import os, subprocess, sys, urllib.request
    URL = os.environ["NIGHTPROOF_URL_SHOP"]
    def ask(): return urllib.request.urlopen(URL).status
"""
ASYNC = (
    ASKING
    + """
    import asyncio
    async def test_async():
        assert await asyncio.get_running_loop().run_in_executor(None, ask) == 200
    def test_child():
        code = f"import urllib.request; print(urllib.request.urlopen('{URL}').status)"
        assert subprocess.check_output([sys.executable, "-c", code], text=True) == "200\\n"
"""
)


def attempts(plan: CellPlan) -> dict[str, Attempt]:
    """Run a cell's first pass and return the attempt of each test, by its name."""
    run_cell(plan, lambda _lines: None, GroupRegistry())
    return {name.partition("::")[2]: found[-1] for name, found in read_cell(plan.cell_dir).attempts.items()}


def proven(found: dict[str, Attempt]) -> dict[str, tuple[Outcome, bool, bool]]:
    """Return for each test its outcome, whether it checked something, and whether it got an answer."""
    return {
        name: (attempt.outcome, attempt.assertions > 0, attempt.exchanges.total > 0) for name, attempt in found.items()
    }


PROVEN = (Outcome.PASSED, True, True)


def test_a_suite_runs_with_the_plugins_of_its_own_interpreter(
    make_cell: Callable[..., CellPlan], world: Callable[[str], Path]
) -> None:
    """A suite on pytest 7.4 with a plugin that we lack gives evidence of tests and their children."""
    plan = make_cell(ASYNC, "test_async", "test_child")
    (plan.suite_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\nfilterwarnings = error\n")
    plan = replace(plan, world=World(python=world("oldest")))
    assert proven(attempts(plan)) == {"test_async": PROVEN, "test_child": PROVEN}
    start = json.loads((plan.cell_dir / "events.jsonl").read_text().splitlines()[0])
    assert start["versions"]["pytest"].startswith("7.4.")
    assert not (plan.cell_dir / "light").exists()


@pytest.mark.parametrize("group", ["ours", "strangers"])
@pytest.mark.parametrize(
    "ini",
    [
        "addopts = --ff",
        "addopts = --strict-config\ncache_dir = .cache/pytest",
        "addopts = --sw --lf",
        "addopts = -n 2 --strict-markers -x --durations=3 -vv --color=yes\nfilterwarnings = error",
        "addopts = --assert=plain -p no:cacheprovider",
        "addopts = -q --tb=no --import-mode=importlib",
    ],
)
def test_a_suites_own_options_work(
    make_cell: Callable[..., CellPlan], world: Callable[[str], Path], ini: str, group: str
) -> None:
    """A suite's own ini options neither break the cell nor skip tests after a failure."""
    plan = make_cell(
        ASKING + "\n    def test_bad(): assert ask() == 500\n    def test_good(): assert ask() == 200\n",
        "test_bad", "test_good",
    )  # fmt: skip
    (plan.suite_path / "pytest.ini").write_text(f"[pytest]\n{ini}\n")
    before = sorted(plan.suite_path.iterdir())
    # pytest-asyncio warns of a missing setting; `filterwarnings = error` fails on it, in plain pytest too.
    own = World() if group == "ours" else World(python=world(group), pytest_args=("-p", "no:asyncio"))
    plan = replace(plan, world=own)
    assert proven(attempts(plan)) == {"test_bad": (Outcome.FAILED, False, True), "test_good": PROVEN}
    assert [path for path in sorted(plan.suite_path.iterdir()) if path.name != "__pycache__"] == before


def test_a_suites_own_backend_option_gets_the_cells_backend(make_cell: Callable[..., CellPlan]) -> None:
    """A conftest's own `--backend` option works and gets the cell's backend."""
    own = "def test_it(request): assert (request.config.getoption('--backend'), ask()) == ('blue', 200)"
    plan = make_cell(ASKING + f"\n    {own}\n", "test_it")
    conftest = "def pytest_addoption(parser): parser.addoption('--backend', choices=['red', 'blue'])\n"
    (plan.suite_path / "conftest.py").write_text(conftest)
    assert proven(attempts(replace(plan, backend="blue"))) == {"test_it": PROVEN}


def test_a_suite_without_the_option_may_read_it(make_cell: Callable[..., CellPlan]) -> None:
    """A suite without such an option can read `--backend` and `--nightproof-backend`."""
    both = "[request.config.getoption(name) for name in ('--backend', '--nightproof-backend')]"
    plan = make_cell(ASKING + f"\n    def test_it(request): assert ({both}, ask()) == (['blue'] * 2, 200)\n", "test_it")
    assert proven(attempts(replace(plan, backend="blue"))) == {"test_it": PROVEN}


HOME = """
    import pathlib
    def test_fresh():
        assert ask() == 200
        mark = pathlib.Path.home() / "mark"
        assert not mark.exists()
        mark.touch()
    def test_variables():
        assert ask() == 200
        assert (os.environ["STAGE"], os.environ.get("OURS"), os.environ["PYTHONUNBUFFERED"]) == ("staging", None, "0")
"""


def test_a_cell_sees_its_variables_and_a_home_of_each_pass(
    make_cell: Callable[..., CellPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cell gets the profile's variables and none of the shell's; each pass has a fresh HOME."""
    monkeypatch.setenv("OURS", "not passed on")
    plan = make_cell(ASKING + HOME, "test_fresh", "test_variables")
    plan = replace(plan, world=World(env={"STAGE": "staging", "PYTHONUNBUFFERED": "0"}))
    run_cell(plan, lambda _lines: None, GroupRegistry())
    second_pass(plan, lambda _lines: None, GroupRegistry())
    found = read_cell(plan.cell_dir).attempts
    assert [a.message for two in found.values() for a in two if a.outcome is not Outcome.PASSED] == []
    assert [len(two) for two in found.values()] == [2, 2]


def test_an_interpreters_own_scripts_are_found_first(
    make_cell: Callable[..., CellPlan], world: Callable[[str], Path]
) -> None:
    """A test that calls `pytest` by name gets that of the suite's environment."""
    which = "shutil.which('pytest').startswith(os.environ['VIRTUAL_ENV']) and 'oldest' in shutil.which('pytest')"
    plan = make_cell(ASKING + f"\n    import shutil\n    def test_it(): assert ask() == 200 and {which}\n", "test_it")
    assert proven(attempts(replace(plan, world=World(python=world("oldest"))))) == {"test_it": PROVEN}


NESTED = """
    pytest_plugins = ["pytester"]
    def test_nested(pytester):
        assert ask() == 200
        pytester.makepyfile("def test_one(): assert 1 + 1 == 2\\ndef test_two(): assert False")
        pytester.runpytest_inprocess().assert_outcomes(passed=1, failed=1)
        pytester.runpytest_subprocess().assert_outcomes(passed=1, failed=1)
        assert ask() == 200
"""


@pytest.mark.parametrize("group", ["ours", "oldest"])
def test_a_pytest_that_a_test_runs_is_none_of_ours(
    make_cell: Callable[..., CellPlan], world: Callable[[str], Path], group: str
) -> None:
    """A pytest session inside a test writes no event and changes nothing of the outer test."""
    plan = make_cell("\n" + dedent(ASKING) + dedent(NESTED), "test_nested")
    plan = replace(plan, world=World(python=None if group == "ours" else world(group)))
    assert proven(attempts(plan)) == {"test_nested": PROVEN}
    lines = [json.loads(line)["$report_type"] for line in (plan.cell_dir / "events.jsonl").read_text().splitlines()]
    assert (lines.count("TestStart"), lines.count("CellStart")) == (1, 1)


def test_what_is_no_interpreter_of_a_suite_is_named(tmp_path: Path, world: Callable[[str], Path]) -> None:
    """A missing file, a file that is no Python and a Python without pytest are refused with a remedy each."""
    with pytest.raises(UsageError, match=r"There is no interpreter `.*/gone/bin/python`: create that environment"):
        probe(tmp_path / "gone" / "bin" / "python")
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho hello\n")
    with pytest.raises(UsageError, match="is no Python interpreter that runs"):
        probe(script)
    script.chmod(0o755)
    with pytest.raises(UsageError, match="is no Python interpreter that runs"):
        probe(script.rename(tmp_path / "python2"))
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(UsageError, match="has no pytest: install it, for example"):
        probe(bare)
    assert probe(interpreter_at(world("oldest").parents[1]))["pytest"].startswith("7.4.")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ('{"python": "3.8.18", "pytest": "8.3.5", "pluggy": "1.5.0"}', "is Python 3.8.18: a suite needs 3.9 or newer"),
        ('{"python": "3.12.1", "pytest": "7.3.2", "pluggy": "1.5.0"}', "a suite needs pytest 7.4 and"),
        ('{"python": "3.12.1", "pytest": "7.4.4", "pluggy": "1.0.0"}', "pluggy 1.2 or newer"),
    ],
)
def test_an_interpreter_that_is_too_old_is_named(tmp_path: Path, answer: str, words: str) -> None:
    """An interpreter too old for the plugin is refused before anything starts."""
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\necho '{answer}'\n")
    script.chmod(0o755)
    with pytest.raises(UsageError, match=words):
        probe(script)
