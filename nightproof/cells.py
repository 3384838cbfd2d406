"""The cells of a night: the first pass, and a second pass of unpassed tests; each in its own processes."""

from __future__ import annotations

import shlex
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Final

from nightproof.conclusion import cell_dir
from nightproof.environment import cell_environment
from nightproof.environment import endpoints
from nightproof.errors import SuiteError
from nightproof.evidence import rerun
from nightproof.evidence.fixture_counts import EVIDENCE
from nightproof.evidence.folder import NAMED_SECRETS
from nightproof.evidence.relay.client import VARIABLE as RELAY
from nightproof.evidence.wire.endpoints import VARIABLE as ENDPOINTS
from nightproof.night import STOP_GRACE_S
from nightproof.progress import announce
from nightproof.runner import cell as runner
from nightproof.runner import events

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from nightproof.night import Night
    from nightproof.plan import CellSpec
    from nightproof.runner.cell import CellPlan

Lines = list[str]
WATCH_S: Final = 1.0


def first_pass(night: Night, cell: CellSpec, on_lines: Callable[[Lines], None], *, serial: bool, share: int) -> None:
    """Run one worker's share of a part; if a process is killed, a new one runs the rest without the test that hung."""
    with _told(night, cell):
        runner.run_cell(_plan(night, cell, cell.shares(serial=serial)[share], share), on_lines, night.groups)


def repeat(night: Night, cell: CellSpec, on_lines: Callable[[Lines], None], *, serial: bool) -> int:
    """Run the part's failed, errored and timed-out tests once more; return their number."""
    part = cell.part(serial=serial)
    again = tuple(test for test in to_repeat(night, cell) if test in part)
    if again:
        with _told(night, cell):
            runner.second_pass(_plan(night, cell, again), on_lines, night.groups)
    return len(again)


def to_repeat(night: Night, cell: CellSpec) -> tuple[str, ...]:
    """Return the cell's tests whose attempt did not pass, and those that started and left no outcome; sorted."""
    folder = cell_dir(night, cell)
    if not events.logs_of(folder):
        return ()
    return tuple(sorted(events.to_repeat(events.read_cell(folder)) & set(cell.tests)))


@contextmanager
def ended_with_systems(night: Night) -> Iterator[None]:
    """Stop the block's cells once a system of the testbed has died: their tests would only wait for it."""
    left = threading.Event()
    thread = threading.Thread(target=_watch_systems, args=(night, left), name="system watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()
        night.note_deaths()


def _watch_systems(night: Night, left: threading.Event) -> None:
    while not left.wait(WATCH_S):
        if night.note_deaths():
            announce("suites", f"{' and '.join(night.system_deaths)} of the testbed ended: ending the tests")
            night.groups.stop_all(STOP_GRACE_S)
            return


@contextmanager
def _told(night: Night, cell: CellSpec) -> Iterator[None]:
    """Turn an OSError into a SuiteError with the file and the reason; the cell's processes have ended by then."""
    try:
        yield
    except OSError as error:
        raise SuiteError(
            f"`{error.filename or cell_dir(night, cell)}` could not be written ({error.strerror}): "
            "free space or correct permissions there."
        ) from error


def _testbed_command(night: Night) -> dict[str, str]:
    """Return the command that starts the same testbed, to rerun a test after the night; empty on a live target."""
    plan = night.plan
    if plan.profile.target != "embedded":
        return {}
    command = [str(Path(sys.executable).with_name("nightproof")), "testbed", "--profile", plan.profile_given]
    return {rerun.TESTBED: shlex.join(command)}


def _plan(night: Night, cell: CellSpec, tests: tuple[str, ...], share: int = 0) -> CellPlan:
    """Return the runner's plan for these tests of one cell."""
    return runner.CellPlan(
        suite_path=cell.path,
        suite=cell.suite,
        backend=cell.backend,
        cell_dir=events.share_dir(cell_dir(night, cell), share),
        env=cell_environment(night.systems)
        | night.secrets.of_suite(cell.secrets)
        | {"NIGHTPROOF_RUN_ID": night.plan.run_id, NAMED_SECRETS: ",".join(cell.secrets)}
        | _testbed_command(night)
        | _evidence(cell, (*endpoints(night.systems), *cell.hosts)),
        timeout_s=cell.timeout_s,
        test_ids=tests,
        redact=night.redactor.text,
        world=cell.world,
    )


def _evidence(cell: CellSpec, declared: tuple[str, ...]) -> dict[str, str]:
    """Return the plugin's evidence settings: the endpoints whose answers count, and those that a relay counts."""
    relayed = declared if cell.relay is True else cell.relay or ()
    found = {ENDPOINTS: " ".join(declared), EVIDENCE: cell.evidence}
    return found | ({RELAY: " ".join(relayed)} if relayed else {})
