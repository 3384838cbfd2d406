"""Tell people; an outage of the messenger never changes the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect import task
from prefect.cache_policies import NO_CACHE

from nightproof import conclusion

if TYPE_CHECKING:
    from nightproof.night import Night


@task(name="notify", cache_policy=NO_CACHE)
def notify(night: Night) -> None:
    """Send the night's message where the run asks for it."""
    if night.plan.choice.notify:
        with night.stage("notify"):
            conclusion.notify(night)
