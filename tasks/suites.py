"""The suites: one task per cell and worker, each in a thread that waits for its process group."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from uuid import UUID

from prefect.artifacts import create_progress_artifact
from prefect.artifacts import update_progress_artifact
from prefect.logging import get_run_logger

from nightproof.cells import ended_with_systems
from nightproof.cells import first_pass
from nightproof.cells import repeat
from nightproof.conclusion import cell_dir
from nightproof.progress import announce
from nightproof.runner.events import share_dir
from tasks.masking import task

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from prefect import Task
    from prefect.futures import PrefectFuture

    from nightproof.night import Night
    from nightproof.plan import CellSpec

UPDATE_EVERY_S: Final = 5.0  # an artifact update costs 30-46 ms on the server, and every worker feeds it
CHUNK_LINES: Final = 100
ENDS: Final = frozenset({"TestEvidence", "CellKilled"})


def run_suites(night: Night) -> None:
    """Run every test of every cell once."""
    with night.stage("suites"), ended_with_systems(night):
        ends = _on_every_cell(_run_shares, night)
    night.note_faults(ends)


def repeat_failures(night: Night) -> None:
    """Run the tests that did not pass once more, in fresh processes."""
    with night.stage("second_pass"), ended_with_systems(night):
        ends = _on_every_cell(_repeat, night)
    night.note_faults(ends)


def _on_every_cell(submit: Callable[..., list[PrefectFuture[Any]]], night: Night) -> list[Any]:
    """Run all cells in parallel, then their serial tests one cell at a time; return results and errors of all."""
    running = [future for cell in night.plan.cells for future in submit(night, cell, serial=False)]
    ends = [future.result(raise_on_failure=False) for future in running]
    for cell in night.plan.cells:
        ends += [future.result(raise_on_failure=False) for future in submit(night, cell, serial=True)]
    return ends


def _run_shares(night: Night, cell: CellSpec, *, serial: bool) -> list[PrefectFuture[Any]]:
    """Start one task per worker of a cell, or the one task of its serial tests."""
    number = len(cell.shares(serial=serial))
    return [
        _titled(run_cell, cell, serial=serial, worker=share + 1 if number > 1 else 0).submit(
            night, cell, serial=serial, share=share
        )
        for share in range(number)
    ]


def _repeat(night: Night, cell: CellSpec, *, serial: bool) -> list[PrefectFuture[Any]]:
    """Start the second pass of a cell's serial or other tests; an empty part starts none."""
    if not cell.part(serial=serial):
        return []
    return [_titled(repeat_cell, cell, serial=serial).submit(night, cell, serial=serial)]


def _titled(task: Task[..., Any], cell: CellSpec, *, serial: bool, worker: int = 0) -> Task[..., Any]:
    """Return the task with a run name made of cell, part and worker."""
    more = f", worker {worker}" if worker else ""
    return task.with_options(task_run_name=f"{task.name} {cell.key}{', serial tests' if serial else more}")


@task("cell")
def run_cell(night: Night, cell: CellSpec, *, serial: bool, share: int) -> None:
    """Run one worker's share of one suite on one backend."""
    feed = Feed(night, cell, has_artifact=share == 0)
    first_pass(night, cell, feed.take, serial=serial, share=share)
    feed.flush()


@task("second pass")
def repeat_cell(night: Night, cell: CellSpec, *, serial: bool) -> int:
    """Repeat the unpassed tests of a cell's serial part or of the rest; return their number."""
    feed = Feed(night, cell, counts=False)
    number = repeat(night, cell, feed.take, serial=serial)
    feed.flush()
    return number


class Feed:
    """Sends a cell's output to Prefect in chunks, and its progress to an artifact and the terminal.

    One log record per line would cost more than the tests; the full output is a file in the run directory.
    """

    def __init__(self, night: Night, cell: CellSpec, *, counts: bool = True, has_artifact: bool = False) -> None:
        self._redact = night.redactor.text
        self._groups = night.groups
        self._log = get_run_logger()
        self._name = cell.key
        folders = (share_dir(cell_dir(night, cell), share) for share in range(cell.workers))
        self._counter = Counter([folder / "events.jsonl" for folder in folders], len(cell.tests))
        self._counts = counts
        self._lines: list[str] = []
        self._sent = time.monotonic()
        self._artifact = _progress_artifact(cell.key, len(cell.tests)) if has_artifact else None

    def take(self, lines: list[str]) -> None:
        """Buffer lines; send them at 100 lines or 5 s after the last send."""
        self._lines += lines
        if len(self._lines) >= CHUNK_LINES or time.monotonic() - self._sent >= UPDATE_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Send the buffered lines and the cell's progress."""
        if self._lines:
            self._log.info("%s", self._redact("\n".join(self._lines)))
        self._lines.clear()
        self._sent = time.monotonic()
        if not self._counts or self._groups.is_stopping:
            return  # after an interruption the night is past this stage, and the server may be gone
        done, of = self._counter.count()
        announce("suites", self._name, done, of)
        if self._artifact:
            update_progress_artifact(self._artifact, progress=100.0 * done / of if of else 100.0)


class Counter:
    """Counts the tests in a cell's event logs; reads only the bytes added since the last count."""

    def __init__(self, paths: list[Path], declared: int) -> None:
        self._offsets = dict.fromkeys(paths, 0)
        self._declared = declared
        self._done: set[str] = set()
        self._unsupported: set[str] = set()

    def count(self) -> tuple[int, int]:
        """Return the tests that have ended and the tests that run here; a half-written line counts the next time."""
        for raw in (raw for path in self._offsets for raw in self._added(path)):
            if b"TestEvidence" in raw or b"CellKilled" in raw or b"Unsupported" in raw:
                self._note(raw)
        return len(self._done), max(self._declared - len(self._unsupported), len(self._done))

    def _added(self, path: Path) -> list[bytes]:
        if not path.is_file():
            return []
        with path.open("rb") as file:
            file.seek(self._offsets[path])
            added = file.read()
        whole = added[: added.rfind(b"\n") + 1]
        self._offsets[path] += len(whole)
        return whole.splitlines()

    def _note(self, raw: bytes) -> None:
        try:
            line = json.loads(raw)
        except ValueError:
            return  # the report handles torn lines
        if line.get("$report_type") in ENDS and line.get("id"):
            self._done.add(line["id"])
        elif line.get("$report_type") == "Unsupported":
            self._unsupported.add(line["id"])


def _progress_artifact(key: str, tests: int) -> UUID | None:
    slug = "".join(letter if letter.isalnum() else "-" for letter in key.lower())
    made = create_progress_artifact(progress=0.0, key=f"cell-{slug}", description=f"{key}: {tests} tests")
    return made if isinstance(made, UUID) else None
