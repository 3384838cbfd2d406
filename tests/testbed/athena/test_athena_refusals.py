"""What is not Athena's is refused, and an accepted statement reaches only the objects of its tables."""

# ruff: noqa: S608 - assembled statements are what is tested here

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testbed.athena.account import Keys
from testbed.athena.engine import Guard
from testbed.athena.engine import Limits
from testbed.athena.engine import Session
from testbed.athena.failures import QueryFailedError
from tests.testbed.athena.querying import DATABASE
from tests.testbed.athena.querying import WORK
from tests.testbed.athena.querying import Querying

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_parquet('s3://quilt-mcp-test-private/x.parquet')",
        "SELECT * FROM parquet_metadata('x')",
        "SELECT * FROM duckdb_secrets()",
        "SELECT * FROM duckdb_settings()",
        "SELECT * FROM TABLE(read_text('/etc/passwd'))",
        "SELECT * FROM {t}, LATERAL read_text('/etc/passwd')",
        "SELECT * FROM query('SELECT 1')",
        "SELECT * FROM query_table('x')",
        "SELECT (SELECT max(content) FROM read_text('/etc/passwd')) FROM {t}",
        "WITH a AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM a",
        "SELECT id FROM {t} WHERE id IN (SELECT 1 FROM read_blob('/etc/passwd'))",
        "SELECT getenv('HOME')",
        "SELECT current_setting('memory_limit')",
        "SELECT which_secret('s3://x', 's3')",
        "SELECT nextval('x')",
        "SELECT current_user",
        "SELECT 1 INTO made",
        "SELECT * FROM {t} FOR TIMESTAMP AS OF TIMESTAMP '2024-01-01 00:00:00'",
    ],
)
def test_no_function_or_source_beyond_athenas(asking: Querying, table: str, sql: str) -> None:
    """A function or source unknown to Athena is refused at any depth, before DuckDB sees the query."""
    assert asking.reason(sql.replace("{t}", table)).startswith(("NOT_SUPPORTED: ", "FUNCTION_NOT_FOUND: "))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM '/etc/passwd'",
        'SELECT * FROM "/etc/passwd"',
        f"SELECT * FROM 's3://{WORK}/x.csv'",
        "SELECT * FROM duckdb_tables",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM pg_catalog.pg_settings",
        "SELECT * FROM main.x",
        "WITH a AS (SELECT * FROM a) SELECT * FROM a",
        "WITH a AS (SELECT * FROM b), b AS (SELECT 1 AS x) SELECT * FROM a",
    ],
)
def test_every_source_must_be_in_glue(asking: Querying, sql: str) -> None:
    """A file name or one of DuckDB's own tables is treated as a table that does not exist."""
    assert "TABLE_NOT_FOUND" in asking.reason(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '/tmp/athena-out.csv'",
        "ATTACH DATABASE '/tmp/x.db' AS x",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "SET memory_limit = '100GB'",
        "RESET ALL",
        "CALL pragma_version()",
        "EXPORT DATABASE '/tmp/x'",
        "IMPORT DATABASE '/tmp/x'",
        "CREATE MACRO f() AS 1",
        "CREATE SECRET x (TYPE s3)",
        "CREATE SCHEMA x",
        "CREATE TABLE x (a int)",
        "CREATE FUNCTION f() RETURNS int RETURN 1",
        "DROP SCHEMA quilt_mcp_test_db",
        "DROP DATABASE quilt_mcp_test_db CASCADE",
        "DELETE FROM {t}",
        "UPDATE {t} SET id = 1",
        "TRUNCATE TABLE {t}",
        "ALTER TABLE {t} ADD COLUMNS (x int)",
        "VACUUM",
        "CHECKPOINT",
        "USE memory",
        "GRANT SELECT ON x TO y",
        "INSERT INTO {t} VALUES (1)",
        "MERGE INTO {t} USING {t} AS b ON id = b.id WHEN MATCHED THEN DELETE",
        "MSCK REPAIR TABLE {t}",
        "EXPLAIN SELECT 1",
        "UNLOAD (SELECT 1) TO 's3://x/'",
        "SHOW CREATE TABLE {t}",
        "SHOW PARTITIONS {t}",
        "SELECT 1; SELECT 2",
        "SELECT 1; COPY (SELECT 1) TO '/tmp/x'",
        "SELECT * FROM glob('/*')",
        "SELEC 1",
        "SELECT (",
        "SELECT 'open",
        "x",
        "-- nothing",
    ],
)
def test_no_other_kind_of_statement(asking: Querying, table: str, sql: str) -> None:
    """Statements of DuckDB, and Athena statements that are documented gaps, fail and never succeed empty."""
    assert asking.reason(sql.replace("{t}", table)).startswith(("NOT_SUPPORTED: ", "SYNTAX_ERROR: "))
    assert not Path("/tmp/athena-out.csv").exists()  # noqa: S108 - named in a statement above


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT n FROM UNNEST(ARRAY[1]) WITH ORDINALITY AS u(x, n)", "WITH ORDINALITY"),
        ("SELECT * FROM {t} MATCH_RECOGNIZE (ORDER BY id PATTERN (a) DEFINE a AS id > 1)", "NOT_SUPPORTED"),
        ("SELECT url_extract_host('http://a/b')", "'url_extract_host' not registered"),
        ("SELECT * FROM other_catalog.a.b", "Catalog 'other_catalog' does not exist"),
        ("SELECT nope FROM {t}", "COLUMN_NOT_FOUND: Column 'nope'"),
        ("SELECT e.nope FROM {t} e", "COLUMN_NOT_FOUND: Column 'nope'"),
        ("SELECT * FROM nope", "TABLE_NOT_FOUND: Table 'awsdatacatalog.quilt_mcp_test_db.nope' does not exist"),
        ("SELECT * FROM {t} WHERE id = ?", "expected 1 but found 0"),
        ("DESCRIBE nope", "TABLE_NOT_FOUND"),
        ("SHOW TABLES IN nope", "SCHEMA_NOT_FOUND"),
        ("SELECT CAST(name AS integer) FROM {t}", "Could not convert string"),
        ("SELECT DATE '0001-01-01' + interval '300000' year", "QUERY_FAILED"),
        (f"SELECT {'(' * 500}1{')' * 500}", "SYNTAX_ERROR"),
        ("CREATE TABLE x WITH (format = 'ORC') AS SELECT 1 AS a", "CREATE TABLE AS with fileformat ORC"),
        ("CREATE VIEW x (a) AS SELECT 1", "CREATE VIEW with a list of columns"),
        ("CREATE TABLE x WITH (partitioned_by = ARRAY['a']) AS SELECT 1 AS a", "CREATE TABLE AS with"),
        ("CREATE TABLE x WITH (external_location = 's3://a/b/') AS SELECT 1 AS a", "enforces a centralized output"),
        ("CREATE EXTERNAL TABLE x (a int)", "needs a LOCATION"),
        ("CREATE EXTERNAL TABLE x (a int) LOCATION '/etc/'", "no S3 location"),
        ("CREATE EXTERNAL TABLE x (a int) STORED AS ORC LOCATION 's3://a/b/'", "STORED AS ORC"),
        ("CREATE EXTERNAL TABLE x (a int) CLUSTERED BY (a) INTO 2 BUCKETS LOCATION 's3://a/b/'", "The clause"),
        ("CREATE EXTERNAL TABLE nope.x (a int) LOCATION 's3://a/b/'", "SCHEMA_NOT_FOUND"),
        ("CREATE EXTERNAL TABLE {t} (a int) LOCATION 's3://a/b/'", "TABLE_ALREADY_EXISTS"),
        ("DROP VIEW {t}", "is no view"),
        ("DROP TABLE other.quilt_mcp_test_db.{t}", "Catalog 'other' does not exist"),
        (f"SELECT {'ARRAY[' * 40}1{']' * 40}", "nested in more than 8 levels"),
        (f"SELECT {'ROW(' * 40}1{')' * 40}", "nested in more than 8 levels"),
    ],
)
def test_a_failure_says_why(asking: Querying, table: str, sql: str, reason: str) -> None:
    """A failed statement states its cause in the reason."""
    assert reason in asking.reason(sql.replace("{t}", table))


def test_a_view_is_read_with_the_same_care(asking: Querying) -> None:
    """The text of a view from Glue is checked like a query: a file, a reference to itself or garbage fails."""
    name = asking.name("planted")
    glue = asking.client("glue")

    def plant(text: str) -> None:
        view = {"Name": name, "TableType": "VIRTUAL_VIEW", "StorageDescriptor": {"Columns": []}}
        glue.update_table(DatabaseName=DATABASE, TableInput=view | {"ViewOriginalText": text})

    asking.run(f"CREATE VIEW {name} AS SELECT 1 AS a")
    for sql, reason in {
        "SELECT * FROM read_text('/etc/passwd')": "NOT_SUPPORTED",
        f"SELECT * FROM {name}": "nested too deeply",
        "COPY (SELECT 1) TO '/tmp/x'": "NOT_SUPPORTED",
    }.items():
        said = base64.b64encode(json.dumps({"originalSql": sql, "schema": DATABASE}).encode()).decode()
        plant(f"/* Presto View: {said} */")
        assert reason in asking.reason(f"SELECT * FROM {name}")
    plant("nothing")
    assert "INVALID_VIEW" in asking.reason(f"SELECT * FROM {name}")


@pytest.fixture
def session(asking: Querying) -> Iterator[Session]:
    """Yield a DuckDB session that may read one object."""
    keys = Keys(asking.keys["access_key_id"], asking.keys["secret_access_key"])
    opened = Session(asking.url, keys, [asking.put("alone/a.csv", b"1\n")], Guard(Limits()))
    yield opened
    opened.close()


def test_the_engine_itself_reaches_only_the_named_objects(asking: Querying, session: Session) -> None:
    """DuckDB itself reaches only the listed objects, so that a statement that passes our check still finds nothing."""
    mine = f"s3://{WORK}/{asking.folder}"
    assert list(session.pages(f"SELECT * FROM read_csv('{mine}/alone/a.csv', header = false)")) == [[(1,)]]
    for sql in (
        "SELECT * FROM read_text('/etc/passwd')",
        f"SELECT * FROM read_csv('{mine}/alone/*.csv')",
        f"SELECT * FROM read_csv('{mine}/csv/part 0.csv')",
        "COPY (SELECT 1) TO '/tmp/athena-out.csv'",
        f"COPY (SELECT 1) TO '{mine}/out.csv'",
        "ATTACH '/tmp/athena.db'",
        "INSTALL spatial",
        "LOAD '/tmp/x.duckdb_extension'",
        "SET enable_external_access = true",
        "SET allowed_paths = ['/etc/passwd']",
        "SET memory_limit = '100GB'",
        "SELECT * FROM mine",
    ):
        with pytest.raises(QueryFailedError):
            list(session.pages(sql))
