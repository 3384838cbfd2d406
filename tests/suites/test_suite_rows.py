"""Generated rows, and SQL statements with the results expected for those rows."""

from __future__ import annotations

from suites._support.rows import as_csv
from suites._support.rows import filler
from suites._support.rows import generated
from suites._support.statements import STATEMENTS
from suites._support.statements import Data
from suites._support.statements import split


def test_rows_depend_on_their_text_and_number_alone() -> None:
    """Rows depend only on their text and number: the same text yields the same rows from any offset."""
    whole = generated("a", 0, 10)
    assert generated("a", 4, 6) == whole[4:]
    assert [row.value for row in generated("b", 0, 10)] != [row.value for row in whole]
    assert all(0 <= row.value < 1 for row in whole)


def test_csv_gives_values_back_exactly() -> None:
    """CSV keeps every decimal of a value, so that it parses to the same float."""
    rows = generated("a", 7, 3)
    lines = as_csv(rows).decode().splitlines()
    assert lines[0] == "id,name,value"
    assert [float(line.split(",")[2]) for line in lines[1:]] == [row.value for row in rows]


def test_filler_has_its_size() -> None:
    """Filler has exactly the requested length and is the same on every call."""
    assert len(filler("a", 1000)) == 1000
    assert filler("a", 1000) == filler("a", 2000)[:1000]


def test_statements_expect_rows_of_their_columns() -> None:
    """Every statement expects at least one row, each with a cell for every column."""
    data = Data([(row, batch, f"p/{row.id % 3}") for batch in ("x", "y") for row in generated(batch, 999, 600)])
    for statement in STATEMENTS:
        expected = statement.expected(data)
        assert expected, statement.name
        assert {len(row) for row in expected} == {len(statement.columns)}, statement.name


def test_floats_are_taken_apart() -> None:
    """`split` moves floats into a list of their own and leaves None in their cells."""
    assert split([[1, "a", 0.5], [2, "b", 1.5]]) == ([[1, "a", None], [2, "b", None]], [0.5, 1.5])
