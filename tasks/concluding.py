"""The steps at the end of every night, however it ended: clean up, publish, notify, stop."""

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
    """Record what ended the night early; all its process groups are dead on return."""
    if isinstance(error, Exception):
        MASK.error(error)  # Prefect stores its text
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
    """Run the final steps. A signal meanwhile runs them once more without interruption and is then raised again."""
    if night.is_void:
        close_night(night)
        return
    try:
        _conclude(night)
    except BaseException as error:
        # Usually a signal. Starting over is safe: every step may be repeated.
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
        leave_artifacts(night, return_state=True)  # only for the UI: its failure changes no verdict
        return
    # The API server may be gone with the signal, and a cancelled run must not start tasks: plain functions only.
    with unhurried():
        for step in ORDER:
            step.fn(night)


def final_state(night: Night) -> State[Any]:
    """Return the Prefect state that matches the report's colour and cause."""
    report = night.report
    if report is None:
        return Failed(message="No report was written.")
    message = report.cause or words.headline(report)
    if report.colour in {Colour.GREEN, Colour.AMBER}:
        return Completed(message=f"{report.colour}: {message}")
    blocked = "BLOCKED: " if report.colour is Colour.BLOCKED else ""  # a red night's cause already names its colour
    return Failed(message=f"{blocked}{message}")
