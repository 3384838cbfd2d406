"""The nightly flow over another team's suite, in this process and against a real Prefect server."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof.errors import UsageError
from nightproof.locking import environment_lock
from nightproof.records import Colour
from nightproof.report.files import read_report
from nightproof.verdict import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import State

    from nightproof.records import Attempt
    from nightproof.records import RunReport
    from tests.nightproof.foreign import Foreign

pytestmark = [
    pytest.mark.xdist_group("harness"),  # one server for all of them
    pytest.mark.timeout(240),  # its start on a busy machine
]
SERIAL = """
import os, time, pytest, requests
from nightproof.evidence import case

def ask(seconds):
    time.sleep(seconds)  # a slow test, for others to run beside
    assert requests.get(os.environ["NIGHTPROOF_URL_SHOP"]).status_code == 200

@case(serial=True)
def test_alone(): ask(0.3)

def test_front(backend): ask(2 if backend == "slow" else 0)
"""
MEETING = """
import os, pathlib, time, requests
def test_{me}():
    place = pathlib.Path(os.environ["NIGHTPROOF_LEDGER"]).parent.parent
    (place / "{me}").touch()
    ends = time.monotonic() + 60
    while not (place / "{other}").exists() and time.monotonic() < ends:
        time.sleep(0.05)
    assert (place / "{other}").exists()
    assert requests.get(os.environ["NIGHTPROOF_URL_SHOP"]).status_code == 200
"""
CONFTEST = """
import pytest

@pytest.fixture
def backend(request): return request.config.getoption("backend")
"""
HOLLOW = """
def test_front(): assert 1 + 1 == 2
"""


def latest(foreign: Foreign) -> RunReport:
    """Return the report of the last night."""
    return read_report(foreign.state / "runs" / "latest" / "report.json")


def test_an_honest_suite_is_green(run: Callable[..., State[Any]], foreign: Foreign, client: SyncPrefectClient) -> None:
    """A green night's final state has the colour; summary, matrix, link and progress are artifacts."""
    state = run()

    report = latest(foreign)
    assert state.is_completed()
    assert state.message is not None
    assert state.message.startswith("GREEN")
    assert (report.colour, report.exit_code, report.totals.passed) == (Colour.GREEN, 0, 1)
    found = {artifact.key: artifact for artifact in client.read_artifacts()}
    assert report.run_id in (found["nightly-report"].description or "")
    assert found["nightly-report"].data == (foreign.state / "runs" / report.run_id / "report.md").read_text().rstrip()
    assert '"passed": 1' in str(found["nightly-matrix"].data)
    assert f"{report.run_id}/report.html" in str(found["nightly-link"].data)
    assert found["cell-shop-default"].data == 100.0


def test_serial_tests_run_alone_after_all_others(run: Callable[..., State[Any]], foreign: Foreign) -> None:
    """Serial tests run after the tests of all cells, and one cell's after the other's."""
    foreign.write(SERIAL, backends=("slow", "quick"))
    catalogue.write_lock(foreign.suite, catalogue.collect(foreign.suite))

    run()

    report = latest(foreign)
    assert (report.colour, report.totals.passed) == (Colour.GREEN, 4)
    tests = {(test.id.rpartition("::")[2], test.backend): test.attempts[0] for test in report.tests}
    fronts = [tests["test_front", backend] for backend in ("slow", "quick")]
    first, second = sorted((tests["test_alone", backend] for backend in ("slow", "quick")), key=lambda a: a.started)
    assert first.started >= max(ended(front) for front in fronts)
    assert second.started >= ended(first)


def test_workers_of_a_cell_run_at_the_same_time(run: Callable[..., State[Any]], foreign: Foreign) -> None:
    """Two workers run their tests at the same time, and the report has one cell with both."""
    foreign.write(MEETING.format(me="front", other="back"))
    (foreign.suite / "test_other.py").write_text(MEETING.format(me="back", other="front"))
    (foreign.suite / "suite.toml").write_text('name = "shop"\ntest_timeout_s = 90\nworkers = 2\n')
    catalogue.write_lock(foreign.suite, catalogue.collect(foreign.suite))

    run()

    report = latest(foreign)
    assert (report.colour, report.totals.passed) == (Colour.GREEN, 2)
    assert [cell.suite for cell in report.cells] == ["shop"]


def ended(attempt: Attempt) -> datetime:
    """Return the end of an attempt."""
    return attempt.started + timedelta(seconds=attempt.duration_s)


def test_a_hollow_suite_is_red(run: Callable[..., State[Any]], foreign: Foreign) -> None:
    """A test that passes without any traffic fails the run, and the state has the cause."""
    foreign.write(HOLLOW)

    state = run()

    report = latest(foreign)
    assert state.is_failed()
    assert state.message == report.cause
    assert (report.colour, report.totals.hollow) == (Colour.RED, 1)


def test_a_missing_system_blocks_the_night(run: Callable[..., State[Any]], foreign: Foreign) -> None:
    """A failed required check makes the night BLOCKED; its tests are blocked and not failed."""
    foreign.write(more='checks = [{kind = "http", url = "http://127.0.0.1:9/"}]')

    state = run()

    report = latest(foreign)
    assert state.is_failed()
    assert state.message is not None
    assert state.message.startswith("BLOCKED")
    assert (report.colour, report.totals.blocked) == (Colour.BLOCKED, 1)


def test_a_second_night_leaves_nothing(run: Callable[..., State[Any]], foreign: Foreign) -> None:
    """A locked environment fails the run with a usage error before a run directory exists."""
    with environment_lock(foreign.state, "somebody"):
        state = run()

    with pytest.raises(UsageError, match="locked by run `somebody`"):
        state.result()
    assert not (foreign.state / "runs").exists()
