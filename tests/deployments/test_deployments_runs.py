"""What the supervisor sees and does through the API, asked of the server that it runs on."""

from __future__ import annotations

import sys
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from prefect.client.schemas.objects import StateType
from prefect.settings import PREFECT_API_URL
from prefect.settings import temporary_settings

from deployments import automations
from deployments import runs
from deployments import supervisor
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.deployments.conftest import Up

pytestmark = [
    pytest.mark.timeout(240),  # the supervisor's start on a busy machine
    pytest.mark.xdist_group("up"),  # one supervisor for all of them, in their order
    pytest.mark.skipif(sys.platform != "linux", reason="the supervisor's fixture looks into /proc"),
]


@pytest.fixture(autouse=True)
def server(up: Up) -> Iterator[None]:
    """Point the Prefect client of this process at the supervisor's server."""
    with temporary_settings({PREFECT_API_URL: f"{up.url}/api"}):
        yield


def make(up: Up, kind: str, name: str, due: datetime | None = None) -> str:
    """Make a flow run in a state, as a process that is gone would have left it; give its id."""
    flow = up.api("POST", "/flows/", name="left")["id"]
    details = {"scheduled_time": due.isoformat()} if due else {}
    state = {"type": kind, "name": kind.capitalize(), "state_details": details}
    return str(up.api("POST", "/flow_runs/", flow_id=flow, name=name, state=state)["id"])


def delete(up: Up, *made: str) -> None:
    """Delete runs, so that nobody else meets them."""
    for run in made:
        up.api("DELETE", f"/flow_runs/{run}")


def test_a_second_start_doubles_nothing(up: Up) -> None:
    """Automations and pool are found by their names and renewed; without a webhook there is none to alert."""
    supervisor._make_pool()
    hook = f"{up.messenger.url}/hook"
    assert automations.upsert_all(hook) == ("nightproof zombie", "nightproof stuck pending", "nightproof bad end")
    assert automations.upsert_all("") == ("nightproof zombie", "nightproof stuck pending")
    assert len(up.api("POST", "/automations/filter")) == 3
    assert [pool["name"] for pool in up.api("POST", "/work_pools/filter")] == ["nightproof"]


def test_what_is_late_or_stuck_is_told(up: Up) -> None:
    """Each trouble has a key that lasts, and a sentence; the supervisor sends it. A run in time is no trouble."""
    now = datetime.now(UTC)
    late = make(up, "SCHEDULED", "late-one", now - timedelta(minutes=20))
    early = make(up, "SCHEDULED", "early-one", now + timedelta(minutes=20))
    running = make(up, "RUNNING", "slow-one")
    told = dict(runs.troubles(0.000_001))
    assert f"The run `late-one` was due at {now - timedelta(minutes=20):%Y-%m-%d %H:%M} UTC" in told[f"late-{late}"]
    assert told[f"stuck-{running}"].startswith("The run `slow-one` is running since ")
    assert not [sentence for sentence in told.values() if "early-one" in sentence]
    assert f"stuck-{running}" not in dict(runs.troubles(None))
    await_value(lambda: [text for text in up.messenger.got if "`late-one` was due at" in text], 30)
    delete(up, late, early, running)


def test_what_a_dead_worker_left_is_crashed(up: Up) -> None:
    """A run that claims to be active although no worker is, ends; people are told by the server's automation."""
    left = make(up, "RUNNING", "orphan-one")
    assert runs.crash_stale() == 1
    assert up.end(left, 5)["state"]["message"] == "Its worker is gone."
    await_value(
        lambda: [text for text in up.messenger.got if "left/orphan-one Crashed: Its worker is gone." in text], 30
    )
    delete(up, left)


def test_a_run_that_does_not_end_is_named(up: Up) -> None:
    """A pending run is cancelled at once; a running one is asked, awaited, and named at the deadline."""
    assert runs.cancel_active(0.1) == ()
    pending, running = make(up, "PENDING", "pending-one"), make(up, "RUNNING", "deaf-one")
    assert runs.cancel_active(0.1) == ("deaf-one",)
    assert up.end(pending, 5)["state_type"] == "CANCELLED"
    assert [run.id for run in runs.find(StateType.CANCELLING)] == [UUID(running)]
    delete(up, pending, running)
