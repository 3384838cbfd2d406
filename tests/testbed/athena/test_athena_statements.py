"""Every statement that must work does, over real objects, with boto3 and with pyathena."""

# ruff: noqa: S608 - assembled statements are what is tested here

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pyathena
import pytest
from pyathena.pandas.cursor import PandasCursor

from tests.testbed.athena.querying import DATABASE
from tests.testbed.athena.querying import ROWS
from tests.testbed.athena.querying import SCRATCH
from tests.testbed.athena.querying import WORK
from tests.testbed.athena.querying import WORKGROUP
from tests.testbed.athena.querying import Querying

if TYPE_CHECKING:
    from collections.abc import Iterator

LAST_OF_EACH = """
WITH r AS (SELECT name, id, row_number() OVER (PARTITION BY name ORDER BY id DESC) AS k FROM {t})
SELECT name, id FROM r WHERE k = 1 ORDER BY name
"""
N1 = [row for row in ROWS if row[1] == "n1"]


@pytest.fixture
def connection(asking: Querying, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Yield a pyathena connection.

    Its data frames use a second client, which reads the endpoint from the environment.
    """
    monkeypatch.setenv("AWS_ENDPOINT_URL", asking.url)
    made = pyathena.connect(
        endpoint_url=asking.url,
        region_name="us-east-1",
        work_group=WORKGROUP,
        schema_name=DATABASE,
        aws_access_key_id=asking.keys["access_key_id"],
        aws_secret_access_key=asking.keys["secret_access_key"],
        poll_interval=0.02,
    )
    yield made
    made.close()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT count(*) FROM {t}", [["40"]]),
        ('SELECT count(*) FROM "quilt_mcp_test_db"."{t}"', [["40"]]),
        ('SELECT count(*) FROM "AwsDataCatalog"."quilt_mcp_test_db"."{t}"', [["40"]]),
        ("SELECT name, approx_distinct(name) FROM {t} GROUP BY name ORDER BY name", [[f"n{i}", "1"] for i in range(3)]),
        ("SELECT DISTINCT date_trunc('month', ts) FROM {t}", [["2024-01-01 00:00:00.000"]]),
        ("SELECT date_format(ts, '%Y/%m/%d %H:%i') FROM {t} WHERE id = 3", [["2024/01/04 10:00"]]),
        ("SELECT max_by(name, value), min_by(id, value) FROM {t}", [["n0", "0"]]),
        ("SELECT json_extract_scalar(j, '$.x') FROM {t} WHERE id = 7", [["y7"]]),
        ("SELECT cardinality(ARRAY[1, 2, 3]), cardinality(MAP(ARRAY['a'], ARRAY[1]))", [["3", "1"]]),
        ("SELECT element_at(ARRAY[5, 6], 2), element_at(MAP(ARRAY['a'], ARRAY[1]), 'a')", [["6", "1"]]),
        ("SELECT element_at(MAP(ARRAY['a'], ARRAY[1]), 'b')", [[None]]),
        ("SELECT n FROM UNNEST(ARRAY[1, 2]) AS u(n)", [["1"], ["2"]]),
        ("SELECT id, n FROM {t} CROSS JOIN UNNEST(ARRAY['a', 'b']) AS u(n) WHERE id = 1", [["1", "a"], ["1", "b"]]),
        (
            LAST_OF_EACH,
            [["n0", "39"], ["n1", "37"], ["n2", "38"]],
        ),
        ("WITH r AS (SELECT id, lag(id) OVER (ORDER BY id) l FROM {t}) SELECT id, l FROM r WHERE id = 5", [["5", "4"]]),
        ("SELECT count(*) FROM {t} WHERE regexp_like(name, '^n[12]$')", [["26"]]),
        ("SELECT count_if(id > 9) FROM {t}", [["30"]]),
        ("SELECT from_unixtime(0), typeof(count(*)) FROM {t}", [["1970-01-01 00:00:00.000 UTC", "bigint"]]),
        ("SHOW TABLES '{t}'", [["{t}"]]),
        ("SHOW TABLES IN quilt_mcp_test_db 'nothing*|{t}'", [["{t}"]]),
        ("SHOW DATABASES 'quilt_mcp*'", [["quilt_mcp_test_db"]]),
        ("SHOW COLUMNS IN {t}", [["id"], ["name"], ["value"], ["ts"], ["j"]]),
    ],
)
def test_a_statement_gives_what_athena_gives(
    asking: Querying, table: str, sql: str, expected: list[list[str | None]]
) -> None:
    """Functions, joins, windows and listings over a table of CSV objects return what Athena returns."""
    named = [[value and value.replace("{t}", table) for value in row] for row in expected]
    assert asking.rows(sql.replace("{t}", table)) == named


def test_approximations_are_near(asking: Querying, table: str) -> None:
    """Approximate aggregates lie near the exact value. The exact result is not promised."""
    [distinct, median] = asking.row(f"SELECT approx_distinct(id), approx_percentile(value, 0.5) FROM {table}")
    assert 30 <= int(distinct or 0) <= 50
    assert 8 <= float(median or 0) <= 12


def test_path_names_the_object_and_star_hides_it(asking: Querying, table: str) -> None:
    """The hidden column `$path` holds the object's location and appears only if it is selected by name."""
    paths = {f"s3://{WORK}/{asking.folder}/csv/part {number}.csv" for number in (0, 1)}
    assert {row[0] for row in asking.rows(f'SELECT DISTINCT "$path" FROM {table}')} == paths
    starred = asking.row(f'SELECT *, "$path" FROM {table} WHERE id = 2 AND "$path" LIKE \'%0.csv\'')
    assert starred == ["2", "n2", "1.0", "2024-01-03 10:00:00.000", '{"x": "y2"}', min(paths)]
    assert len(asking.row(f'SELECT e.*, e."$path" FROM {table} e WHERE id = 2')) == 6
    assert len(asking.row(f"SELECT * FROM {table} WHERE id = 2")) == 5


def test_describe_shows_names_and_types(asking: Querying, table: str) -> None:
    """DESCRIBE lists column names with their Glue types."""
    described = [["id", "int", ""], ["name", "string", ""], ["value", "double", ""], ["ts", "timestamp", ""]]
    assert asking.rows(f"DESCRIBE {table}") == [*described, ["j", "string", ""]]
    assert asking.rows(f"DESCRIBE `{DATABASE}`.`{table}`")[0] == ["id", "int", ""]


def test_a_table_may_be_made_without_data(asking: Querying, table: str) -> None:
    """CREATE TABLE AS with WITH NO DATA creates the columns without rows. WITH DATA is the default."""
    name = asking.name("no_data")
    asking.run(f"CREATE TABLE {name} AS SELECT id, name FROM {table} WITH NO DATA")
    assert asking.rows(f"SELECT * FROM {name}") == []
    assert asking.rows(f"DESCRIBE {name}") == [["id", "int", ""], ["name", "string", ""]]
    asking.run(f"DROP TABLE {name}")
    asking.run(f"CREATE TABLE {name} WITH (format = 'PARQUET') AS SELECT id FROM {table} WITH DATA")
    assert asking.row(f"SELECT count(*) FROM {name}") == [str(len(ROWS))]
    asking.run(f"DROP TABLE {name}")


@pytest.mark.parametrize("kind", ["PARQUET", "JSON", "TEXTFILE"])
def test_a_table_made_of_a_query_is_there(asking: Querying, table: str, kind: str) -> None:
    """CREATE TABLE AS returns the same rows in each format. It needs a new name and an empty location.

    A second DROP fails.
    """
    name, location = asking.name(f"made_{kind.lower()}"), f"s3://{WORK}/{asking.folder}/made-{kind}"
    sql = f"SELECT name, sum(id) AS total, max(ts) AS latest, max(NULLIF(id, 39)) FROM {table} GROUP BY name"
    elsewhere = {"WorkGroup": "primary", "ResultConfiguration": {"OutputLocation": f"s3://{SCRATCH}/{asking.folder}"}}
    made = asking.run(
        f"CREATE TABLE {name} WITH (format = '{kind}', external_location = '{location}') AS {sql}", **elsewhere
    )
    assert made["StatementType"] == "DDL"
    assert asking.athena.get_query_results(QueryExecutionId=made["QueryExecutionId"])["UpdateCount"] == 3
    assert asking.rows(f"SELECT * FROM {name} ORDER BY 1") == asking.rows(f"{sql} ORDER BY 1")
    assert [row[:2] for row in asking.rows(f"DESCRIBE {name}")][:3] == [
        ["name", "string"], ["total", "bigint"], ["latest", "timestamp"],
    ]  # fmt: skip
    again = f"CREATE TABLE {name} WITH (external_location = '{location}2') AS {sql}"
    assert "TABLE_ALREADY_EXISTS" in asking.reason(again, **elsewhere)
    asking.run(f"CREATE TABLE IF NOT EXISTS {name} AS {sql}")
    asking.run(f"DROP TABLE {name}")
    assert "TABLE_NOT_FOUND" in asking.reason(f"DROP TABLE {name}")
    asking.run(f"DROP TABLE IF EXISTS {name}")
    assert "HIVE_PATH_ALREADY_EXISTS" in asking.reason(again.replace(f"{location}2", location), **elsewhere)


def test_a_view_is_kept_replaced_and_dropped(asking: Querying, table: str) -> None:
    """A view can be replaced, used by another view and dropped, and is not a table."""
    name, upper = asking.name("view"), asking.name("upper")
    asking.run(f"CREATE VIEW {name} AS SELECT name, count(*) AS n FROM {table} GROUP BY name")
    assert "TABLE_ALREADY_EXISTS" in asking.reason(f"CREATE VIEW {name} AS SELECT 1 AS n")
    asking.run(f"CREATE OR REPLACE VIEW {name} AS SELECT name, sum(id) AS n FROM {table} GROUP BY name")
    asking.run(f"CREATE OR REPLACE VIEW {upper} AS SELECT max(n) AS most FROM {name}")
    assert asking.row(f"SELECT n FROM {name} WHERE name = 'n1'") == [str(sum(row[0] for row in N1))]
    assert asking.row(f"SELECT most FROM {upper}") == asking.row(f"SELECT max(n) FROM {name}")
    assert [name] in asking.rows("SHOW VIEWS")
    assert [table] not in asking.rows("SHOW VIEWS")
    assert "is no table" in asking.reason(f"DROP TABLE {name}")
    asking.run(f"DROP VIEW {upper}")
    asking.run(f"DROP VIEW {name}")
    assert [name] not in asking.rows("SHOW TABLES")


def test_question_marks_take_parameters(asking: Querying, table: str) -> None:
    """Parameters fill the marks in the order of the text. Each must be a literal, and the count must match."""
    sql = f"SELECT id FROM {table} WHERE name = ? AND id > ? ORDER BY id LIMIT ?"
    assert asking.rows(sql, "'n1'", "5", "2") == [["7"], ["10"]]
    assert "expected 3 but found 2" in asking.reason(sql, "'n1'", "5")
    for attack in ("(SELECT 1)", "1 OR 1=1", "id", "1; DROP TABLE x", "1 FROM x", "getenv('HOME')"):
        assert "no literal value" in (why := asking.reason(sql, "'n1'", attack, "2")) or "SYNTAX_ERROR" in why
    assert asking.rows(f"SELECT count(*) FROM {table} WHERE name = ?", "'n1'' OR 1=1 --'") == [["0"]]


def test_a_named_statement_runs_with_values(asking: Querying, table: str) -> None:
    """A prepared statement runs with USING or with ExecutionParameters and is gone after DEALLOCATE."""
    asking.run(f"PREPARE mine FROM SELECT count(*) FROM {table} WHERE id > ? AND name = ?")
    assert asking.row("EXECUTE mine USING 5, 'n1'") == [str(sum(row[0] > 5 for row in N1))]
    assert asking.row("EXECUTE mine", "5", "'n1'") == [str(sum(row[0] > 5 for row in N1))]
    asking.run("PREPARE nested FROM EXECUTE mine USING 1, 'n1'")
    assert "cannot execute another" in asking.reason("EXECUTE nested")
    asking.run("DEALLOCATE PREPARE nested")
    asking.run("DEALLOCATE PREPARE mine")
    assert "mine" in asking.reason("EXECUTE mine USING 5, 'n1'")
    assert "NOT_SUPPORTED" in asking.reason("PREPARE mine FROM INSERT INTO t VALUES (1)")


def test_pyathena_reads_rows_with_their_types(connection: Any, table: str) -> None:
    """The cursor of pyathena converts values to the declared column types."""
    with connection.cursor() as cursor:
        rows = cursor.execute(f"SELECT id, name, value, ts, id > 1 AS b FROM {table} ORDER BY id").fetchall()
    assert len(rows) == len(ROWS)
    assert [type(value).__name__ for value in rows[0]] == ["int", "str", "float", "datetime", "bool"]
    assert rows[5][:3] == (5, "n2", 2.5)


def test_pyathena_passes_parameters(connection: Any, table: str) -> None:
    """A quote in a parameter of pyathena stays part of the value."""
    with connection.cursor() as cursor:
        found = cursor.execute(f"SELECT count(*) FROM {table} WHERE name = %(n)s", {"n": "n'1"}).fetchone()
        assert found == (0,)
        sql = f"SELECT count(*) FROM {table} WHERE name = ?"
        assert cursor.execute(sql, ["'n1'"], paramstyle="qmark").fetchone() == (len(N1),)


def test_pyathena_makes_data_frames_of_the_csv(connection: Any, table: str) -> None:
    """The result's CSV distinguishes NULL from an empty string and keeps quotes."""
    with connection.cursor(PandasCursor) as cursor:
        frame = cursor.execute(f"SELECT id, j, NULLIF(name, 'n1') AS n FROM {table} ORDER BY id").as_pandas()
    assert list(frame["id"]) == [row[0] for row in ROWS]
    assert list(frame["j"]) == [row[4] for row in ROWS]
    assert list(frame["n"].isna()) == [row[1] == "n1" for row in ROWS]


def test_pyathena_raises_the_reason(connection: Any, table: str) -> None:
    """A query that fails raises pyathena's OperationalError with the reason."""
    with connection.cursor() as cursor:
        with pytest.raises(pyathena.error.OperationalError, match="COLUMN_NOT_FOUND"):
            cursor.execute(f"SELECT nope FROM {table}")
        with pytest.raises(pyathena.error.OperationalError, match="TABLE_NOT_FOUND"):
            cursor.execute("SELECT * FROM nope")
