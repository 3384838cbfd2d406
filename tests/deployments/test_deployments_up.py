"""`nightproof up` as users run it: one process, real server, real worker, real nights over another team's suite."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING
from typing import Any

import pytest

from deployments.stopping import stop_supervisor
from nightproof.report.files import read_report
from nightproof.waiting import await_value
from tests.deployments.conftest import processes

if TYPE_CHECKING:
    from nightproof.records import RunReport
    from tests.deployments.conftest import Up

pytestmark = [
    pytest.mark.timeout(240),  # the supervisor's start on a busy machine
    pytest.mark.xdist_group("up"),  # one supervisor for all of them, in their order
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc"),
]
LAUNCHER = "nightproof.evidence.launcher"
HEARTBEAT_S = 30


def report_of(up: Up, run: str) -> RunReport:
    """Return the report of a flow run, whose name is the run id."""
    name = up.api("GET", f"/flow_runs/{run}")["name"]
    return read_report(up.foreign.state / "runs" / name / "report.json")


def test_the_server_carries_our_automations(up: Up) -> None:
    """The server has exactly two automations, for zombies and for runs stuck in pending."""
    names = sorted(found["name"] for found in up.api("POST", "/automations/filter"))
    assert names == ["nightproof stuck pending", "nightproof zombie"]


def test_the_form_offers_the_profile_that_it_was_started_with(up: Up) -> None:
    """An uncommitted profile is the form's default and only choice, with its own suites and backends."""
    schema = up.deployment("nightly/manual")["parameter_openapi_schema"]
    own = str(up.foreign.profile_path)
    assert schema["properties"]["environment"]["default"] == own
    choices = {name: schema["definitions"][name]["enum"] for name in ("Environment", "Suite", "Backend")}
    assert choices == {"Environment": [own], "Suite": ["shop"], "Backend": ["default"]}


def test_a_run_of_the_form_is_green(up: Up) -> None:
    """A run from the form ends green and has summary, matrix, link and progress as artifacts."""
    run = up.start()
    ended = up.end(run)
    assert ended["state"]["message"].startswith("GREEN")
    assert ended["state_type"] == "COMPLETED"
    assert report_of(up, run).totals.passed == 3
    found = up.api("POST", "/artifacts/filter", artifacts={"flow_run_id": {"any_": [run]}})
    assert {artifact["key"] for artifact in found} >= {
        "nightly-report",
        "nightly-matrix",
        "nightly-link",
        "cell-shop-default",
    }


def test_a_cancel_ends_suite_and_run(up: Up) -> None:
    """A cancel from the UI ends every process of the suite, and the report says that it was cancelled."""
    run = up.hanging()
    assert processes(up.foreign.folder, LAUNCHER)
    up.api("POST", f"/flow_runs/{run}/set_state", state={"type": "CANCELLING", "name": "Cancelling"})
    assert up.end(run)["state_type"] == "CANCELLED"
    assert processes(up.foreign.folder, LAUNCHER) == []
    assert report_of(up, run).interrupted == "cancelled"


def test_a_death_is_seen_and_told(up: Up) -> None:
    """After worker and flow are killed, the run crashes, alerts are sent, the suite ends and a new worker starts."""
    run = up.hanging()
    name: Any = up.api("GET", f"/flow_runs/{run}")["name"]
    folder = up.foreign.folder
    worker = processes(folder, "prefect worker start")
    flow = [pid for pid in processes(folder, "prefect") if pid not in worker and _is_flow(pid)]
    assert flow
    for pid in (*worker, *flow):
        os.kill(pid, signal.SIGKILL)
    await_value(lambda: not processes(folder, LAUNCHER), 10)
    assert up.end(run, 4 * HEARTBEAT_S)["state_type"] == "CRASHED"
    await_value(lambda: [text for text in up.messenger.got if name in text and " Crashed: " in text], 30)
    await_value(lambda: [text for text in up.messenger.got if "The worker ended by itself" in text], 10)
    await_value(lambda: processes(folder, "prefect worker start"), 30)


def test_nights_are_really_scheduled(up: Up) -> None:
    """A scheduled run appears; with SQLAlchemy 2.1 none ever did, although everything looked healthy."""
    nightly = up.deployment("nightly/nightly")
    schedule = nightly["schedules"][0]["schedule"]
    assert (schedule["cron"], schedule["timezone"]) == ("30 3 * * *", "Europe/Berlin")
    wanted = {
        "deployments": {"id": {"any_": [nightly["id"]]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
    }
    assert await_value(lambda: up.api("POST", "/flow_runs/filter", **wanted), 75, 0.5)


def test_down_leaves_no_process(up: Up) -> None:
    """`down` cancels an active run, lets it write its report, and leaves no process."""
    run = up.hanging()
    name = up.api("GET", f"/flow_runs/{run}")["name"]
    assert stop_supervisor(up.foreign.state, 200) == "Stopped."
    assert up.process.wait(5) == 0
    assert processes(up.foreign.folder) == []
    assert read_report(up.foreign.state / "runs" / name / "report.json").interrupted == "cancelled"
    assert stop_supervisor(up.foreign.state) == "No supervisor is running."


def _is_flow(pid: int) -> bool:
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:  # noqa: PTH123 - /proc
        return "engine" in file.read()
