"""A night that a signal ends: its exit code, its report, and its output after the signal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from prefect.settings import PREFECT_API_URL

from deployments.state import SupervisorNote
from deployments.state import place
from deployments.state import write_note
from nightproof.report.files import read_report
from nightproof.waiting import await_value
from tests.nightproof.evidence.wire import serve
from tests.nightproof.foreign import Foreign

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.nightproof.evidence.wire import Server

pytestmark = [
    pytest.mark.xdist_group("harness"),  # one server for all of them
    pytest.mark.timeout(240),  # its start on a busy machine
]
HANGING = """
import os, requests
URL = os.environ["NIGHTPROOF_URL_SHOP"]
def test_front(): assert requests.get(URL).status_code == 200
def test_hang(): assert requests.get(URL + "/hang").status_code == 200
"""


@pytest.fixture
def shop() -> Iterator[Server]:
    """Serve an application with one path that never answers."""
    with serve() as started:
        yield started


@pytest.fixture
def foreign(tmp_path: Path, shop: Server, prefect: None) -> Iterator[Foreign]:
    """Write a suite that hangs; its nights use the session's Prefect server as they would a supervisor's."""
    del prefect
    made = Foreign(tmp_path, shop.url)
    made.write(HANGING, "test_front", "test_hang")
    with place(made.state):
        write_note(made.state, SupervisorNote(os.getpid(), str(PREFECT_API_URL.value()).removesuffix("/api")))
        yield made


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_night_with_a_report(
    foreign: Foreign, shop: Server, number: signal.Signals, exit_code: int
) -> None:
    """After a signal no progress of suites is printed; report and exit code name the signal."""
    command = [sys.executable, "-m", "deployments.cli", "run", "--profile", str(foreign.profile_path)]
    night = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        await_value(lambda: "/hang" in shop.paths, 90)
        night.send_signal(number)
        out, told = night.communicate(timeout=45)
    finally:
        night.kill()
        night.wait()

    report = read_report(foreign.state / "runs" / "latest" / "report.json")
    assert (night.returncode, report.exit_code, report.interrupted) == (exit_code, exit_code, number.name)
    assert report.colour is None
    assert out.startswith("INTERRUPTED")
    after = told.splitlines()[told.splitlines().index(f"interrupted: {number.name}") :]
    assert [line for line in after if line.startswith("suites")] == []
    assert "Traceback" not in told
    outcomes = {test.id: [attempt.outcome.value for attempt in test.attempts] for test in report.tests}
    assert outcomes == {"shop/test_it::test_front": ["passed"], "shop/test_it::test_hang": ["error"]}
