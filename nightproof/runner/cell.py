"""One cell: a suite on one backend, in child processes that are started again without a test that hung."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path  # noqa: TC003 - annotations stay usable at run time
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.errors import SuiteError
from nightproof.evidence import rerun
from nightproof.evidence.eventlog import EXIT_LOG_LOST
from nightproof.evidence.eventlog import EventLog
from nightproof.evidence.eventlog import utc_now
from nightproof.evidence.private import private_file
from nightproof.evidence.private import private_folder
from nightproof.evidence.strays import EVENT_LOG
from nightproof.evidence.strays import end_strays
from nightproof.evidence.suite import GIVEN
from nightproof.runner.command import project_root
from nightproof.runner.groups import GroupRegistry
from nightproof.runner.groups import ProcessGroup
from nightproof.runner.output import OutputStream
from nightproof.runner.tree import remove_tree
from nightproof.runner.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Collection
    from collections.abc import Iterator
    from collections.abc import Mapping

__all__ = ["CellPlan", "GroupRegistry", "run_cell", "second_pass"]

ENDED: Final = (0, 1)  # pytest ran what it was given; after any other exit code, tests may not have run
SPARE_PROCESSES: Final = 5
TESTS_PER_TIMER: Final = 20  # each end by the kill timer costs the whole limit of a process
POLL_S: Final = 0.05
GRACE_S: Final = 5.0
Lines = list[str]


def _unchanged(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True)
class CellPlan:
    """The part of a cell that is run; `timeout_s` limits each process in seconds, `redact` masks all that it writes."""

    suite_path: Path
    suite: str
    backend: str
    cell_dir: Path
    env: Mapping[str, str]
    timeout_s: float
    test_ids: tuple[str, ...]
    redact: Callable[[str], str] = field(default=_unchanged, repr=False)
    grace_s: float = GRACE_S
    world: World = field(default_factory=World)


def run_cell(plan: CellPlan, on_lines: Callable[[Lines], None], groups: GroupRegistry) -> None:
    """Run the plan's tests once; raise SuiteError when the cell's event log cannot be written."""
    _run_pass(plan, 1, on_lines, groups)


def second_pass(plan: CellPlan, on_lines: Callable[[Lines], None], groups: GroupRegistry) -> None:
    """Run the plan's tests once more, in a fresh process, into a log of their own."""
    _run_pass(plan, 2, on_lines, groups)


def _run_pass(plan: CellPlan, number: int, on_lines: Callable[[Lines], None], groups: GroupRegistry) -> None:
    remaining = set(plan.test_ids)
    earlier = len(list(plan.cell_dir.glob(_selection(number, "*"))))
    timers = SPARE_PROCESSES + len(remaining) // TESTS_PER_TIMER
    for process in itertools.count(earlier + 1):  # each process takes at least one test off the rest
        if not remaining or groups.is_stopping:
            return
        run = _Process(plan, number, process)
        exit_code = run.run(remaining, on_lines, groups)
        if exit_code == EXIT_LOG_LOST:
            raise SuiteError(
                f"The event log `{run.log_path}` could not be written: free space or correct permissions there."
            )
        started = run.started_tests()
        remaining -= started.keys()
        timers -= run.was_late
        if not started or run.has_finished():
            return  # it ended by itself, or died where no test is to blame and none could be left out
        if remaining and not timers:
            run.note_limit(len(plan.test_ids))
            return


class _Process:
    """One process of a pass."""

    def __init__(self, plan: CellPlan, number: int, process: int) -> None:
        self._plan = plan
        self._number = number
        self._process = process
        self.log_path = plan.cell_dir / ("events.jsonl" if number == 1 else f"events.{number}.jsonl")
        private_folder(plan.cell_dir)
        # All processes of a pass append to one log: the lines before this offset are of earlier ones.
        self._offset = self.log_path.stat().st_size if self.log_path.exists() else 0
        self.was_late = False
        self._complaint = ""

    def run(self, ids: Collection[str], on_lines: Callable[[Lines], None], groups: GroupRegistry) -> int:
        """Start, stream, limit and reap the process; return its exit code."""
        plan = self._plan
        command = plan.world.command(*_arguments(plan))
        group = groups.start(command, self._environment(ids), project_root(plan.suite_path))
        try:
            return self._follow(group, on_lines, groups)
        finally:
            remove_tree(plan.cell_dir)
            groups.forget(group)  # only now: whoever stops all groups reads their logs next

    def _follow(self, group: ProcessGroup, on_lines: Callable[[Lines], None], groups: GroupRegistry) -> int:
        plan = self._plan
        output = OutputStream(group.output, plan.cell_dir / "output.log", plan.redact, on_lines)
        try:
            self._watch(group, output)
        finally:
            # Whatever ended the wait (an exception of a caller's callback included), no process outlives it.
            exit_code = group.reap()
            end_strays(self.log_path.absolute())
            with group.output:
                output.close()
        if exit_code != EXIT_LOG_LOST:
            self._complaint = output.complaint
            self._note_end(exit_code, "timer" if self.was_late else "cancel" if groups.is_stopping else "signal")
        return exit_code

    def _watch(self, group: ProcessGroup, output: OutputStream) -> None:
        deadline = time.monotonic() + self._plan.timeout_s
        while not group.has_ended():
            is_busy = output.pump()
            if not self.was_late and time.monotonic() >= deadline:
                self.was_late = True
                group.stop(self._plan.grace_s)
            if not is_busy:
                time.sleep(POLL_S)

    def _note_end(self, exit_code: int, reason: str) -> None:
        running = next((test for test, is_open in self.started_tests().items() if is_open), "")
        try:
            log = EventLog(self.log_path)
            if running or reason == "timer" or exit_code < 0:
                log.write("CellKilled", reason=reason, id=running, exit=exit_code, time=utc_now())
            why = "" if self.started_tests() else f"pytest could not start (exit {exit_code}): {self._complaint}"
            log.write("ProcessExit", exit=exit_code, why=why if self._complaint else "", time=utc_now())
        except OSError as error:
            raise SuiteError(
                f"The event log `{self.log_path}` could not be written ({error.strerror}): "
                "free space or correct permissions there."
            ) from error

    def started_tests(self) -> dict[str, bool]:
        """Return the tests that this process started, and whether each was left open when it ended."""
        lines = [line for line in self._lines() if line.get("$report_type") in {"TestStart", "TestEvidence"}]
        return {line["id"]: line["$report_type"] == "TestStart" for line in lines}

    def has_finished(self) -> bool:
        """Return whether pytest returned by itself after it ran what it was given."""
        return any(line.get("$report_type") == "PytestEnd" and line["exit"] in ENDED for line in self._lines())

    def note_limit(self, declared: int) -> None:
        """Record that no further process is started, and why."""
        limit = SPARE_PROCESSES + declared // TESTS_PER_TIMER
        why = f"not started: the kill timer ended {limit} processes of this cell, the limit for {declared} tests"
        EventLog(self.log_path).write("NotStarted", prefix="", why=why, time=utc_now())

    def _lines(self) -> Iterator[dict[str, Any]]:
        if not self.log_path.exists():
            return
        with self.log_path.open("rb") as file:
            file.seek(self._offset)
            for raw in file:
                with contextlib.suppress(ValueError):
                    line = json.loads(raw)
                    if isinstance(line, dict):
                        yield line

    def _environment(self, ids: Collection[str]) -> dict[str, str]:
        plan = self._plan
        select = plan.cell_dir / _selection(self._number, self._process)
        private_file(select).write_text(json.dumps(sorted(ids)), encoding="utf-8")
        own = {
            "NIGHTPROOF_PASS": str(self._number),
            rerun.NAMES: ",".join(sorted(plan.env)),
            "NIGHTPROOF_PROCESS": str(self._process),
            "NIGHTPROOF_SUITE": plan.suite,
            GIVEN: plan.world.suite(plan.suite_path).as_json(),
            "NIGHTPROOF_CACHE_DIR": str(plan.cell_dir.absolute() / f"cache.{self._number}.{self._process}"),
            "NIGHTPROOF_SELECT": str(select.absolute()),
            EVENT_LOG: str(self.log_path.absolute()),
            "NIGHTPROOF_LEDGER": str((plan.cell_dir / "ledger.jsonl").absolute()),
            "NIGHTPROOF_EVIDENCE_DIR": str((plan.cell_dir.parent.parent / "evidence").absolute()),
        }
        defaults = {"PYTHONUNBUFFERED": "1"}
        folder = plan.cell_dir.absolute()
        return plan.world.environment(defaults | _home(folder, self._number) | dict(plan.env) | own, folder)


def _selection(number: int, process: int | str) -> str:
    """Return the name of the file that lists the tests of a process."""
    return f"select.{number}.{process}.json"


def _home(cell_dir: Path, number: int) -> dict[str, str]:
    """Create the home of a pass: what the first one left there must neither help nor hinder the second."""
    home = cell_dir / ("home" if number == 1 else f"home.{number}")
    folders = {
        "HOME": home,
        "XDG_DATA_HOME": home / ".local" / "share",
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_CONFIG_HOME": home / ".config",
    }
    for folder in folders.values():
        private_folder(folder)
    return {name: str(folder) for name, folder in folders.items()}


def _arguments(plan: CellPlan) -> list[str]:
    """Return pytest's arguments; one module that cannot be imported must not hide the others."""
    backend = [] if plan.backend == "default" else ["--nightproof-backend", plan.backend]
    shown = ["--continue-on-collection-errors", "-v", "--color=no"]
    # These override a suite's own `addopts`: `-x` would leave the tests after a failure without a verdict, and
    # assertions that are not rewritten are not counted.
    whole = ["--maxfail=0", "--assert=rewrite"]
    return [str(plan.suite_path.absolute()), *backend, *shown, *whole]
