"""Cells in trouble: hung, crashed, failing and skipped tests, lost logs and a killed harness."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nightproof.errors import SuiteError
from nightproof.records import Outcome
from nightproof.runner.cell import GroupRegistry
from nightproof.runner.cell import run_cell
from nightproof.runner.cell import second_pass
from nightproof.runner.events import read_cell
from tests.nightproof.evidence.wire import await_true
from tests.nightproof.evidence.wire import is_alive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nightproof.runner.cell import CellPlan

HANG = """
    import signal, time
    def test_a(): assert True
    def test_hang():
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM, signal.SIGTERM])
        time.sleep(60)
    def test_z(): assert True
"""
CRASH = """
    import os
    def test_a(): assert True
    def test_crash(): os._exit(3)
    def test_z(): assert True
"""
MIXED = """
    import os, pytest, time
    @pytest.fixture
    def broken(): raise RuntimeError("no set-up")
    @pytest.fixture
    def dirty():
        yield
        raise RuntimeError("no tear-down")
    def test_fails(): assert 1 == 2
    def test_setup(broken): pass
    def test_teardown(dirty): pass
    def test_skip(): pytest.skip("not today")
    @pytest.mark.xfail(reason="known")
    def test_xfail(): assert False
    @pytest.mark.xfail(reason="known")
    def test_xpass(): assert True
    @pytest.mark.timeout(0.3)
    def test_slow(): time.sleep(30)
    def test_flaky(): assert os.environ["NIGHTPROOF_PASS"] == "2"
"""


def _quiet(_lines: list[str]) -> None:
    """Ignore the output."""


def _outcomes(plan: CellPlan) -> dict[str, list[str]]:
    found = read_cell(plan.cell_dir).attempts
    return {test.partition("::")[2]: [attempt.outcome.value for attempt in tries] for test, tries in found.items()}


def test_hung_test_is_killed_and_the_others_still_run(make_cell: Callable[..., CellPlan]) -> None:
    """The kill timer charges the running test, and a new process runs the rest without repeating any."""
    plan = make_cell(HANG, "test_a", "test_hang", "test_z", timeout_s=5)
    run_cell(plan, _quiet, GroupRegistry())
    assert _outcomes(plan) == {"test_a": ["passed"], "test_hang": ["timeout"], "test_z": ["passed"]}
    assert read_cell(plan.cell_dir).exit == 0


def test_crash_leaves_error_and_the_others_still_run(make_cell: Callable[..., CellPlan]) -> None:
    """A process that dies during a test leaves `error` with the exit code for that test; the others run."""
    plan = make_cell(CRASH, "test_a", "test_crash", "test_z")
    run_cell(plan, _quiet, GroupRegistry())
    assert _outcomes(plan) == {"test_a": ["passed"], "test_crash": ["error"], "test_z": ["passed"]}
    assert "exit code 3" in read_cell(plan.cell_dir).attempts["shop/test_it::test_crash"][0].message


def test_every_bad_end_has_its_outcome_and_runs_once_more(make_cell: Callable[..., CellPlan]) -> None:
    """Set-up, tear-down, skip, xfail, xpass and timeout have their outcomes, and the second pass adds attempts."""
    names = ["fails", "setup", "teardown", "skip", "xfail", "xpass", "slow", "flaky"]
    plan = make_cell(MIXED, *(f"test_{name}" for name in names))
    groups = GroupRegistry()
    run_cell(plan, _quiet, groups)
    again = replace(plan, test_ids=("shop/test_it::test_flaky", "shop/test_it::test_fails"))
    second_pass(again, _quiet, groups)
    found = _outcomes(plan)
    assert found["test_flaky"] == ["failed", "passed"]
    assert found["test_fails"] == ["failed", "failed"]
    assert found["test_setup"] == found["test_teardown"] == ["error"]
    assert found["test_skip"] == found["test_xfail"] == found["test_xpass"] == ["failed"]
    assert found["test_slow"] == ["timeout"]
    events = read_cell(plan.cell_dir)
    assert events.exit == 1
    assert events.skips["shop/test_it::test_skip"] == "skip: Skipped: not today"
    assert "assert 1 == 2" in events.attempts["shop/test_it::test_fails"][0].message


def test_a_cell_may_run_in_parts(make_cell: Callable[..., CellPlan]) -> None:
    """Each part of a cell has its own processes in one log, and runs no test of the other."""
    plan = make_cell("def test_a(): pass\ndef test_b(): assert False\ndef test_c(): pass", "test_a", "test_b", "test_c")
    for tests in (("shop/test_it::test_a",), ("shop/test_it::test_b", "shop/test_it::test_c")):
        run_cell(replace(plan, test_ids=tests), _quiet, GroupRegistry())
    assert _outcomes(plan) == {"test_a": ["passed"], "test_b": ["failed"], "test_c": ["passed"]}
    log = [json.loads(line) for line in (plan.cell_dir / "events.jsonl").read_text().splitlines()]
    assert [line["process"] for line in log if line["$report_type"] == "CellStart"] == [1, 2]


def test_unsupported_tests_are_not_executed_and_say_why(make_cell: Callable[..., CellPlan]) -> None:
    """An unsupported test leaves an event with its reason, no attempt and no skip; serial tests run last."""
    source = """
        from nightproof.evidence import case
        @case(needs=("chaos",))
        def test_need(): assert False
        @case(unsupported={"default": "local-session"})
        def test_design(): assert False
        @case(serial=True)
        def test_serial(): assert True
        def test_plain(): assert True
    """
    plan = make_cell(source, "test_need", "test_design", "test_serial", "test_plain")
    run_cell(plan, _quiet, GroupRegistry())
    events = read_cell(plan.cell_dir)
    assert events.unsupported == {
        "shop/test_it::test_need": "needs chaos",
        "shop/test_it::test_design": "local-session",
    }
    assert list(events.attempts) == ["shop/test_it::test_plain", "shop/test_it::test_serial"]
    assert events.skips == {}


def test_broken_module_does_not_hide_the_others(make_cell: Callable[..., CellPlan]) -> None:
    """The tests of a module that cannot be imported are not run; the other module runs."""
    plan = make_cell("def test_a(): assert True", "test_a")
    (plan.suite_path / "test_broken.py").write_text("import nowhere\n")
    run_cell(plan, _quiet, GroupRegistry())
    assert _outcomes(plan) == {"test_a": ["passed"]}
    assert read_cell(plan.cell_dir).exit == 1


def test_lost_event_log_ends_the_cell_with_one_sentence(make_cell: Callable[..., CellPlan]) -> None:
    """An event log on a full disk ends the cell with exit code 74, the file and the remedy."""
    plan = make_cell("def test_a(): assert True", "test_a")
    plan.cell_dir.mkdir(parents=True)
    (plan.cell_dir / "events.jsonl").symlink_to("/dev/full")
    with pytest.raises(SuiteError, match=r"events\.jsonl` could not be written.*free space"):
        run_cell(plan, _quiet, GroupRegistry())
    assert "No space left on device. Free space" in (plan.cell_dir / "output.log").read_text()


def test_output_is_redacted_and_streamed(make_cell: Callable[..., CellPlan]) -> None:
    """Log and reader get every line with the secret masked."""
    plan = make_cell("def test_a(): print('hush-hush'); assert False", "test_a")
    seen: list[str] = []
    object.__setattr__(plan, "redact", lambda text: text.replace("hush-hush", "[redacted]"))
    run_cell(plan, seen.extend, GroupRegistry())
    log = (plan.cell_dir / "output.log").read_text()
    assert log.splitlines() == seen
    assert "[redacted]" in log
    assert "hush-hush" not in log


def test_stop_all_ends_a_cell_and_refuses_new_ones(make_cell: Callable[..., CellPlan]) -> None:
    """`stop_all` ends the group, charges the running test, and refuses new cells."""
    plan = make_cell(HANG, "test_hang", "test_z")
    groups = GroupRegistry()
    thread = threading.Thread(target=run_cell, args=(plan, _quiet, groups))
    thread.start()
    log = plan.cell_dir / "events.jsonl"
    await_true(lambda: log.exists() and "TestStart" in log.read_text())
    groups.stop_all(0.2)
    thread.join(10)
    assert not thread.is_alive()
    assert _outcomes(plan) == {"test_hang": ["error"]}


def test_killed_harness_takes_the_whole_group_along(make_cell: Callable[..., CellPlan], tmp_path: Path) -> None:
    """SIGKILL of the harness ends the cell and the test's children within seconds."""
    source = """
        import os, pathlib, subprocess, time
        def test_hang():
            child = subprocess.Popen(["sleep", "60"])
            pathlib.Path(os.environ["HOME"], "pids").write_text(f"{os.getpid()} {child.pid}")
            time.sleep(60)
    """
    plan = make_cell(source, "test_hang")
    given = {name: str(getattr(plan, name)) for name in ("suite_path", "cell_dir")}
    code = (
        "import json, pathlib, sys\n"
        "from nightproof.runner.cell import CellPlan, GroupRegistry, run_cell\n"
        "g = json.loads(sys.argv[1])\n"
        "plan = CellPlan(pathlib.Path(g['suite_path']), 'shop', 'default', pathlib.Path(g['cell_dir']), {}, 60,"
        " ('shop/test_it::test_hang',))\n"
        "run_cell(plan, lambda lines: None, GroupRegistry())\n"
    )
    harness = subprocess.Popen([sys.executable, "-c", code, json.dumps(given)], cwd=tmp_path)
    pids = plan.cell_dir / "home" / "pids"
    await_true(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    os.kill(harness.pid, signal.SIGKILL)
    harness.wait()
    cell, child = (int(pid) for pid in pids.read_text().split())
    await_true(lambda: not is_alive(cell) and not is_alive(child), 5)
    (attempt,) = read_cell(plan.cell_dir).attempts["shop/test_it::test_hang"]
    assert attempt.outcome is Outcome.ERROR
    assert "harness died" in attempt.message


def test_reader_that_raises_leaves_no_process(make_cell: Callable[..., CellPlan]) -> None:
    """If the caller's callback raises, the cell's process group is ended first."""
    plan = make_cell("import time\ndef test_a(): time.sleep(60)", "test_a")

    def refuse(_lines: list[str]) -> None:
        raise RuntimeError("the flow is gone")

    groups = GroupRegistry()
    with pytest.raises(RuntimeError, match="the flow is gone"):
        run_cell(plan, refuse, groups)
    assert not groups._groups


def test_dead_call_log_is_no_agreement(make_cell: Callable[..., CellPlan]) -> None:
    """An unreachable call log counts as zero requests; without one there is no server count."""
    source = """
        import os, requests
        def test_a(): assert requests.get(os.environ["NIGHTPROOF_URL_SHOP"]).ok
    """
    plan = make_cell(source, "test_a")
    spoilt = plan.env["NIGHTPROOF_CONTROL_URLS"].replace("http:", "https:")  # the server speaks no TLS
    plan = replace(plan, env={**plan.env, "NIGHTPROOF_CONTROL_URLS": spoilt})
    run_cell(plan, _quiet, GroupRegistry())
    live = replace(plan, cell_dir=plan.cell_dir.with_name("live"), env={**plan.env, "NIGHTPROOF_CONTROL_URLS": ""})
    run_cell(live, _quiet, GroupRegistry())
    found = [read_cell(each.cell_dir).attempts["shop/test_it::test_a"][0] for each in (plan, live)]
    assert [(attempt.exchanges.http, attempt.server_exchanges) for attempt in found] == [(1, 0), (1, None)]


def test_suite_with_warnings_as_errors_still_runs(make_cell: Callable[..., CellPlan]) -> None:
    """The harness adds no warning to a suite with warnings as errors."""
    plan = make_cell("def test_a(): assert True", "test_a")
    (plan.suite_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    run_cell(plan, _quiet, GroupRegistry())
    assert _outcomes(plan) == {"test_a": ["passed"]}
    assert "warnings summary" not in (plan.cell_dir / "output.log").read_text()
