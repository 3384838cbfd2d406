"""The support matrix for the writers: a row per category and file, a column per backend; and the comparisons."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final

from nightproof.quilt import DIFFERENCES
from nightproof.records import Verdict
from nightproof.report import words
from nightproof.side_by_side import Support

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nightproof.quilt.differences import Difference as Allowed
    from nightproof.records import RunReport
    from nightproof.side_by_side import Consistency
    from nightproof.side_by_side import SupportRow

QUILT: Final = frozenset({"quilt3", "platform"})
SYMBOLS: Final = {
    Support.NOT_RUN: "?",
    Support.FAILING: "✗",
    Support.TIMING_OUT: "⧖",
    Support.FLAKY: "≈",
    Support.BY_DESIGN: "–",
    Support.UNSUPPORTED: "∅",
    Support.PASS: "✓",
}
# The verdict whose colour a status has on the page.
STYLES: Final = {
    Support.NOT_RUN: "not_run",
    Support.FAILING: "failed",
    Support.TIMING_OUT: "timeout",
    Support.FLAKY: "flaky",
    Support.BY_DESIGN: "unsupported",
    Support.UNSUPPORTED: "unsupported",
    Support.PASS: "passed",
}
SLOW_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Table:
    """The matrix of one suite: each row is a name and one cell per backend, None if nothing is declared."""

    suite: str
    backends: tuple[str, ...]
    categories: tuple[tuple[str, tuple[SupportRow | None, ...]], ...]
    files: tuple[tuple[str, tuple[SupportRow | None, ...]], ...]
    allowed: tuple[Allowed, ...]


def tables(report: RunReport) -> tuple[Table, ...]:
    """Return the matrix of every suite, in the order of the cells."""
    backends: dict[str, list[str]] = {}
    for cell in report.cells:
        backends.setdefault(cell.suite, []).append(cell.backend)
    return tuple(_table(report, suite, tuple(names)) for suite, names in backends.items())


def several(report: RunReport) -> tuple[Table, ...]:
    """Return the matrices of suites with more than one backend."""
    return tuple(table for table in tables(report) if len(table.backends) > 1 and table.categories)


def _table(report: RunReport, suite: str, backends: tuple[str, ...]) -> Table:
    rows = [row for row in report.support if row.suite == suite]
    return Table(
        suite,
        backends,
        _lines([row for row in rows if row.file is None], backends),
        _lines([row for row in rows if row.file is not None], backends),
        DIFFERENCES if frozenset(backends) == QUILT else (),
    )


def _lines(
    rows: Sequence[SupportRow], backends: tuple[str, ...]
) -> tuple[tuple[str, tuple[SupportRow | None, ...]], ...]:
    found: dict[tuple[str, str], dict[str, SupportRow]] = {}
    for row in rows:
        found.setdefault((row.file or "", row.category), {})[row.backend] = row
    return tuple(
        (file or category, tuple(cells.get(name) for name in backends)) for (file, category), cells in found.items()
    )


def counted(row: SupportRow) -> str:
    """Return how many tests passed, and how many are left out as unsupported."""
    return f"{row.passed}/{row.total}" + (f" + {row.unsupported} unsupported" if row.unsupported else "")


def timed(row: SupportRow) -> str:
    """Return the median time, and the slowest request as the servers measured it."""
    parts = [f"median {words.duration(row.median_s)}"] if row.median_s is not None else []
    server = row.worst_server_ms
    if server is not None:
        is_slow = server > SLOW_MS
        parts.append(
            f"slow: worst answer {words.duration(server / 1000)}" if is_slow else f"worst answer {server:.0f} ms"
        )
    return ", ".join(parts)


def statuses(report: RunReport) -> Counter[str]:
    """Return the number of categories per status over all suites, as the page shows them."""
    return Counter(row.status.value for row in report.support if row.file is None)


def compared(one: Consistency) -> str:
    """Return the result of comparing two backends as one sentence."""
    return (
        f"{one.suite}: {' and '.join(one.backends)} gave {one.equal} equal and {one.differs} different answers, "
        f"{one.one_side} more on one side only, in {one.tests} tests."
    )


def reasons(report: RunReport) -> list[tuple[str, int]]:
    """Return the reasons of unsupported tests as sentences, with the number of tests, most frequent first."""
    found = Counter(test.reason for test in report.tests if test.verdict is Verdict.UNSUPPORTED)
    return [(f"{it}: {report.reasons[it]}" if it in report.reasons else it, n) for it, n in found.most_common()]


def summary(report: RunReport) -> list[str]:
    """Return the lines for a terminal: the statuses per suite and backend, and the comparison."""
    lines = []
    for table in several(report):
        told = []
        for backend, column in zip(
            table.backends, zip(*(row for _, row in table.categories), strict=True), strict=True
        ):
            found = Counter(cell.status for cell in column if cell)
            told.append(f"{backend} " + ", ".join(f"{found[one]} {one.value}" for one in Support if found[one]))
        lines.append(f"support of {table.suite}, by category: {'; '.join(told)}")
    return [*lines, *(compared(one) for one in report.consistency)]


def figure(value: float) -> str:
    """Return a test's figure with six significant digits."""
    return f"{value:.6g}"
