"""Run the suites: one task per cell, each in a thread that waits for its own process group."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from uuid import UUID

from prefect import task
from prefect.artifacts import create_progress_artifact
from prefect.artifacts import update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.logging import get_run_logger

from nightproof.cells import first_pass
from nightproof.cells import repeat
from nightproof.conclusion import cell_dir
from nightproof.progress import announce

if TYPE_CHECKING:
    from pathlib import Path

    from prefect import Task

    from nightproof.night import Night
    from nightproof.plan import CellSpec

UPDATE_EVERY_S: Final = 1.0  # an artifact update costs 30-46 ms on the server
CHUNK_LINES: Final = 100
ENDS: Final = frozenset({"TestEvidence", "CellKilled"})


def run_suites(night: Night) -> None:
    """Run every test of every cell."""
    with night.stage("suites"):
        ends = _on_every_cell(run_cell, night)
        night.system_deaths = night.systems.deaths()
    night.note_faults(ends)


def repeat_failures(night: Night) -> None:
    """Run once more, in fresh processes, what did not pass."""
    with night.stage("second_pass"):
        ends = _on_every_cell(repeat_cell, night)
    night.note_faults(ends)


def _on_every_cell(task: Task[..., Any], night: Night) -> list[Any]:
    """Run all cells side by side, then their serial tests one cell at a time; what ends one stops no other."""
    cells = night.plan.cells
    running = [task.submit(night, cell, serial=False) for cell in cells]
    ends = [future.result(raise_on_failure=False) for future in running]
    alone = task.with_options(task_run_name=f"{task.name} {{cell.key}}, serial tests")
    tails = (alone.submit(night, cell, serial=True) for cell in cells if cell.part(serial=True))
    return ends + [future.result(raise_on_failure=False) for future in tails]  # each is started when the last has ended


@task(name="cell", task_run_name="cell {cell.key}", cache_policy=NO_CACHE)
def run_cell(night: Night, cell: CellSpec, *, serial: bool) -> None:
    """Run one suite on one backend: its serial tests, or all others."""
    feed = Feed(night, cell)
    first_pass(night, cell, feed.take, serial=serial)
    feed.flush()


@task(name="second pass", task_run_name="second pass {cell.key}", cache_policy=NO_CACHE)
def repeat_cell(night: Night, cell: CellSpec, *, serial: bool) -> int:
    """Run one cell's unpassed tests again: the serial ones, or all others."""
    feed = Feed(night, cell, counts=False)
    number = repeat(night, cell, feed.take, serial=serial)
    feed.flush()
    return number


class Feed:
    """Carries a cell's output to Prefect in chunks, and its progress to an artifact and the terminal.

    One log record per line would cost more than the tests; the full output is a file in the run directory.
    """

    def __init__(self, night: Night, cell: CellSpec, *, counts: bool = True) -> None:
        self._redact = night.redactor.text
        self._groups = night.groups
        self._log = get_run_logger()
        self._name = cell.key
        self._counter = Counter(cell_dir(night, cell) / "events.jsonl", len(cell.tests))
        self._lines: list[str] = []
        self._sent = time.monotonic()
        self._artifact = _progress_artifact(cell.key, len(cell.tests)) if counts else None

    def take(self, lines: list[str]) -> None:
        """Keep lines until there are enough of them or a second has passed."""
        self._lines += lines
        if len(self._lines) >= CHUNK_LINES or time.monotonic() - self._sent >= UPDATE_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Send what was kept, and how far the cell is."""
        if self._lines:
            self._log.info("%s", self._redact("\n".join(self._lines)))
        self._lines.clear()
        self._sent = time.monotonic()
        if self._artifact is None or self._groups.is_stopping:
            return  # after an interruption the night is further on than this cell, and the server may be gone
        done, of = self._counter.count()
        announce("suites", self._name, done, of)
        update_progress_artifact(self._artifact, progress=100.0 * done / of if of else 100.0)


class Counter:
    """Counts the tests of an event log, reading only what was added since the last time."""

    def __init__(self, path: Path, declared: int) -> None:
        self._path = path
        self._declared = declared
        self._offset = 0
        self._done: set[str] = set()
        self._unsupported: set[str] = set()

    def count(self) -> tuple[int, int]:
        """Give how many tests have ended, of how many that run here; a half-written line counts the next time."""
        for raw in self._added():
            if b"TestEvidence" in raw or b"CellKilled" in raw or b"Unsupported" in raw:
                self._note(raw)
        return len(self._done), max(self._declared - len(self._unsupported), len(self._done))

    def _added(self) -> list[bytes]:
        if not self._path.is_file():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            added = file.read()
        whole = added[: added.rfind(b"\n") + 1]
        self._offset += len(whole)
        return whole.splitlines()

    def _note(self, raw: bytes) -> None:
        try:
            line = json.loads(raw)
        except ValueError:
            return  # a torn line is the report's business
        if line.get("$report_type") in ENDS and line.get("id"):
            self._done.add(line["id"])
        elif line.get("$report_type") == "Unsupported":
            self._unsupported.add(line["id"])


def _progress_artifact(key: str, tests: int) -> UUID | None:
    slug = "".join(letter if letter.isalnum() else "-" for letter in key.lower())
    made = create_progress_artifact(progress=0.0, key=f"cell-{slug}", description=f"{key}: {tests} tests")
    return made if isinstance(made, UUID) else None
