"""Flow runs as the supervisor sees them through the API: stale, late, stuck, and to be cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.filters import FlowRunFilterState
from prefect.client.schemas.filters import FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.states import Cancelled
from prefect.states import Cancelling
from prefect.states import Crashed

from nightproof.waiting import await_value

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

    from nightproof.profile import Profile

ACTIVE: Final = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)
CANCEL_DEADLINE_S: Final = 60.0


def find(*states: StateType) -> list[FlowRun]:
    """Give the runs that are in one of these states."""
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))))
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_run_filter=wanted)


def crash_stale() -> int:
    """Crash the runs that claim to be active although no worker is: their processes died with it."""
    stale = find(*ACTIVE)
    with get_client(sync_client=True) as client:
        for run in stale:
            client.set_flow_run_state(run.id, Crashed(message="Its worker is gone."), force=True)
    return len(stale)


def schedule_nightly(profile: Profile) -> None:
    """Give the nightly the profile's schedule and environment."""
    schedule = CronSchedule(cron=profile.cron, timezone=profile.timezone)
    with get_client(sync_client=True) as client:
        nightly = client.read_deployment_by_name("nightly/nightly")
        for existing in client.read_deployment_schedules(nightly.id):
            client.update_deployment_schedule(nightly.id, existing.id, active=True, schedule=schedule)


def cancel_active(deadline_s: float = CANCEL_DEADLINE_S) -> tuple[str, ...]:
    """Cancel what is active and wait until it has ended; give the names of runs that did not."""
    with get_client(sync_client=True) as client:
        for run in find(StateType.RUNNING, StateType.PENDING):
            is_running = run.state_type is StateType.RUNNING
            client.set_flow_run_state(run.id, Cancelling() if is_running else Cancelled(), force=not is_running)
    try:
        await_value(lambda: not find(*ACTIVE), deadline_s, 0.5)
    except TimeoutError:
        return tuple(run.name for run in find(*ACTIVE))
    return ()
