"""Tabulator tables in Athena: rows of the latest revisions, for the tables, packages and rights of the moment."""

# ruff: noqa: S608 - assembled statements are what is tested here

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.testbed.athena.querying import WORK

if TYPE_CHECKING:
    from tests.testbed.athena.tabulating import Tabulating

SCHEMA = "id INT, name STRING"
CSV = b"id,name\n1,a\n2,b\n"


def parquet(**columns: list[object]) -> bytes:
    """Return a Parquet file of the columns."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def test_rows_come_with_where_they_are_from(tabulating: Tabulating) -> None:
    """Rows hold the schema, the named groups and the added columns.

    They come from matching files of every matching package.
    """
    first = tabulating.push("red", {"x-1.csv": CSV, "notes.txt": b"no"})
    second = tabulating.push("blue", {"y-2.csv": b"id,name\n3,\n"})
    table = tabulating.table(SCHEMA, r"^(?P<letter>[a-z])-\d[.]csv$")
    rows = tabulating.asking.rows(f"SELECT * FROM {table} ORDER BY id")
    assert [row[:5] for row in rows] == [
        ["1", "a", "red", "x", tabulating.name("red")],
        ["2", "b", "red", "x", tabulating.name("red")],
        ["3", None, "blue", "y", tabulating.name("blue")],
    ]
    assert [(row[5], row[7], row[8]) for row in rows] == [
        ("x-1.csv", first, None), ("x-1.csv", first, None), ("y-2.csv", second, None),
    ]  # fmt: skip
    assert str(rows[2][6]).startswith(f"s3://{WORK}/{tabulating.own}/y-2.csv?versionId=")


def test_a_change_is_seen_at_once(tabulating: Tabulating) -> None:
    """The next query sees a new revision, a changed table, a deleted package and a removed table."""
    tabulating.push("p", {"a.csv": CSV})
    table = tabulating.table(SCHEMA)
    count = f"SELECT count(*) FROM {table}"
    assert tabulating.asking.row(count) == ["2"]
    tabulating.push("p", {"a.csv": CSV, "b.csv": CSV})
    assert tabulating.asking.row(count) == ["4"]
    name = table.rsplit('"', 2)[1]
    tabulating.table(SCHEMA, "^b", name=name)
    assert tabulating.asking.row(count) == ["2"]
    tabulating.delete("p")
    assert tabulating.asking.row(count) == ["0"]
    tabulating.put(name, None)
    assert "TABLE_NOT_FOUND" in tabulating.asking.reason(count)


def test_a_package_names_a_version(tabulating: Tabulating) -> None:
    """An object overwritten after the push is read as it was pushed. A missing object fails the query."""
    kept = tabulating.entry("a.csv", CSV)
    tabulating.entry("a.csv", b"id,name\n9,z\n")
    tabulating.push("p", {}, kept)
    table = tabulating.table(SCHEMA)
    assert tabulating.asking.rows(f"SELECT name FROM {table} ORDER BY id") == [["a"], ["b"]]
    lost = kept | {"logical_key": "b.csv", "physical_keys": [f"s3://{WORK}/{tabulating.own}/none.csv"]}
    tabulating.push("p", {}, kept, lost)
    assert "none.csv: there is no such object" in tabulating.asking.reason(f"SELECT * FROM {table}")


def test_types_are_as_declared(tabulating: Tabulating) -> None:
    """A CSV without a header and with another delimiter is read by position, with the declared types."""
    tabulating.push("p", {"a.tsv": b"true\t7\t1.5\t2024-02-03\t2024-02-03 04:05:06\tx y\n"})
    schema = "b BOOLEAN, i SMALLINT, d DOUBLE, day DATE, t TIMESTAMP, s STRING"
    table = tabulating.table(schema, "tsv$", '{format: csv, delimiter: "\\t"}')
    row = tabulating.asking.row(f"SELECT b, i, d, day, t, s, typeof(i) FROM {table}")
    assert row == ["true", "7", "1.5", "2024-02-03", "2024-02-03 04:05:06.000", "x y", "smallint"]


def test_parquet_is_read_by_name(tabulating: Tabulating) -> None:
    """Parquet columns match by name in any case and order. A missing one is NULL and noted in `$issue`."""
    tabulating.push("p", {"a.parquet": parquet(NAME=["a"], extra=[1], id=[5])})
    table = tabulating.table("id INT, name STRING, gone DATE", "parquet$", "{format: parquet}")
    assert tabulating.asking.rows(f'SELECT id, name, gone, "$issue" FROM {table}') == [
        ["5", "a", None, "missing: gone"]
    ]


def test_a_short_line_leaves_the_last_columns_null(tabulating: Tabulating) -> None:
    """A CSV with fewer fields than the schema has NULLs and a note in `$issue`. An empty one has no rows."""
    tabulating.push("p", {"a.csv": b"id\n4\n", "b.csv": b""})
    table = tabulating.table(SCHEMA)
    assert tabulating.asking.rows(f'SELECT id, name, "$issue" FROM {table}') == [["4", None, "missing: name"]]


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"bad.csv": b"id,name\nx,a\n"}, "Could not convert string"),
        ({"bad.csv": b"id,name\n1,a\n2\n"}, "Expected Number of Columns"),
        ({"bad.csv": b"id,name\n,a\n"}, "the column id may not be null"),
    ],
)
def test_a_broken_file_fails_the_query_or_is_noted(tabulating: Tabulating, files: dict[str, bytes], why: str) -> None:
    """A broken file fails the query. With `continue_on_error` it is one row of defaults with the error in `$issue`."""
    tabulating.push("p", files | {"good.csv": CSV})
    strict = tabulating.table(SCHEMA)
    config = tabulating.catalog.sql("SELECT config FROM tabulator_tables WHERE name = ?", strict.rsplit('"', 2)[1])[0][
        0
    ]
    needs = config.replace("type: INT}", "type: INT, nullable: false}")
    tabulating.put("needs_id", needs)
    tabulating.put("lenient", f"{needs}continue_on_error: true\n")
    assert why in tabulating.asking.reason(f"SELECT * FROM {tabulating.place('needs_id')}")
    rows = tabulating.asking.rows(f'SELECT id, name, "$issue" FROM {tabulating.place("lenient")} ORDER BY 1')
    assert rows[0][:2] == ["0", None]
    assert why in str(rows[0][2])
    assert rows[1:] == [["1", "a", None], ["2", "b", None]]


def test_a_column_that_is_needed_must_be_there(tabulating: Tabulating) -> None:
    """A Parquet file that is invalid or lacks a required column fails the query, or is one row with an issue."""
    tabulating.push("p", {"a.parquet": parquet(name=["a"]), "b.parquet": b"no"})
    config = (
        "schema: [{name: day, type: DATE, nullable: false}, {name: s, type: STRING, nullable: false}]\n"
        f"source: {{type: quilt-packages, package_name: ^{tabulating.own}-, logical_key: parquet$}}\n"
        "parser: {format: parquet}\n"
    )
    tabulating.put("strict", config)
    tabulating.put("lenient", f"{config}continue_on_error: true\n")
    assert "the column day is missing" in tabulating.asking.reason(f"SELECT * FROM {tabulating.place('strict')}")
    rows = tabulating.asking.rows(f'SELECT day, s, "$issue" FROM {tabulating.place("lenient")} ORDER BY "$logical_key"')
    assert [row[:2] for row in rows] == [["1970-01-01", ""]] * 2
    assert "the column day is missing" in str(rows[0][2])


def test_damaged_packages_fail_the_query(tabulating: Tabulating) -> None:
    """A missing or unreadable manifest, or an entry outside S3, fails the query."""
    top_hash = tabulating.push("p", {"a.csv": CSV}, tabulating.entry("b.csv", CSV) | {"physical_keys": ["file:///b"]})
    query = f"SELECT * FROM {tabulating.table(SCHEMA)}"
    assert "lies elsewhere" in tabulating.asking.reason(query)
    s3, key = tabulating.catalog.s3, f".quilt/packages/{top_hash}"
    s3.put_object(Bucket=WORK, Key=key, Body=b"{")
    assert "cannot be read" in tabulating.asking.reason(query)
    s3.delete_object(Bucket=WORK, Key=key)
    assert "has no manifest" in tabulating.asking.reason(query)
