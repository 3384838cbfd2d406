"""The nightly flow: check, seed, run every suite on every backend, clean up, report, notify."""

from __future__ import annotations

from typing import Annotated
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State  # noqa: TC002 - Prefect resolves annotations at run time
from prefect.runtime import deployment
from prefect.runtime import flow_run

from flows.form import DEFAULT
from flows.form import Backend
from flows.form import Environment
from flows.form import Suite
from flows.form import labelled
from nightproof.errors import Blocked
from nightproof.lifeline import end_with_owner
from nightproof.night import Night
from nightproof.night import open_night
from nightproof.plan import RUN_ID
from nightproof.plan import Choice
from nightproof.plan import new_run_id
from tasks.cleanup import sweep
from tasks.concluding import conclude
from tasks.concluding import final_state
from tasks.concluding import halt
from tasks.masking import MASK
from tasks.provisioning import provision
from tasks.provisioning import start
from tasks.seeding import seed
from tasks.suites import repeat_failures
from tasks.suites import run_suites


@flow(name="nightly", flow_run_name=new_run_id)
def nightly(
    environment: Annotated[Environment, labelled("Environment", "Profile: which systems, suites and gates.")] = DEFAULT,
    backends: Annotated[list[Backend], labelled("Backends", "Empty: all.")] = [],  # noqa: B006
    suites: Annotated[list[Suite], labelled("Suites", "Empty: all.")] = [],  # noqa: B006
    keep_resources: Annotated[  # noqa: FBT002 - a toggle of the form
        bool, labelled("Keep resources", "Leave what the tests made, for a look at it.")
    ] = False,
    notify: Annotated[bool, labelled("Notify", "Send the Slack message.")] = True,  # noqa: FBT002 - as above
) -> State[Any]:
    """Verify the systems of one environment from end to end, clean up, report and notify."""
    night = begin(environment, Choice(tuple(map(str, backends)), tuple(map(str, suites)), keep_resources, notify))
    try:
        start(night)
        sweep(night)
        provision(night)
        seed(night)
        run_suites(night)
        repeat_failures(night)
    except Blocked as cause:
        night.blocked = str(cause)
    except BaseException as error:
        # Signals too: every writing process must be dead before cleanup lists; then the signal is raised again.
        halt(night, error)
        raise
    finally:
        conclude(night)
    return final_state(night)


def begin(environment: str, choice: Choice) -> Night:
    """Open the night; the flow run's name becomes its run id if it is one, else a new id is made."""
    end_with_owner()
    name = flow_run.name or ""
    run_id = name if RUN_ID.fullmatch(name) else new_run_id()
    night = open_night(str(environment), choice, run_id)
    MASK.use(night.redactor)
    # Only a deployment's server still runs when somebody follows the link.
    night.run_link = (flow_run.ui_url or "") if deployment.id else ""
    return night
