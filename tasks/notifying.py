"""Send the night's message; an outage of Slack never changes the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nightproof import conclusion
from tasks.masking import task

if TYPE_CHECKING:
    from nightproof.night import Night


@task("notify")
def notify(night: Night) -> None:
    """Send the night's message if the run asks for it."""
    if night.plan.choice.notify:
        with night.stage("notify"):
            conclusion.notify(night)
