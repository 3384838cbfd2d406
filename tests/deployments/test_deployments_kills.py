"""Kills in the middle of a night: what dies, what is left, and what the report says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nightproof.report.files import read_report
from nightproof.waiting import await_value
from tests.deployments.conftest import HANGING
from tests.deployments.conftest import LOOPBACK
from tests.deployments.conftest import NAMES
from tests.deployments.conftest import be_patient
from tests.deployments.conftest import listening
from tests.deployments.conftest import processes
from tests.nightproof.evidence.wire import serve
from tests.nightproof.foreign import Foreign

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nightproof.records import RunReport
    from tests.nightproof.evidence.wire import Server

pytestmark = [
    pytest.mark.timeout(240),  # a new database's migrations take a while on a busy machine
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc"),
]
RUN = [sys.executable, "-m", "deployments.cli", "run", "--no-notify", "--profile"]
GONE_S = 30


@pytest.fixture
def shop() -> Iterator[Server]:
    """Serve the application of the other team."""
    with serve() as server:
        yield server


@pytest.fixture
def night(tmp_path: Path, shop: Server) -> Iterator[tuple[Foreign, subprocess.Popen[str]]]:
    """Start a night and wait until one of its three tests hangs; yield its suite and its process."""
    foreign = Foreign(tmp_path, shop.url)
    foreign.write(HANGING, *NAMES)
    be_patient(foreign)
    with (tmp_path / "out").open("w") as out:
        run = subprocess.Popen([*RUN, str(foreign.profile_path)], stdout=out, stderr=out, text=True)
    try:
        await_value(lambda: "/hang" in shop.paths or run.poll() is not None, 200)
        assert run.poll() is None, (tmp_path / "out").read_text()
        yield foreign, run
    finally:
        run.kill()
        run.wait()


def report_of(foreign: Foreign) -> RunReport:
    """Return the report of the only night."""
    return read_report(foreign.state / "runs" / "latest" / "report.json")


def verdicts(report: RunReport) -> dict[str, str]:
    """Return each test's verdict by the name of the test."""
    return {re.split("::", test.id)[-1]: str(test.verdict) for test in report.tests}


def test_a_dead_server_does_not_take_the_verdicts_along(night: tuple[Foreign, subprocess.Popen[str]]) -> None:
    """After the Prefect server dies, the report keeps the verdicts in the logs, is red and names the cause."""
    foreign, run = night
    (server,) = processes(foreign.folder, "uvicorn")
    os.kill(server, signal.SIGKILL)
    assert run.wait(GONE_S) == 1
    report = report_of(foreign)
    assert report.colour == "RED"
    assert "The Prefect server of this run ended by itself." in (report.cause or "")
    assert verdicts(report) | {"test_pay": ""} == {"test_front": "passed", "test_basket": "passed", "test_pay": ""}
    assert processes(foreign.folder) == []


def test_of_runs_that_start_together_one_runs(tmp_path: Path, shop: Server) -> None:
    """Of three simultaneous runs one succeeds; the others exit 3 and name the process that holds the environment."""
    foreign = Foreign(tmp_path, shop.url)
    foreign.write()
    command = [*RUN, str(foreign.profile_path)]
    rivals = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ends = {rival.pid: (*rival.communicate(timeout=200), rival.returncode) for rival in rivals}
    assert sorted(code for _, _, code in ends.values()) == [0, 3, 3]
    (winner,) = (pid for pid, (_, _, code) in ends.items() if code == 0)
    refused = [told for _, told, code in ends.values() if code == 3]
    assert [f"(process {winner}): wait for its end" in told for told in refused] == [True, True], refused


def test_a_dead_storage_ends_the_waiting_for_it(tmp_path: Path, shop: Server) -> None:
    """When the storage dies, the waiting test ends as an error, the cause names `aws`, and no process is left."""
    foreign = Foreign(tmp_path, shop.url)
    foreign.write(HANGING, *NAMES)
    be_patient(foreign)
    path = foreign.profile_path
    path.write_text(path.read_text().replace('target = "live"', 'target = "embedded"'))
    with (tmp_path / "out").open("w") as out:
        run = subprocess.Popen([*RUN, str(path)], stdout=out, stderr=out, text=True)
    try:
        await_value(lambda: "/hang" in shop.paths or run.poll() is not None, 200)
        assert listening(processes(foreign.folder)) == {LOOPBACK}  # server, testbed and cells
        (storage,) = processes(foreign.folder, "testbed.aws")
        os.kill(storage, signal.SIGKILL)
        assert run.wait(GONE_S) == 1, (tmp_path / "out").read_text()
    finally:
        run.kill()
        run.wait()
    report = report_of(foreign)
    assert "aws" in (report.cause or "")
    assert verdicts(report)["test_pay"] == "error"
    assert processes(foreign.folder) == []
