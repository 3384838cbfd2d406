"""The results of a proof: one line per question in a file, so that a later call skips killed tests."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path  # noqa: TC003 - annotations stay usable at run time
from typing import TYPE_CHECKING
from typing import Final

from pydantic import ConfigDict
from pydantic import TypeAdapter
from pydantic import ValidationError
from pydantic.dataclasses import dataclass as record

from nightproof.evidence.private import private_file
from nightproof.evidence.private import private_folder
from nightproof.prove.plan import Ask  # noqa: TC001 - pydantic resolves annotations at run time

if TYPE_CHECKING:
    from collections.abc import Iterable


class Status(StrEnum):
    """The result for one defect and one test on one backend."""

    KILLED = "killed"  # green without the defect, red with it, green again
    ALIVE = "alive"  # green with the defect: the test proves nothing here
    UNPROVEN = "unproven"  # red without the defect too
    ABSENT = "absent"  # the table names a test that no suite has
    UNTESTED = "untested"  # it could not be run


@record(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class Result:
    """The answer to one question; `verdict` and `reason` are the test's own, `run_id` leads to its logs."""

    ask: Ask
    status: Status
    verdict: str = ""
    reason: str = ""
    run_id: str = ""


LINE: Final = TypeAdapter(Result)


class Results:
    """The append-only results file; the last line of a question counts, a torn line is ignored."""

    def __init__(self, path: Path, *, fresh: bool) -> None:
        self._path = path
        private_folder(path.parent)
        if fresh:
            path.unlink(missing_ok=True)
        self.found: dict[Ask, Result] = {}
        for line in path.read_bytes().splitlines() if path.exists() else ():
            try:
                result = LINE.validate_json(line)
            except ValidationError:
                continue
            self.found[result.ask] = result

    def is_killed(self, ask: Ask) -> bool:
        """Return whether the defect already killed the test."""
        return ask in self.found and self.found[ask].status is Status.KILLED

    def add(self, result: Result) -> None:
        """Append one result, in one write."""
        self.found[result.ask] = result
        with private_file(self._path).open("ab") as file:
            file.write(LINE.dump_json(result) + b"\n")


@dataclass(frozen=True, slots=True)
class Summary:
    """The results of all questions; `earlier` is the number that come from an earlier call."""

    results: tuple[Result, ...]
    earlier: int
    seconds: float

    @property
    def counts(self) -> Counter[Status]:
        """The number of results of each status."""
        return Counter(result.status for result in self.results)

    @property
    def is_proven(self) -> bool:
        """Return whether there are results and every one is KILLED."""
        return bool(self.results) and self.counts[Status.KILLED] == len(self.results)

    @property
    def sentence(self) -> str:
        """The result in one line."""
        counts = self.counts
        killed, alive, total = counts[Status.KILLED], counts[Status.ALIVE], len(self.results)
        return f"{killed} of {total} killed, {alive} alive, {total - killed - alive} untested"

    def as_data(self) -> dict[str, object]:
        """Return the summary as JSON data."""
        lines = [asdict(result.ask) | {"status": result.status.value, "verdict": result.verdict,
                 "reason": result.reason, "run_id": result.run_id} for result in self.results]  # fmt: skip
        counts = {status.value: self.counts[status] for status in Status}
        head = {"sentence": self.sentence, "counts": counts, "earlier": self.earlier, "seconds": self.seconds}
        return head | {"results": lines}


def write(summary: Summary, folder: Path) -> None:
    """Write the summary as JSON and as a Markdown table."""
    private_file(folder / "prove.json").write_text(json.dumps(summary.as_data(), indent=2) + "\n", encoding="utf-8")
    private_file(folder / "prove.md").write_text(markdown(summary), encoding="utf-8")


def markdown(summary: Summary) -> str:
    """Return the Markdown table, surviving tests first."""
    counts = ", ".join(f"{summary.counts[status]} {status.value}" for status in Status)
    took = f"{summary.seconds:.0f} s, {summary.earlier} results from an earlier call."
    head = ["# Suite proof", "", f"{summary.sentence}: {counts}. {took}", ""]
    head += ["| defect | test | backend | status | verdict | reason |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(_row(result) for result in ordered(summary.results))]) + "\n"


def text(summary: Summary) -> str:
    """Return a line per surviving or untested result, and the counts as the last line."""
    open_ones = [result for result in ordered(summary.results) if result.status is not Status.KILLED]
    return "\n".join([*(_line(result) for result in open_ones), summary.sentence])


def _line(result: Result) -> str:
    why = f": {' '.join(result.reason.splitlines())}" if result.reason else ""
    return f"{result.status.value} {result.ask.defect} {result.ask.test} {result.ask.backend}{why}"


def ordered(results: Iterable[Result]) -> list[Result]:
    """Return the results sorted: not killed first, then by defect and test."""
    return sorted(results, key=lambda result: (result.status is Status.KILLED, result.ask))


def _row(result: Result) -> str:
    cells = (
        result.ask.defect, result.ask.test, result.ask.backend, result.status.value, result.verdict, result.reason
    )  # fmt: skip
    return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in cells)} |"
