"""What the supervisor finds and does through the API, tested against the server that it runs on."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_AUTH_STRING
from prefect.settings import PREFECT_API_URL
from prefect.settings import temporary_settings

from deployments import automations
from deployments import runs
from deployments import supervisor
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tests.deployments.conftest import Up

pytestmark = [
    pytest.mark.timeout(240),  # the supervisor's start on a busy machine
    pytest.mark.xdist_group("up"),  # one supervisor for all of them, in their order
    pytest.mark.skipif(sys.platform != "linux", reason="the supervisor's fixture looks into /proc"),
]


@pytest.fixture(autouse=True)
def server(up: Up) -> Iterator[None]:
    """Point the Prefect client of this process at the supervisor's server."""
    with temporary_settings({PREFECT_API_URL: f"{up.url}/api", PREFECT_API_AUTH_STRING: ":".join(up.login)}):
        yield


def make(up: Up, kind: str, name: str, due: datetime | None = None) -> str:
    """Create a flow run in a state, as a process started by hand would leave it; return its id."""
    flow = up.api("POST", "/flows/", name="left")["id"]
    details = {"scheduled_time": due.isoformat()} if due else {}
    state = {"type": kind, "name": kind.capitalize(), "state_details": details}
    return str(up.api("POST", "/flow_runs/", flow_id=flow, name=name, state=state)["id"])


def make_ours(up: Up, kind: str, name: str, pid: int = 0) -> str:
    """Create a flow run of the worker's pool in a state; return its id."""
    path = f"/deployments/{up.deployment('nightly/manual')['id']}/create_flow_run"
    run = str(up.api("POST", path, name=name, state={"type": kind, "name": kind.capitalize()})["id"])
    if pid:
        up.api("PATCH", f"/flow_runs/{run}", infrastructure_pid=str(pid))
    return run


def delete(up: Up, *made: str) -> None:
    """Delete runs, so that no other test finds them."""
    for run in made:
        up.api("DELETE", f"/flow_runs/{run}")


def test_a_second_start_doubles_nothing(up: Up) -> None:
    """Automations and pool are updated by name, never doubled; the alert block of former versions is deleted."""
    supervisor._make_pool()
    CustomWebhookNotificationBlock(name="x", url="http://127.0.0.1:9/hook", json_data={}).save("nightproof-alert")
    ours = ("nightproof zombie", "nightproof stuck pending")
    assert automations.upsert_all() == ours
    assert automations.upsert_all() == ours
    assert sorted(found["name"] for found in up.api("POST", "/automations/filter")) == sorted(ours)
    assert up.api("POST", "/block_documents/filter") == []
    assert [pool["name"] for pool in up.api("POST", "/work_pools/filter")] == ["nightproof"]


def test_what_a_dead_worker_left_is_crashed(up: Up) -> None:
    """A run of a dead worker is crashed once its process is gone; runs started by hand are left alone."""
    dead, orphan = make_ours(up, "RUNNING", "dead-one"), make_ours(up, "RUNNING", "orphan-one", os.getpid())
    other = make(up, "RUNNING", "by-hand")
    assert runs.crash_stale() == {UUID(orphan)}
    assert up.end(dead, 5)["state"]["message"] == "Its worker is gone."
    assert runs.crash_stale(frozenset()) == frozenset()  # runs of a new worker are left alone
    up.api("PATCH", f"/flow_runs/{orphan}", infrastructure_pid=str(free_pid()))
    assert runs.crash_stale(frozenset({UUID(orphan)})) == frozenset()
    assert up.end(orphan, 5)["state_type"] == "CRASHED"
    assert up.api("GET", f"/flow_runs/{other}")["state_type"] == "RUNNING"
    await_value(lambda: [text for text in up.messenger.got if "`dead-one` Crashed: Its worker is gone." in text], 30)
    delete(up, dead, orphan, other)


def free_pid() -> int:
    """Return the id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    return process.pid


def test_a_run_that_does_not_end_is_named(up: Up) -> None:
    """A pending run is cancelled at once; a running one that does not end is named. Runs started by hand go on."""
    assert runs.cancel_active(0.1) == ()
    pending, running = make_ours(up, "PENDING", "pending-one"), make_ours(up, "RUNNING", "deaf-one")
    other = make(up, "RUNNING", "by-hand")
    assert runs.cancel_active(0.1) == ("deaf-one",)
    assert up.end(pending, 5)["state_type"] == "CANCELLED"
    assert [run.id for run in runs.find(StateType.CANCELLING)] == [UUID(running)]
    assert up.api("GET", f"/flow_runs/{other}")["state_type"] == "RUNNING"
    delete(up, pending, running, other)


def test_all_pages_are_read(up: Up, monkeypatch: pytest.MonkeyPatch) -> None:
    """More runs than fit on one page of the API are found, each once."""
    monkeypatch.setattr(runs, "PAGE", 2)
    made = {make(up, "PENDING", f"many-{number}") for number in range(5)}
    found = [str(run.id) for run in runs.find(StateType.PENDING)]
    assert made <= set(found)
    assert len(found) == len(set(found))
    delete(up, *made)
