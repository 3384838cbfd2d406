"""The summary on the terminal at the end of a night: colour, cause, counts per cell, the report's path."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final

from nightproof.records import Verdict
from nightproof.report import matrix
from nightproof.report import words

if TYPE_CHECKING:
    from nightproof.records import Cell
    from nightproof.records import RunReport

LISTED_TESTS: Final = 10


def render(report: RunReport, report_path: str = "") -> str:
    """Return the summary as plain lines; the colour is a word, so that a log file shows it too."""
    listed = [
        f"  {words.SYMBOLS[test.verdict]} {test.verdict.value:<8} {test.id} [{test.backend}]{' new' * test.new}"
        for test in words.unpassed(report)
    ]
    lines = [
        f"{words.colour_word(report)}: {words.headline(report)}",
        *[_cell(cell) for cell in report.cells],
        *[f"  {line}" for line in matrix.summary(report)],
        *[f"  {line}" for line in words.first_lines(_found(report), LISTED_TESTS)],
        *[f"  {line.strip()}" for line in words.first_lines(listed, LISTED_TESTS)],
        f"  total: {words.totals_line(report.totals)}",
        (
            f"  first attempt {words.fraction(report.pass_rate.first_attempt)}, "
            f"after retry {words.fraction(report.pass_rate.after_retry)}, "
            f"{words.duration((report.ended - report.started).total_seconds())}"
            f"{', ' * bool(words.standing(report))}{words.standing(report)}"
        ),
        *[f"  {line}" for line in words.first_lines([f"repaired {it}" for it in words.repairs(report)], LISTED_TESTS)],
        *[f"  report check: {violation}" for violation in report.reconciliation.violations],
        *([f"  {words.undelivered(report)}"] if report.slack.trouble else []),
        *([f"  report: {report_path}"] if report_path else []),
    ]
    return "\n".join(words.scrub(line) for line in lines) + "\n"


def _found(report: RunReport) -> list[str]:
    answers = [
        f"differs: {one.operation} in {one.test}, step {one.step}"
        for it in report.consistency
        for one in it.differences
    ]
    return [*answers, *[f"finding {it.kind} [{it.backend}]: {it.detail}" for it in report.findings]]


def _cell(cell: Cell) -> str:
    counts = [(verdict.value, getattr(cell, verdict.value)) for verdict in Verdict]
    told = ", ".join(f"{number} {name}" for name, number in counts if number)
    return f"  {cell.suite} on {cell.backend}: {cell.declared} declared: {told or 'none'}"
