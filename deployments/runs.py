"""Flow runs through Prefect's API: finding, crashing stale ones, scheduling and cancelling."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.filters import FlowRunFilterState
from prefect.client.schemas.filters import FlowRunFilterStateType
from prefect.client.schemas.filters import WorkPoolFilter
from prefect.client.schemas.filters import WorkPoolFilterName
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.states import Cancelled
from prefect.states import Cancelling
from prefect.states import Crashed

from nightproof.lifeline import is_alive
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from prefect.client.schemas.objects import FlowRun

    from nightproof.profile import Profile

POOL: Final = "nightproof"
PAGE: Final = 200  # the server's maximum
ACTIVE: Final = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)
CANCEL_DEADLINE_S: Final = 60.0


def find(*states: StateType, pool: str = "") -> list[FlowRun]:
    """Return all runs in one of these states, from every page; with `pool`, only the runs of that work pool."""
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))))
    pools = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])) if pool else None
    found: list[FlowRun] = []
    with get_client(sync_client=True) as client:
        while True:
            page = client.read_flow_runs(
                flow_run_filter=wanted, work_pool_filter=pools, sort=FlowRunSort.ID_DESC, limit=PAGE, offset=len(found)
            )
            found += page
            if len(page) < PAGE:
                return found


def crash_stale(among: Collection[UUID] | None = None) -> frozenset[UUID]:
    """Crash the worker's runs that claim to be active although their processes are gone; return the orphans.

    An orphan is a run whose process outlives its worker for a moment; it ends itself and reports its own state. Pass
    the orphans as `among` to check them again: runs that a new worker is starting meanwhile are then left alone.
    """
    active = [run for run in find(*ACTIVE, pool=POOL) if among is None or run.id in among]
    orphans = frozenset(run.id for run in active if (run.infrastructure_pid or "").isdigit() and _lives(run))
    with get_client(sync_client=True) as client:
        for run in active:
            if run.id not in orphans:
                client.set_flow_run_state(run.id, Crashed(message="Its worker is gone."), force=True)
    return orphans


def _lives(run: FlowRun) -> bool:
    return is_alive(int(run.infrastructure_pid or "0"))


def schedule_nightly(profile: Profile) -> None:
    """Set the profile's cron schedule and time zone on the nightly deployment."""
    schedule = CronSchedule(cron=profile.cron, timezone=profile.timezone)
    with get_client(sync_client=True) as client:
        nightly = client.read_deployment_by_name("nightly/nightly")
        for existing in client.read_deployment_schedules(nightly.id):
            client.update_deployment_schedule(nightly.id, existing.id, active=True, schedule=schedule)


def cancel_active(deadline_s: float = CANCEL_DEADLINE_S) -> tuple[str, ...]:
    """Cancel the worker's active runs and wait for their end; return the names of runs that did not end in time."""
    with get_client(sync_client=True) as client:
        for run in find(StateType.RUNNING, StateType.PENDING, pool=POOL):
            is_running = run.state_type is StateType.RUNNING
            client.set_flow_run_state(run.id, Cancelling() if is_running else Cancelled(), force=not is_running)
    try:
        await_value(lambda: not find(*ACTIVE, pool=POOL), deadline_s, 0.5)
    except TimeoutError:
        return tuple(run.name for run in find(*ACTIVE, pool=POOL))
    return ()
