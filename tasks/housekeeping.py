"""The ad hoc cleanup as a task, with its plan as an artifact."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from prefect.artifacts import create_markdown_artifact
from prefect.states import Completed
from prefect.states import Failed

from nightproof.config.loader import load
from nightproof.housekeeping import CleanupResult
from nightproof.housekeeping import clean_earlier
from nightproof.redact import Redactor
from tasks.masking import MASK
from tasks.masking import task

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

LISTED: Final = 40


@task("clean earlier runs")
def clean_earlier_runs(environment: str, run_id: str, min_age_hours: int, *, dry_run: bool) -> CleanupResult:
    """Plan the cleanup, delete unless `dry_run`, and leave the plan as an artifact."""
    told = load(environment, for_tests=False)
    MASK.use(Redactor(told.secrets.values()))
    result = clean_earlier(
        told.profile,
        told.secrets,
        run_id=run_id or None,  # the form documents an empty field as every run
        min_age=timedelta(hours=min_age_hours),
        dry_run=dry_run,
    )
    shown = MASK.redactor.text
    create_markdown_artifact(shown(_page(result)), key="cleanup", description=shown(result.sentence))
    return result


def cleanup_state(result: CleanupResult) -> State[Any]:
    """Return a Failed state if a resource leaked, else a Completed one."""
    message = MASK.redactor.text(result.sentence)
    return Failed(message=message) if result.leaked else Completed(message=message)


def _page(result: CleanupResult) -> str:
    lines = [f"- delete `{title}`" for title in result.planned] + [f"- refuse {title}" for title in result.refused]
    more = [f"- and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    return "\n".join([result.sentence, "", *lines[:LISTED], *more])
