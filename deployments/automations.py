"""Prefect automations that crash silent or stuck runs; upserted by name at every start."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any
from typing import Final

from prefect.automations import Automation
from prefect.automations import EventTrigger
from prefect.automations import Posture
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.events import ResourceSpecification

HEARTBEAT_S: Final = 30  # Prefect's minimum; a dead run is found within three heartbeats
SILENCE: Final = timedelta(seconds=3 * HEARTBEAT_S)
# Each watch lists every event of its phase: any later event of the run satisfies the expectation of an earlier one.
RUNNING: Final = frozenset({"prefect.flow-run.Running", "prefect.flow-run.heartbeat"})
STARTING: Final = frozenset(
    {
        "prefect.flow-run.Pending",
        "prefect.flow-run.Submitting",
        "prefect.flow-run.InfrastructurePending",
        "prefect.flow-run.pull-step.executed",
        "prefect.flow-run.Cancelling",
    }
)
RUNS: Final = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})


def upsert_all() -> tuple[str, ...]:
    """Create or update our automations and return their names. The supervisor alerts about bad ends, not the server."""
    wanted = [
        _silent("nightproof zombie", RUNNING),
        _silent("nightproof stuck pending", STARTING),
    ]
    for automation in wanted:
        _upsert(automation)
    _delete_former_alert()
    return tuple(automation.name for automation in wanted)


def _silent(name: str, after: frozenset[str], within: timedelta = SILENCE) -> Automation:
    """Return an automation that crashes a run when none of its events follows one of `after` within `within`."""
    trigger = EventTrigger(
        posture=Posture.Proactive,
        threshold=1,
        within=within,
        match=RUNS,
        for_each={"prefect.resource.id"},
        after=set(after),
        expect={"prefect.flow-run.*"},
    )
    message = f"Nothing was heard of this run for {within.total_seconds():.0f} s."
    crash = ChangeFlowRunState(state=StateType.CRASHED, message=message)
    return Automation(name=name, description=message, trigger=trigger, actions=[crash])


def _delete_former_alert() -> None:
    """Delete the server's own alert and its webhook block; the supervisor now sends that alert."""
    with suppress(ValueError):
        former: Any = Automation.read(name="nightproof bad end")
        former.delete()
    with suppress(ValueError):
        CustomWebhookNotificationBlock.delete("nightproof-alert")


def _upsert(wanted: Automation) -> None:
    try:
        existing: Any = Automation.read(name=wanted.name)
    except ValueError:
        wanted.create()
        return
    existing.trigger, existing.actions, existing.description = wanted.trigger, wanted.actions, wanted.description
    existing.update()
