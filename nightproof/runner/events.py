"""The event log of a cell, read: the only truth about a test run."""

from __future__ import annotations

import glob
import json
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.records import Attempt
from nightproof.records import Exchanges
from nightproof.records import Outcome
from nightproof.runner.attempts import Running
from nightproof.runner.attempts import noted
from nightproof.runner.attempts import skip_reason
from nightproof.runner.attempts import to_attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path

LOGS: Final = ("events.jsonl", "events.2.jsonl")


@dataclass(frozen=True, slots=True)
class Observation:
    """One answer that a test saw, in canonical form; the texts may be cut, the digests cover the whole."""

    operation: str
    input: str
    input_sha256: str
    output: str
    output_sha256: str


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """How one process that ran tests ended; `pytest_exit` is what pytest returned, None if it never did.

    `has_failures` is set if a report explains an exit code of 1, `is_charged` if a test is blamed for the end.
    """

    number: int
    exit: int
    pytest_exit: int | None = None
    has_failures: bool = False
    is_charged: bool = False
    ended_by: str = ""


@dataclass(frozen=True, slots=True)
class CellEvents:
    """The content of a cell's logs; `reported` holds the tests that started, `torn_lines` counts unreadable lines.

    `observations` and `properties` are those of a test's last attempt. `takes_any_peer` says that no endpoint was
    declared to a process, so that whatever answered its tests counted.
    """

    suite: str
    backend: str
    started: datetime | None
    ended: datetime | None
    exit: int | None
    attempts: dict[str, tuple[Attempt, ...]]
    unsupported: dict[str, str]
    reported: frozenset[str]
    skips: dict[str, str]
    torn_lines: int
    collected: tuple[str, ...]
    observations: dict[str, tuple[Observation, ...]] = field(default_factory=dict)
    properties: dict[str, tuple[tuple[str, Any], ...]] = field(default_factory=dict)
    ends: tuple[ProcessEnd, ...] = ()
    not_started: dict[str, str] = field(default_factory=dict)
    takes_any_peer: bool = False

    def shown(self, show: Callable[[str], str]) -> CellEvents:
        """Return the same events under the ids that reports show to people; `show` converts one id."""
        return replace(
            self,
            attempts={show(test): tries for test, tries in self.attempts.items()},
            unsupported={show(test): reason for test, reason in self.unsupported.items()},
            reported=frozenset(map(show, self.reported)),
            skips={show(test): reason for test, reason in self.skips.items()},
            collected=tuple(map(show, self.collected)),
            observations={show(test): seen for test, seen in self.observations.items()},
            properties={show(test): found for test, found in self.properties.items()},
            not_started={show(prefix): why for prefix, why in self.not_started.items()},
        )

    def why_not_started(self, test_id: str) -> str:
        """Return why a test has no event, or an empty text: no import of its module, or no further process."""
        fitting = [prefix for prefix in self.not_started if _is_below(test_id, prefix)]
        # The longest prefix is the most specific reason.
        return self.not_started[max(fitting, key=len)] if fitting else ""


def _is_below(test_id: str, prefix: str) -> bool:
    return not prefix or test_id == prefix or test_id.startswith((f"{prefix}::", f"{prefix}/", f"{prefix}["))


def to_repeat(events: CellEvents) -> frozenset[str]:
    """Return the tests whose last attempt did not pass, and those that started and left no outcome."""
    skipped = events.skips.keys()
    silent = {test for test in events.reported if not events.attempts.get(test) and test not in events.unsupported}
    bad = {test for test, tries in events.attempts.items() if tries and tries[-1].outcome is not Outcome.PASSED}
    return frozenset((silent | bad) - skipped)  # a test that was skipped once is skipped again


def share_dir(cell_dir: Path, share: int) -> Path:
    """Return the folder of a cell's worker, numbered from 0; that of worker 0 is the cell's own."""
    return cell_dir.with_name(f"{cell_dir.name}.{share + 1}") if share else cell_dir


def logs_of(cell_dir: Path) -> list[tuple[int, Path]]:
    """Return the logs that a cell's workers wrote, each with the number of its pass, the first pass first."""
    folders = [cell_dir, *sorted(cell_dir.parent.glob(f"{glob.escape(cell_dir.name)}.[0-9]*"))]
    found = [(number, folder / name) for number, name in enumerate(LOGS, start=1) for folder in folders]
    return [(number, path) for number, path in found if path.is_file()]


def read_cell(cell_dir: Path) -> CellEvents:
    """Read both passes of a cell; without a log the events are empty, and a torn line is counted."""
    reader = _Reader()
    for number, path in logs_of(cell_dir):
        reader.read(path, number)
    return reader.result()


@dataclass(slots=True)
class _Reader:
    suite: str = ""
    backend: str = ""
    started: datetime | None = None
    ended: datetime | None = None
    exit: int | None = None
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    unsupported: dict[str, str] = field(default_factory=dict)
    reported: set[str] = field(default_factory=set)
    skips: dict[str, str] = field(default_factory=dict)
    torn_lines: int = 0
    collected: dict[str, None] = field(default_factory=dict)
    observations: dict[str, tuple[Observation, ...]] = field(default_factory=dict)
    properties: dict[str, tuple[tuple[str, Any], ...]] = field(default_factory=dict)
    running: Running | None = None
    number: int = 1
    last: int | None = None  # how the last process of the log at hand ended
    end: ProcessEnd | None = None  # of the process at hand, once it started a test
    ends: list[ProcessEnd] = field(default_factory=list)
    has_collect_errors: bool = False
    not_started: dict[str, str] = field(default_factory=dict)
    takes_any_peer: bool = False

    def read(self, path: Path, number: int) -> None:
        """Read the log of one worker in one pass; a cell has the first exit code of its workers that is not 0."""
        self.number, worst, self.last, self.end = number, self.exit, None, None
        for line in self._lines(path):
            handler = getattr(self, f"on_{line.get('$report_type')}", None)
            if handler:
                try:
                    handler(line)
                except (KeyError, TypeError, ValueError):
                    self.torn_lines += 1  # JSON by chance, but not a line of ours
        self._close("the log ends in mid-test", Outcome.ERROR, None)
        if number == 1:
            self.exit = worst or self.last if self.last is not None else worst

    def _lines(self, path: Path) -> Iterator[dict[str, Any]]:
        for raw in path.read_bytes().splitlines():
            try:
                line = json.loads(raw)
            except ValueError:
                line = None
            if isinstance(line, dict):
                yield line
            elif raw.strip():
                self.torn_lines += 1

    def on_CellStart(self, line: dict[str, Any]) -> None:  # noqa: N802 - named after the line's kind
        """Begin a process; a test that the process before left open died with it."""
        self._close("the process ended in mid-test", Outcome.ERROR, None)
        self.suite, self.backend, self.end = line["suite"], line["backend"], None
        started = datetime.fromisoformat(line["time"])
        self.started = min(self.started or started, started)
        self.takes_any_peer = self.takes_any_peer or line.get("endpoints") == []

    def on_Collected(self, line: dict[str, Any]) -> None:  # noqa: N802 - named after the line's kind
        """Note what was collected and requested."""
        self.collected.update(dict.fromkeys(line["ids"]))

    def on_Unsupported(self, line: dict[str, Any]) -> None:  # noqa: N802 - named after the line's kind
        """Note a test that is not executed here."""
        self.unsupported[line["id"]] = line["reason"]

    def on_TestStart(self, line: dict[str, Any]) -> None:  # noqa: N802 - named after the line's kind
        """Open an attempt."""
        self._close("the process ended in mid-test", Outcome.ERROR, None)
        started = datetime.fromisoformat(line["time"])
        self.running = Running(line["id"], line["nodeid"], started, line.get("execution", 1))
        self.reported.add(line["id"])
        self.end = self.end or ProcessEnd(self.number, 0)

    def on_TestReport(self, line: dict[str, Any]) -> None:  # noqa: N802 - named after the line's kind
        """Add a phase to the open attempt."""
        self._note_failure(line)
        if self.running is not None and line["nodeid"] == self.running.nodeid:
            self.running.reports.append(line)

    def on_SubTestReport(self, line: dict[str, Any]) -> None:  # noqa: N802 - named after the line's kind
        """Add a sub-test to the open attempt: a failed one fails the test, whatever the test's own report says."""
        self._note_failure(line)
        if self.running is not None and line["nodeid"] == self.running.nodeid:
            self.running.subtests.append(line)

    def on_TimeLimit(self, line: dict[str, Any]) -> None:  # noqa: N802 - named after the line's kind
        """Note that the suite's own time limit is about to end the process, and the open attempt with it."""
        if self.running is not None and line["nodeid"] == self.running.nodeid:
            self.running.time_limit = f"Timeout (>{line['seconds']}s): pytest-timeout ended the process"

    def on_TestEvidence(self, line: dict[str, Any]) -> None:  # noqa: N802 - named after the line's kind
        """Close the attempt with its evidence."""
        if self.running is not None and line["id"] == self.running.id:
            Exchanges(**line["exchanges"])  # raises for a damaged line before anything of it counts
            seen = tuple(Observation(**one) for one in line.get("observations", ()))
            self.running.evidence = line
            self._close("", Outcome.ERROR, datetime.fromisoformat(line["time"]))
            self.observations[line["id"]] = seen

    def on_CellEnd(self, line: dict[str, Any]) -> None:  # noqa: N802 - named after the line's kind
        """Note how pytest ended."""
        self._end(line)

    def on_CollectReport(self, line: dict[str, Any]) -> None:  # noqa: N802 - named after the line's kind
        """Note a module that could not be collected: it explains pytest's exit code."""
        self.has_collect_errors = self.has_collect_errors or line.get("outcome") == "failed"

    def on_NotStarted(self, line: dict[str, Any]) -> None:  # noqa: N802 - named after the line's kind
        """Note why tests have no event."""
        self.not_started.setdefault(line["prefix"], line["why"])

    def _note_failure(self, line: dict[str, Any]) -> None:
        # A failure that a rerun plugin kept from pytest does not explain pytest's exit code.
        if self.end is not None and line.get("outcome") == "failed" and not line.get("nightproof_unreported"):
            self.end = replace(self.end, has_failures=True)

    def on_PytestEnd(self, line: dict[str, Any]) -> None:  # noqa: N802 - named after the line's kind
        """Note that pytest returned, and the exit code that the process is to end with."""
        if self.end is not None:
            self.end = replace(self.end, pytest_exit=int(line["exit"]))

    def on_CellKilled(self, line: dict[str, Any]) -> None:  # noqa: N802 - named after the line's kind
        """Note who ended the process, and charge the test that was running."""
        reason = line["reason"]
        if self.end is not None:
            self.end = replace(self.end, ended_by=reason, is_charged=self.running is not None)
        outcome = Outcome.TIMEOUT if reason == "timer" else Outcome.ERROR
        why = _KILLED.get(reason, f"the process was ended: {reason}")
        if reason == "signal":
            why += f" with exit code {line.get('exit')}"
        self._close(why, outcome, datetime.fromisoformat(line["time"]))

    def on_ProcessExit(self, line: dict[str, Any]) -> None:  # noqa: N802 - named after the line's kind
        """Note the exit code that the runner saw."""
        ended = datetime.fromisoformat(line["time"])
        if line.get("why"):
            # The empty prefix stands for every test.
            self.not_started.setdefault("", line["why"])
        if self.end is not None:
            charged = self.end.is_charged or self.running is not None
            failed = self.end.has_failures or self.has_collect_errors
            self.ends.append(replace(self.end, exit=int(line["exit"]), is_charged=charged, has_failures=failed))
        self.end, self.has_collect_errors = None, False
        self._close(f"the process ended in mid-test with exit code {line['exit']}", Outcome.ERROR, ended)
        self._end(line)

    def _end(self, line: dict[str, Any]) -> None:
        ended = datetime.fromisoformat(line["time"])
        self.ended = max(self.ended or ended, ended)
        self.last = int(line["exit"])

    def _close(self, why: str, outcome: Outcome, ended: datetime | None) -> None:
        running, self.running = self.running, None
        if running is None:
            return
        attempts = self.attempts.setdefault(running.id, [])
        attempt = to_attempt(running, len(attempts) + 1, why, outcome, ended)
        if running.execution > 1 and attempts and attempts[-1].outcome is attempt.outcome is Outcome.PASSED:
            attempt = replace(attempt, n=attempts.pop().n)  # a plugin that wants several passes: the last one counts
        attempts.append(attempt)
        self.skips.pop(running.id, None)
        if attempt.outcome is Outcome.FAILED and (reason := skip_reason(running)):
            self.skips[running.id] = reason
        self.properties.pop(running.id, None)  # those of an earlier attempt, as are the observations
        self.observations.pop(running.id, None)
        if found := noted(running):
            self.properties[running.id] = found

    def result(self) -> CellEvents:
        """Return what was read."""
        return CellEvents(
            suite=self.suite,
            backend=self.backend,
            started=self.started,
            ended=self.ended,
            exit=self.exit,
            attempts={test: tuple(found) for test, found in self.attempts.items()},
            unsupported=self.unsupported,
            reported=frozenset(self.reported),
            skips=self.skips,
            torn_lines=self.torn_lines,
            collected=tuple(self.collected),
            observations=self.observations,
            properties=self.properties,
            ends=tuple(self.ends),
            not_started=self.not_started,
            takes_any_peer=self.takes_any_peer,
        )


_KILLED: Final = {
    "timer": "ended by the cell's kill timer",
    "lifeline": "the harness died and took the process along",
    "cancel": "the night was interrupted",
    "signal": "the process died in mid-test",
}
