"""The end of a night in its order, whatever ended it: clean up, publish, notify, stop."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from prefect.states import Completed
from prefect.states import Failed

from nightproof.errors import UsageError
from nightproof.night import STOP_GRACE_S
from nightproof.night import close_night
from nightproof.records import Colour
from nightproof.report import words
from nightproof.server_loss import note_conclusion
from nightproof.server_loss import server_loss
from tasks.cleanup import clean_up
from tasks.interruption import interruption
from tasks.interruption import unhurried
from tasks.masking import MASK
from tasks.notifying import notify
from tasks.reporting import finish
from tasks.reporting import leave_artifacts
from tasks.reporting import publish

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

    from nightproof.night import Night

ORDER: Final = (clean_up, publish, notify, finish)


def halt(night: Night, error: BaseException) -> None:
    """Note what ended the night early; process groups are dead when this returns."""
    if isinstance(error, Exception):
        MASK.error(error)  # it goes on to Prefect
    how, lost = interruption(error), server_loss()
    if isinstance(error, UsageError) and night.void():
        return
    if lost:
        night.groups.stop_all(STOP_GRACE_S)
        if lost not in "".join(night.violations):
            night.violations.append(f"The harness failed: {lost}")
    elif how is None:
        night.groups.stop_all(0)
        night.violations.append(f"The harness failed: {type(error).__name__}: {error}")
    else:
        night.interrupt(how)


def conclude(night: Night) -> None:
    """Run the end of the night; a signal that arrives meanwhile lets it start over, undisturbed, and is passed on."""
    if night.is_void:
        close_night(night)
        return
    try:
        _conclude(night)
    except BaseException as error:
        # Only a signal is a reason to start over: every step may be repeated.
        halt(night, error)
        _conclude(night)
        raise
    finally:
        close_night(night)
        note_conclusion()


def _conclude(night: Night) -> None:
    if night.interrupted is None and not server_loss():
        for step in ORDER:
            step(night)
        leave_artifacts(night, return_state=True)  # a decoration: its failure is seen in the UI and changes nothing
        return
    # The API server may be gone with the signal, and a cancelled run must not start tasks: plain functions only.
    with unhurried():
        for step in ORDER:
            step.fn(night)


def final_state(night: Night) -> State[Any]:
    """Give the Prefect state that says what the report says."""
    report = night.report
    if report is None:
        return Failed(message="No report was written.")
    message = report.cause or words.headline(report)
    if report.colour in {Colour.GREEN, Colour.AMBER}:
        return Completed(message=f"{report.colour}: {message}")
    blocked = "BLOCKED: " if report.colour is Colour.BLOCKED else ""  # a red night's cause stands as it is
    return Failed(message=f"{blocked}{message}")
