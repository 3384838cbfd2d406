"""Run one night in this process: a Prefect server for it, the flow, and its report."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import httpx

from deployments import server
from deployments.state import kept_auth
from deployments.state import read_note
from nightproof.config.loader import load
from nightproof.errors import Blocked
from nightproof.errors import Interrupted
from nightproof.errors import NightproofError
from nightproof.lifeline import is_alive
from nightproof.locking import environment_lock
from nightproof.night import RESERVE_BYTES
from nightproof.plan import make_plan
from nightproof.plan import new_run_id
from nightproof.progress import announce
from nightproof.report.files import read_report
from nightproof.server_loss import ended_with_server
from nightproof.server_loss import server_loss

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nightproof.plan import Choice
    from nightproof.plan import RunPlan
    from nightproof.records import RunReport

DRAIN_S: Final = 10.0


def run_night(profile_given: str, choice: Choice) -> tuple[RunReport, Path]:
    """Run the nightly flow; return its report and the path of its page.

    Raises UsageError before anything is started, and Interrupted when a signal left no report.
    """
    plan = make_plan(load(profile_given).profile, choice, new_run_id(), profile_given)
    try:
        with termination(), environment_lock(plan.state_dir, plan.run_id), prefect_api(plan):
            ended = _run_flow(plan, profile_given, choice)
    except Interrupted as interrupted:
        ended = interrupted.signal_name
    path = plan.run_dir / "report.json"
    if not path.is_file():
        if ended:
            raise Interrupted(ended)
        raise NightproofError(_no_report(plan))
    return read_report(path), path.with_name("report.html")


def _no_report(plan: RunPlan) -> str:
    free = shutil.disk_usage(plan.state_dir).free
    if free < RESERVE_BYTES:
        return f"The night left no report: `{plan.state_dir}` has {free} bytes left. Free some there, then run again."
    return f"The night left no report. Read the flow run `{plan.run_id}` in Prefect."


@contextmanager
def prefect_api(plan: RunPlan) -> Iterator[None]:
    """Point this process at the supervisor's server if one runs, else at a server for this run alone.

    Prefect reads its settings at import, so nothing may import it before this.
    """
    home = plan.state_dir / "prefect"
    note = read_note(plan.state_dir)
    if note:
        os.environ.update(server.environment(home, note.api, kept_auth(plan.state_dir, server.new_auth)))
        with ended_with_server(lambda: not is_alive(note.pid), f"The supervisor (process {note.pid}) is gone."):
            yield
        return
    announce("prefect", "starting the Prefect server")
    started = server.start(plan.state_dir, with_services=False, patience_s=plan.profile.server_start_s)
    try:
        os.environ.update(server.environment(home, started.api, started.auth))
        gone = "The Prefect server of this run ended by itself."
        with ended_with_server(lambda: started.child.process.poll() is not None, gone):
            yield
    finally:
        if not server_loss():
            _drain()
        started.stop()


def _run_flow(plan: RunPlan, profile_given: str, choice: Choice) -> str:
    """Run the flow; return the name of the signal that ended it, or "". Raise the flow's own NightproofError again."""
    try:
        from flows.nightly import nightly  # noqa: PLC0415 - imports Prefect, which reads its settings at import
    except (ImportError, SyntaxError) as error:
        raise Blocked(f"The flow cannot be imported: {error}. Run `make install`, which restores it.") from error

    flow: Any = nightly.with_options(flow_run_name=plan.run_id, validate_parameters=False)
    try:
        state = flow(
            environment=profile_given, backends=list(choice.backends), suites=list(choice.suites),
            keep_resources=choice.keep_resources, notify=choice.notify, return_state=True,
        )  # fmt: skip
    except KeyboardInterrupt:
        return "SIGINT"
    except Interrupted as interrupted:
        return interrupted.signal_name
    except httpx.HTTPError as error:
        # Only Prefect's record of the run is lost. The report on disk counts; the caller raises if it is missing.
        announce("prefect", f"the server failed: {str(error).splitlines()[0]}")
        return ""
    fault = None if state.is_completed() else state.result(raise_on_failure=False)
    if isinstance(fault, NightproofError):
        raise fault
    return ""


def _drain() -> None:
    """Send Prefect's queued events and logs; later it would retry for a minute against a stopped server."""
    if "prefect" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker  # noqa: PLC0415 - Prefect reads its settings at import
    from prefect.logging.handlers import APILogWorker  # noqa: PLC0415 - as above

    for worker in (EventsWorker, APILogWorker):
        worker.drain_all(timeout=DRAIN_S, at_exit=False)


@contextmanager
def termination() -> Iterator[None]:
    """Turn SIGTERM into Interrupted. While a flow runs, Prefect handles the signal first and then raises it again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_term(_number: int, _frame: Any) -> None:
        raise Interrupted("SIGTERM")

    # A shell starts background jobs with SIGINT ignored; a night must end on it all the same.
    handlers: dict[int, Any] = {signal.SIGTERM: on_term, signal.SIGINT: signal.default_int_handler}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under `nohup` a night outlives its terminal
        handlers[signal.SIGHUP] = lambda *_: os.kill(os.getpid(), signal.SIGTERM)
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
