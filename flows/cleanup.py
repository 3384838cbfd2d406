"""The ad hoc cleanup flow: deletes what earlier runs left behind; a dry run by default."""

from __future__ import annotations

from typing import Annotated
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State  # noqa: TC002 - Prefect resolves annotations at run time

from flows.form import DEFAULT
from flows.form import Environment
from flows.form import labelled
from nightproof.lifeline import end_with_owner
from tasks.housekeeping import clean_earlier_runs
from tasks.housekeeping import cleanup_state


@flow(name="cleanup")
def cleanup(
    environment: Annotated[Environment, labelled("Environment", "Profile whose leftovers are meant.")] = DEFAULT,
    run_id: Annotated[str, labelled("Run id", "Only this run; empty: every earlier run.")] = "",
    min_age_hours: Annotated[int, labelled("Minimum age (hours)", "Younger runs are left alone.", ge=1, le=8760)] = 24,
    dry_run: Annotated[bool, labelled("Dry run", "Only show what would be deleted.")] = True,  # noqa: FBT002
) -> State[Any]:
    """Delete what earlier runs left behind, by their ledgers; the plan with its counts is an artifact."""
    end_with_owner()
    result = clean_earlier_runs(str(environment), run_id, min_age_hours, dry_run=dry_run)
    return cleanup_state(result)
