"""Values print, and types are named, as in Athena."""

from __future__ import annotations

from datetime import UTC
from datetime import date
from datetime import datetime
from datetime import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.athena.values import column_info
from testbed.athena.values import double
from testbed.athena.values import hive_type
from testbed.athena.values import text


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (None, None),
        (True, "true"),
        (12, "12"),
        ("a", "a"),
        (Decimal("1.50"), "1.50"),
        (0.0, "0.0"),
        (1.5, "1.5"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (-1.25e10, "-1.25E10"),
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (date(2024, 1, 2), "2024-01-02"),
        (datetime(2024, 1, 2, 3, 4, 5, 678901), "2024-01-02 03:04:05.678"),  # noqa: DTZ001 - as DuckDB gives it
        (datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02 00:00:00.000 UTC"),
        (time(1, 2, 3), "01:02:03.000"),
        (b"hi", "68 69"),
        ([1, None, [True]], "[1, null, [true]]"),
        ({"a": 1, "b": None}, "{a=1, b=null}"),
    ],
)
def test_a_value_prints(value: Any, printed: str | None) -> None:
    """A value prints as in Athena: a top-level NULL has no text, a nested one is the word null."""
    assert text(value) == printed


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_printed_double_reads_back_as_itself(value: float) -> None:
    """A printed double parses back to the same value."""
    assert float(double(value)) == value


@pytest.mark.parametrize(
    ("duckdb", "athena", "hive"),
    [
        ("INTEGER", "integer", "int"),
        ("HUGEINT", "bigint", "bigint"),
        ("VARCHAR", "varchar", "string"),
        ("DECIMAL(10,2)", "decimal", "decimal(10,2)"),
        ("TIMESTAMP", "timestamp", "timestamp"),
        ("TIMESTAMP_NS", "timestamp", "timestamp"),
        ("BLOB", "varbinary", "binary"),
        ("INTEGER[][]", "array", "array<array<int>>"),
        ("INTEGER[3]", "array", "array"),
        ("UUID", "varchar", "string"),
    ],
)
def test_a_type_has_its_names(duckdb: str, athena: str, hive: str) -> None:
    """A type has one name in results and one in Glue."""
    assert column_info("c", duckdb)["Type"] == athena
    assert hive_type(duckdb) == hive


def test_a_decimal_says_its_digits() -> None:
    """A decimal column's metadata holds precision and scale."""
    info = column_info("c", "DECIMAL(10,2)")
    assert (info["Precision"], info["Scale"], info["Nullable"]) == (10, 2, "UNKNOWN")
