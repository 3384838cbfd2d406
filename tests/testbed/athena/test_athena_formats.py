"""Tables of each format that Glue can describe, with partitions, nested types and missing columns."""

# ruff: noqa: S608 - assembled statements are what is tested here

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.testbed.athena.querying import DATABASE
from tests.testbed.athena.querying import WORK
from tests.testbed.athena.querying import Querying
from tests.testbed.athena.querying import as_root

OPEN_CSV = "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' WITH SERDEPROPERTIES ('separatorChar' = ';')"
JSON = "ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'"
TABS = r"ROW FORMAT DELIMITED FIELDS TERMINATED BY '\t'"
INPUT = "STORED AS INPUTFORMAT '{0}TextInputFormat' OUTPUTFORMAT '{0}x'".format("org.apache.hadoop.mapred.")


def make(asking: Querying, stem: str, columns: str, clauses: str) -> str:
    """Create a table over the objects under `<folder>/<stem>` and return its name."""
    name = asking.name(stem)
    asking.run(
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {name} ({columns}) {clauses}"
        f" LOCATION 's3://{WORK}/{asking.folder}/{stem}'"
    )
    return name


@pytest.mark.parametrize(
    ("stem", "body", "clauses", "expected"),
    [
        ("lazy", b"1\x01a\x01x\n2\x01\x01\n", "", [["1", "a", None], ["2", "", None]]),
        ("tabs", b"1\ta\t2.5\nx\t\\N\t3\n", TABS, [["1", "a", "2.5"], [None, None, "3.0"]]),
        ("text", b"1\x01a\x012\n", "STORED AS TEXTFILE", [["1", "a", "2.0"]]),
        ("input", b"1\x01a\x012\n", INPUT, [["1", "a", "2.0"]]),
        ("open", b'1;"a;""b""";2.5\n2;;\n', OPEN_CSV, [["1", 'a;"b"', "2.5"], ["2", "", None]]),
        ("json", b'{"id": 1, "name": "a"}\n{"id": 2, "value": 1e7}\n', JSON, [["1", "a", None], ["2", None, "1.0E7"]]),
        ("empty", b"", "STORED AS PARQUET", []),
    ],
)
def test_text_formats(asking: Querying, stem: str, body: bytes, clauses: str, expected: list[list[str | None]]) -> None:
    """Each text format reads as in Hive: a value that does not fit the column's type is NULL."""
    asking.put(f"{stem}/data", body)
    name = make(asking, stem, "id int COMMENT 'key', name string, value double", clauses)
    assert asking.rows(f"SELECT * FROM {name}") == expected


def test_parquet_columns_go_by_name(asking: Querying) -> None:
    """Parquet columns are matched by name.

    One missing from some or all objects is NULL, and nested values print as in Athena.
    """
    for number, extra in ((1, {}), (2, {"late": pa.array(["z"])})):
        table = pa.table(
            {
                "flag": pa.array([True]),
                "id": pa.array([number], pa.int32()),
                "tags": pa.array([["a", "b"]]),
                "point": pa.array([{"x": 1, "y": "q"}]),
                "price": pa.array([number / 4], pa.float64()),
            }
            | extra
        )
        file = io.BytesIO()
        pq.write_table(table, file)
        asking.put(f"parquet/{number}.parquet", file.getvalue())
    columns = (
        "id bigint, tags array<string>, point struct<x:int,y:string>, late string, absent date, price decimal(5,2)"
    )
    name = make(asking, "parquet", columns, "STORED AS PARQUET")
    assert asking.rows(f"SELECT id, tags, point, late, absent, price, point.y FROM {name} ORDER BY id") == [
        ["1", "[a, b]", "{x=1, y=q}", None, None, "0.25", "q"],
        ["2", "[a, b]", "{x=1, y=q}", "z", None, "0.50", "q"],
    ]
    assert asking.rows(f"DESCRIBE {name}")[2] == ["point", "struct<x:int,y:string>", ""]


def test_partitions_give_their_values(asking: Querying) -> None:
    """A query reads the partitions that Glue knows, wherever they lie, with their values.

    A table without any is empty.
    """
    name = make(asking, "parts", "id int", "PARTITIONED BY (day date, kind string)")
    assert asking.rows(f"SELECT * FROM {name}") == []
    glue = as_root(asking.target).client("glue")
    for day, kind in (("2024-01-01", "a"), ("2024-01-02", "b")):
        location = asking.put(f"elsewhere/{kind}/x", b"1\n2\n").removesuffix("x")
        partition = {"Values": [day, kind], "StorageDescriptor": {"Location": location}}
        glue.create_partition(DatabaseName=DATABASE, TableName=name, PartitionInput=partition)
    assert asking.rows(f"SELECT day, kind, sum(id) FROM {name} WHERE day > DATE '2024-01-01' GROUP BY 1, 2") == [
        ["2024-01-02", "b", "3"]
    ]
    assert asking.row(f'SELECT count(DISTINCT "$path"), count(*) FROM {name}') == ["2", "4"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Parameters": {"projection.enabled": "true"}}, "Partition projection"),
        ({"StorageDescriptor": {"Columns": [{"Name": "a", "Type": "nonsense<"}]}}, "The column type `nonsense<`"),
        ({"StorageDescriptor": {"Columns": []}}, "has no columns"),
        (
            {"StorageDescriptor": {"InputFormat": "org.apache.hadoop.hive.ql.io.orc.OrcInputFormat"}},
            "The format of table",
        ),
        ({"StorageDescriptor": {"Location": "file:///etc/"}}, "no S3 location"),
        ({"StorageDescriptor": {"Location": f"s3://no-such-{'b' * 20}/x/"}}, "Access denied on S3 path"),
        ({"StorageDescriptor": {"Location": f"s3://{WORK}/odd-keys/"}}, "A key with one of * ? ["),
    ],
)
def test_a_table_that_cannot_be_read_says_why(asking: Querying, changes: dict[str, Any], reason: str) -> None:
    """A table description that this engine does not support fails the query with the reason."""
    glue, name = asking.client("glue"), asking.name("foreign")
    asking.client("s3").put_object(Bucket=WORK, Key="odd-keys/[a]*", Body=b"1\n")
    storage = {
        "Columns": [{"Name": "a", "Type": "decimal"}],
        "Location": asking.put("foreign/x", b"1\n").removesuffix("x"),
        "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    }
    table = {"Name": name, "StorageDescriptor": storage}
    glue.create_table(DatabaseName=DATABASE, TableInput=table)
    try:
        assert asking.rows(f"SELECT * FROM {name}") == [["1"]]
        storage |= changes.get("StorageDescriptor", {})
        glue.update_table(DatabaseName=DATABASE, TableInput=table | {"Parameters": changes.get("Parameters", {})})
        assert reason in asking.reason(f"SELECT * FROM {name}")
    finally:
        glue.delete_table(DatabaseName=DATABASE, Name=name)
