"""What the server does by itself when a run ends badly or falls silent: upserted by name at every start."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from prefect.automations import Automation
from prefect.automations import EventTrigger
from prefect.automations import Posture
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.actions import SendNotification
from prefect.events.schemas.events import ResourceSpecification

if TYPE_CHECKING:
    from uuid import UUID

HEARTBEAT_S: Final = 30  # the least that Prefect allows; a dead run is found within three of them
PENDING_LIMIT: Final = timedelta(minutes=10)
BLOCK_NAME: Final = "nightproof-alert"
RUNS: Final = ResourceSpecification({"prefect.resource.id": "prefect.flow-run.*"})
SUBJECT: Final = "{{ flow.name }} {{ flow_run.state.name }}"
BODY: Final = "{{ flow.name }}/{{ flow_run.name }} {{ flow_run.state.name }}: {{ flow_run.state.message }}"


def upsert_all(webhook: str) -> tuple[str, ...]:
    """Create or renew our automations; give their names. The alert needs a webhook and is left out without one."""
    wanted = [
        _silent("nightproof zombie", "prefect.flow-run.heartbeat", timedelta(seconds=3 * HEARTBEAT_S)),
        _silent("nightproof stuck pending", "prefect.flow-run.Pending", PENDING_LIMIT),
    ]
    if webhook:
        wanted.append(_bad_end(_alert_block(webhook)))
    for automation in wanted:
        _upsert(automation)
    return tuple(automation.name for automation in wanted)


def _silent(name: str, after: str, within: timedelta) -> Automation:
    """Give the automation that crashes a run which nothing was heard of after an event."""
    trigger = EventTrigger(
        posture=Posture.Proactive,
        threshold=1,
        within=within,
        match=RUNS,
        for_each={"prefect.resource.id"},
        after={after},
        expect={"prefect.flow-run.*"},
    )
    message = f"Nothing was heard of this run for {within.total_seconds():.0f} s."
    crash = ChangeFlowRunState(state=StateType.CRASHED, message=message)
    return Automation(name=name, description=message, trigger=trigger, actions=[crash])


def _bad_end(block_id: UUID) -> Automation:
    ends = {"prefect.flow-run.Failed", "prefect.flow-run.Crashed", "prefect.flow-run.TimedOut"}
    trigger = EventTrigger(
        posture=Posture.Reactive, threshold=1, match=RUNS, for_each={"prefect.resource.id"}, expect=ends
    )
    alert = SendNotification(block_document_id=block_id, subject=SUBJECT, body=BODY)
    return Automation(name="nightproof bad end", description="A run ended badly.", trigger=trigger, actions=[alert])


def _alert_block(webhook: str) -> UUID:
    """Save the block: unlike the Slack one it builds its JSON itself and reaches any address."""
    block = CustomWebhookNotificationBlock(name=BLOCK_NAME, url=webhook, json_data={"text": "{{subject}} - {{body}}"})
    saved: Any = block.save(BLOCK_NAME, overwrite=True)
    return saved  # type: ignore[no-any-return]  # the client answers with the document's id


def _upsert(wanted: Automation) -> None:
    try:
        existing: Any = Automation.read(name=wanted.name)
    except ValueError:
        wanted.create()
        return
    existing.trigger, existing.actions, existing.description = wanted.trigger, wanted.actions, wanted.description
    existing.update()
