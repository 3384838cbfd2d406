"""SQL statements with their expected results; Tabulator and Glue tables over the same rows must agree."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from suites._support.athena import Ended
    from suites._support.rows import Row

HALF: Final = 0.5
EVERY: Final = 3
BELOW: Final = 1500
KINDS: Final[dict[str, Callable[[str], Any]]] = {"bigint": int, "integer": int, "double": float}


@dataclass(frozen=True)
class Data:
    """The rows of all packages, each with its batch and its package."""

    found: list[tuple[Row, str, str]]

    @property
    def rows(self) -> list[Row]:
        """Return the rows without batch and package."""
        return [row for row, _, _ in self.found]

    @property
    def values(self) -> list[float]:
        """Return the values of all rows."""
        return [row.value for row in self.rows]

    def batches(self) -> dict[str, list[Row]]:
        """Return the rows by batch, batches ascending."""
        found: defaultdict[str, list[Row]] = defaultdict(list)
        for row, batch, _ in self.found:
            found[batch].append(row)
        return dict(sorted(found.items()))


@dataclass(frozen=True)
class Statement:
    """One statement; `Sides` fills in its placeholders, `columns` maps names to types of the result."""

    name: str
    sql: str
    columns: dict[str, str]
    expected: Callable[[Data], list[list[Any]]]
    options: dict[str, Any] = field(default_factory=dict)


def _figures(data: Data) -> list[list[Any]]:
    return [[sum(data.values), min(data.values), max(data.values), statistics.fmean(data.values)]]


def _numbered(data: Data) -> list[list[Any]]:
    places = {row.id: place for found in data.batches().values() for place, row in enumerate(found, start=1)}
    return [[number, places[number]] for number in sorted(places)]


def cells(ended: Ended) -> list[list[Any]]:
    """Return the rows of a result, with numbers as numbers."""
    kinds = [KINDS.get(column["Type"], str) for column in ended.columns]
    return [[kind(str(cell)) for kind, cell in zip(kinds, row, strict=True)] for row in ended.rows]


def split(found: list[list[Any]]) -> tuple[list[list[Any]], list[float]]:
    """Return the rows with floats replaced by None, to be equal, and the floats, to be nearly equal."""
    exact = [[None if isinstance(cell, float) else cell for cell in row] for row in found]
    return exact, [cell for row in found for cell in row if isinstance(cell, float)]


STATEMENTS: Final = (
    Statement("count", "SELECT count(*) AS n FROM {own}", {"n": "bigint"}, lambda data: [[len(data.rows)]]),
    Statement(
        "figures",
        "SELECT sum(value) AS total, min(value) AS least, max(value) AS most, avg(value) AS mean FROM {own}",
        dict.fromkeys(("total", "least", "most", "mean"), "double"),
        _figures,
    ),
    Statement(
        "batches",
        "SELECT batch, count(*) AS n, avg(value) AS mean FROM {own} GROUP BY batch ORDER BY batch",
        {"batch": "varchar", "n": "bigint", "mean": "double"},
        lambda data: [[b, len(r), statistics.fmean(row.value for row in r)] for b, r in data.batches().items()],
    ),
    Statement(
        "where",
        "SELECT id FROM {own} WHERE value > 0.5 AND id % 3 = 0 ORDER BY id",
        {"id": "integer"},
        lambda data: [[row.id] for row in data.rows if row.value > HALF and row.id % EVERY == 0],
    ),
    Statement(
        "window",
        "SELECT id, row_number() OVER (PARTITION BY batch ORDER BY id) AS place FROM {own} ORDER BY id",
        {"id": "integer", "place": "bigint"},
        _numbered,
    ),
    Statement(
        "join",
        "SELECT count(*) AS n, sum(a.id - b.id) AS apart FROM {plain} a JOIN {other} b ON a.id = b.id",
        {"n": "bigint", "apart": "bigint"},
        lambda data: [[len(data.rows), 0]],
    ),
    Statement(
        "packages",
        "SELECT DISTINCT {pkg} AS package FROM {own} ORDER BY 1",
        {"package": "varchar"},
        lambda data: [[name] for name in sorted({package for _, _, package in data.found})],
    ),
    Statement(
        "offset",
        "SELECT id, name, value FROM {own} ORDER BY id OFFSET 1000 LIMIT 100",
        {"id": "integer", "name": "varchar", "value": "double"},
        lambda data: [[row.id, row.name, row.value] for row in data.rows[1000:1100]],
    ),
    Statement(
        "parameter",
        "SELECT count(*) AS n FROM {own} WHERE id < ?",
        {"n": "bigint"},
        lambda data: [[len([row for row in data.rows if row.id < BELOW])]],
        options={"ExecutionParameters": [str(BELOW)]},
    ),
)
