"""Hostile suites: each test still gets its true verdict, and no process stays behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from nightproof.errors import SuiteError
from nightproof.runner.cell import GroupRegistry
from nightproof.runner.cell import run_cell
from nightproof.runner.events import read_cell
from tests.nightproof.evidence.wire import await_true
from tests.nightproof.evidence.wire import is_alive

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.runner.cell import CellPlan

GOOD = "\n    def test_zz(): assert True\n"
CASES: dict[str, tuple[str, dict[str, str]]] = {
    "closes every descriptor": (  # this breaks pytest's own capture; the test that runs then is charged
        "import os\n    def test_a():\n        os.closerange(3, 400)\n        assert True",
        {"test_a": "failed", "test_zz": "error"},
    ),
    "descriptors used again": (
        """import os, pathlib
    def test_a(tmp_path):
        os.closerange(3, 400)
        for n in range(40): os.open(tmp_path / str(n), os.O_RDWR | os.O_CREAT)
        assert True""",
        {"test_a": "passed"},
    ),
    "closes stdout and stderr": (
        "import os\n    def test_a():\n        os.close(1); os.close(2)\n        assert True",
        {"test_a": "passed"},
    ),
    "eats all output": (
        """import logging, os, sys
    def test_a():
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1); os.dup2(1, 2)
        sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None
        logging.disable()
        assert True""",
        {"test_a": "passed"},
    ),
    "segfault": ("import ctypes\n    def test_a(): ctypes.string_at(0)", {"test_a": "error"}),
    "leaves with success": ("import os\n    def test_a(): os._exit(0)", {"test_a": "error"}),
    "kills itself": ("import os, signal\n    def test_a(): os.kill(os.getpid(), signal.SIGKILL)", {"test_a": "error"}),
    "recursion": ("def test_a(): test_a()", {"test_a": "failed"}),
    "sys.exit": ("import sys\n    def test_a(): sys.exit(0)", {"test_a": "failed"}),
    "pytest.exit": ("import pytest\n    def test_a(): pytest.exit('enough', 0)", {"test_a": "error"}),
    "interrupt": ("def test_a(): raise KeyboardInterrupt", {"test_a": "error"}),
    "exit while collecting": ("import pytest\n    pytest.exit('no')", {}),
    "skip of the module": ("import pytest\n    pytest.skip('later', allow_module_level=True)", {}),
    "import fails": ("raise RuntimeError('no import')", {}),
    "async without a plugin": ("async def test_a(): assert True", {"test_a": "failed"}),
    "async": (
        (
            "import pytest\n    @pytest.mark.anyio\n    async def test_a(): assert True\n"
            "    @pytest.fixture\n    def anyio_backend(): return 'asyncio'"
        ),
        {"test_a": "passed"},
    ),
    "classes": (
        """import unittest
    class TestIt:
        def test_a(self): assert True
        class TestInner:
            def test_b(self): assert True
    class Case(unittest.TestCase):
        def test_c(self): self.assertEqual(1, 1)""",
        {"TestIt::test_a": "passed", "TestIt::TestInner::test_b": "passed", "Case::test_c": "passed"},
    ),
    "changes folder and environment": (
        """import os, shutil
    def test_a(tmp_path):
        os.chdir(tmp_path)
        shutil.rmtree(tmp_path)
        shutil.rmtree(os.environ["HOME"])
        os.environ.clear()
        assert True
    def test_b(): assert True""",
        {"test_a": "passed", "test_b": "passed"},
    ),
    "forks and goes on": (
        """import os
    def test_a():
        if (pid := os.fork()): os.waitpid(pid, 0)
        assert True""",
        {"test_a": "passed"},
    ),
    "a thread that never ends": (
        (
            "import threading, time\n    def test_a():\n"
            "        threading.Thread(target=time.sleep, args=(600,)).start()\n        assert True"
        ),
        {"test_a": "passed"},
    ),
    "fixtures of a session": (
        """import pytest
    @pytest.fixture(scope="session")
    def late():
        yield
        raise RuntimeError("late")
    def test_a(late): assert True""",
        {"test_a": "passed", "test_zz": "error"},
    ),
}


def outcomes(plan: CellPlan) -> dict[str, str]:
    """Return the outcome of each test's one attempt."""
    found = read_cell(plan.cell_dir).attempts
    assert all(len(tries) == 1 for tries in found.values()), found
    return {test.partition("::")[2]: tries[0].outcome.value for test, tries in found.items()}


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_suite_is_told_as_it_is(make_cell: Callable[..., CellPlan], name: str) -> None:
    """A hostile test has its true outcome, and the test after it runs unless nothing was collected."""
    source, expected = CASES[name]
    wanted = ({"test_zz": "passed"} if expected else {}) | expected
    plan = make_cell(f"\n    {source}\n{GOOD}", *(wanted or {"test_zz": ""}))
    started = time.monotonic()
    run_cell(plan, lambda _lines: None, GroupRegistry())
    assert outcomes(plan) == wanted
    assert time.monotonic() - started < plan.timeout_s  # nothing waited for the kill timer


def test_a_suite_that_prints_without_end_is_ended_by_its_timer(make_cell: Callable[..., CellPlan]) -> None:
    """A suite that prints without end is killed by its timer, and its log stays readable."""
    plan = make_cell(
        "def test_a(capfd):\n    with capfd.disabled():\n        while True: print('x' * 79)", "test_a", timeout_s=4
    )
    seen = []
    run_cell(plan, lambda lines: seen.append(len(lines)), GroupRegistry())
    assert outcomes(plan) == {"test_a": "timeout"}
    assert sum(seen) > 1000
    assert max(seen) <= 100


def test_megabytes_of_output_cost_neither_verdict_nor_disk(make_cell: Callable[..., CellPlan]) -> None:
    """Long output, messages and observations are shortened in the event log; beginning and end are kept."""
    source = """
    from nightproof.evidence import observe
    def test_a():
        for n in range(80_000): print(f"line {n} " + "x" * 70)
        observe("big", "y" * 4_000_000)
        assert True
    def test_b(): raise RuntimeError("first " + "z" * 5_000_000 + " last")
    """
    plan = make_cell(source, "test_a", "test_b")
    run_cell(plan, lambda _lines: None, GroupRegistry())
    assert outcomes(plan) == {"test_a": "passed", "test_b": "failed"}
    log = (plan.cell_dir / "events.jsonl").read_text()
    assert len(log) < 1_500_000
    assert "line 0 xx" in log
    assert "line 79999 xx" in log
    assert read_cell(plan.cell_dir).attempts["shop/test_it::test_b"][0].message.startswith("RuntimeError: first zz")


def test_a_disk_that_fills_up_ends_the_cell_with_one_sentence(make_cell: Callable[..., CellPlan]) -> None:
    """An event log that cannot be written ends the cell; its earlier lines stay readable."""
    source = """
    import resource
    def test_a(): assert True
    def test_b():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, resource.RLIM_INFINITY))
        assert True
    def test_c(): assert True
    """
    plan = make_cell(source, "test_a", "test_b", "test_c")
    groups = GroupRegistry()
    with pytest.raises(SuiteError, match=r"events\.jsonl` could not be written: free space or correct permissions"):
        run_cell(plan, lambda _lines: None, groups)
    assert "File too large. Free space or correct permissions there, then run again." in output_of(plan)
    assert outcomes(plan)["test_a"] == "passed"
    assert "test_c" not in outcomes(plan)
    assert not groups._groups


def test_an_output_that_cannot_be_kept_leaves_no_process(make_cell: Callable[..., CellPlan]) -> None:
    """An output log that cannot be written ends the cell at once with the reason."""
    plan = make_cell("\n    import time\n    def test_a(): time.sleep(60)", "test_a")
    plan.cell_dir.mkdir(parents=True)
    (plan.cell_dir / "output.log").symlink_to("/dev/full")
    groups = GroupRegistry()
    with pytest.raises(OSError, match="No space left on device"):
        run_cell(plan, lambda _lines: None, groups)
    assert not groups._groups


def test_an_event_log_that_a_suite_deletes_is_lost_loudly(make_cell: Callable[..., CellPlan]) -> None:
    """An event log that the suite deletes is not started again, and its loss is reported."""
    source = "import os\n    def test_a(): os.unlink(os.environ['NIGHTPROOF_EVENT_LOG'])" + GOOD
    plan = make_cell(f"\n    {source}", "test_a", "test_zz")
    with pytest.raises(SuiteError, match=r"events\.jsonl` could not be written"):
        run_cell(plan, lambda _lines: None, GroupRegistry())
    assert "No such file or directory" in output_of(plan)


def test_what_leaves_its_process_group_is_ended_too(make_cell: Callable[..., CellPlan]) -> None:
    """A daemon that a test starts in a session of its own is ended with the cell."""
    source = """
    import subprocess
    def test_a():
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        print("pid", child.pid)
        assert child.pid
    """
    plan = make_cell(source, "test_a", PYTEST_ADDOPTS="-s")
    run_cell(plan, lambda _lines: None, GroupRegistry())
    (pid,) = (int(line.split()[-1]) for line in output_of(plan).splitlines() if "pid " in line)
    await_true(lambda: not is_alive(pid), 5)


@pytest.mark.parametrize("options", ["-n 2", "-x", "-n auto -x --maxfail=1", "-p no:xdist"])
def test_options_of_the_suite_itself_keep_no_test_from_running(
    make_cell: Callable[..., CellPlan], options: str
) -> None:
    """pytest-xdist and `-x` in the suite's own options cost neither evidence nor verdicts."""
    plan = make_cell("\n    def test_a(): assert 1 == 2\n    def test_b(): assert True\n", "test_a", "test_b")
    (plan.suite_path / "pytest.ini").write_text(f"[pytest]\naddopts = {options}\n")
    run_cell(plan, lambda _lines: None, GroupRegistry())
    assert outcomes(plan) == {"test_a": "failed", "test_b": "passed"}


def test_odd_names_arrive_as_they_are(make_cell: Callable[..., CellPlan]) -> None:
    """Ids with slashes, colons, brackets, quotes, spaces and non-ASCII letters arrive unchanged."""
    names = ["a/b::c", "[x]", 'it\'s "so"', "ä ö", "a\\\\b", "100%", "<b>&amp;", "", "x" * 300]
    source = f"""
    import pytest
    @pytest.mark.parametrize("v", {names!r})
    def test_a(v): assert True
    @pytest.mark.parametrize("v", [1, 2], ids=["same", "same"])
    def test_b(v): assert True
    """
    plan = make_cell(source, "test_a")
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", str(plan.suite_path)],
        capture_output=True, text=True, check=True, cwd=plan.suite_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")},
    )  # fmt: skip
    ids = ["shop/test_it::" + line.partition("::")[2] for line in found.stdout.splitlines() if "::" in line]
    assert len(ids) == len(names) + 2
    object.__setattr__(plan, "test_ids", tuple(ids))
    run_cell(plan, lambda _lines: None, GroupRegistry())
    assert set(read_cell(plan.cell_dir).attempts) == set(ids)


def output_of(plan: CellPlan) -> str:
    """Return what the cell printed."""
    return (plan.cell_dir / "output.log").read_text()
