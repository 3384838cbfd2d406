"""`information_schema`, and SHOW with a named catalog, return what the caller's keys may see."""

# ruff: noqa: S608 - assembled statements are what is tested here

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest

from tests.testbed.athena.querying import DATABASE
from tests.testbed.athena.querying import SCRATCH
from tests.testbed.athena.querying import WORK
from tests.testbed.athena.querying import Querying
from tests.testbed.athena.querying import new_user
from tests.testbed.athena.tabulating import CATALOG

if TYPE_CHECKING:
    from nightproof.target import Target
    from tests.testbed.athena.tabulating import Tabulating

SHOWN = [
    "SHOW DATABASES IN `AwsDataCatalog`",
    "SHOW SCHEMAS IN awsdatacatalog",
    'SHOW DATABASES FROM "AwsDataCatalog"',
    "show schemas from AWSDATACATALOG like 'quilt_mcp*'",
    "SHOW DATABASES IN quilt_test_catalog 'quilt_mcp*'",
]


@pytest.mark.parametrize("sql", SHOWN)
@pytest.mark.parametrize("catalog", ["AwsDataCatalog", CATALOG])
def test_databases_are_shown_of_a_named_catalog(lent: Querying, sql: str, catalog: str) -> None:
    """SHOW DATABASES lists the databases of the catalog that it names, not of the query's own catalog."""
    found = lent.rows(sql, QueryExecutionContext={"Catalog": catalog, "Database": WORK})
    assert [DATABASE] in found
    assert [WORK] not in found


def test_databases_of_tabulator_are_the_buckets(asking: Querying) -> None:
    """The databases of the Tabulator catalog are the buckets, filtered by a pattern. An unknown catalog fails."""
    assert [WORK] in asking.rows(f"SHOW DATABASES IN `{CATALOG}`")
    assert asking.rows(f"SHOW SCHEMAS IN `{CATALOG}` '*-work'") == [[WORK]]
    assert "CATALOG_NOT_FOUND: Catalog 'other'" in asking.reason("SHOW DATABASES IN `other`")


@pytest.mark.parametrize(
    "place", ["awsdatacatalog.{d}.{t}", "{t} IN awsdatacatalog.{d}", "`{d}`.`{t}`", "{t} FROM {d}"]
)
def test_columns_are_shown_of_a_table_named_in_full(asking: Querying, table: str, place: str) -> None:
    """SHOW COLUMNS accepts a qualified table name, or the database after IN or FROM."""
    sql = f"SHOW COLUMNS IN {place}".format(d=DATABASE, t=table)
    assert asking.rows(sql) == [["id"], ["name"], ["value"], ["ts"], ["j"]]


@pytest.mark.parametrize(
    "sql",
    [
        "SHOW CREATE VIEW {t}",
        "SHOW TBLPROPERTIES {t}",
        "DESCRIBE EXTENDED {t}",
        "DESCRIBE FORMATTED {t}",
        "SHOW FUNCTIONS",
    ],
)
def test_forms_that_are_gaps_fail(asking: Querying, table: str, sql: str) -> None:
    """A form of SHOW or DESCRIBE that is a declared gap fails with NOT_SUPPORTED, never with an empty result."""
    assert asking.reason(sql.replace("{t}", table)).startswith("NOT_SUPPORTED: ")


def test_columns_of_a_table_are_described(asking: Querying, table: str) -> None:
    """`information_schema.columns` has every column of Athena's own, with position and the engine's type name."""
    sql = f"SELECT * FROM information_schema.columns WHERE table_schema = '{DATABASE}' AND table_name = '{table}'"
    found = asking.rows(f"{sql} ORDER BY ordinal_position")
    kinds = [("id", "integer"), ("name", "varchar"), ("value", "double"), ("ts", "timestamp(3)"), ("j", "varchar")]
    assert found == [
        ["awsdatacatalog", DATABASE, table, name, str(place), None, "YES", kind, None, None]
        for place, (name, kind) in enumerate(kinds, 1)
    ]


def test_columns_of_partitions_and_of_nested_types_are_described(asking: Querying) -> None:
    """Nested types are spelt in full. Partition keys come last and are marked as such."""
    name = asking.name("nested")
    asking.run(
        f"CREATE EXTERNAL TABLE {name} (a array<struct<b:int,c:string>>, m map<string,decimal(5,2)> COMMENT 'a map') "
        f"PARTITIONED BY (year int) STORED AS PARQUET LOCATION 's3://{WORK}/{asking.folder}/nested/'"
    )
    sql = "SELECT column_name, data_type, comment, extra_info FROM awsdatacatalog.information_schema.columns"
    found = asking.rows(f"{sql} WHERE table_name = '{name}' ORDER BY ordinal_position")
    assert found == [
        ["a", "array(row(b integer, c varchar))", None, None],
        ["m", "map(varchar, decimal(5, 2))", "a map", None],
        ["year", "integer", None, "partition key"],
    ]
    asking.run(f"DROP TABLE {name}")


def test_tables_and_schemata_are_described(asking: Querying, table: str) -> None:
    """`information_schema` tells tables from views, lists databases and itself, and can be joined."""
    view = asking.name("described")
    asking.run(f"CREATE VIEW {view} AS SELECT id FROM {table}")
    sql = f"SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = '{DATABASE}'"
    found = asking.rows(f"{sql} AND table_name IN ('{table}', '{view}') ORDER BY table_type")
    asking.run(f"DROP VIEW {view}")
    assert found == [[table, "BASE TABLE"], [view, "VIEW"]]
    schemata = "SELECT catalog_name, schema_name FROM INFORMATION_SCHEMA.SCHEMATA WHERE schema_name LIKE '%{}%'"
    assert asking.rows(schemata.format("quilt_mcp")) == [["awsdatacatalog", DATABASE]]
    assert asking.rows(schemata.format("information")) == [["awsdatacatalog", "information_schema"]]
    joined = "SELECT count(*) FROM information_schema.columns c JOIN information_schema.tables t"
    joined += " ON c.table_schema = t.table_schema AND c.table_name = t.table_name"
    assert asking.row(f"{joined} WHERE t.table_name = '{table}'") == ["5"]
    at_home = {"QueryExecutionContext": {"Database": "information_schema"}}
    assert asking.row(f"SELECT table_name FROM tables WHERE table_name = '{table}'", **at_home) == [table]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("nothing", "TABLE_NOT_FOUND"), ("table_privileges", "NOT_SUPPORTED"), ("views", "NOT_SUPPORTED")],
)
def test_other_tables_of_it_fail(asking: Querying, name: str, reason: str) -> None:
    """A table of `information_schema` that is missing or a declared gap fails the query."""
    assert reason in asking.reason(f"SELECT * FROM information_schema.{name}")


def test_tabulator_describes_its_own(tabulating: Tabulating, asking: Querying) -> None:
    """The Tabulator catalog's `information_schema` lists buckets and columns.

    Columns are behind open query, as rows are.
    """
    tabulating.push("p", {"a.csv": b"id,name\n1,a\n"})
    tabulating.table("id INT, name STRING", name="Rows")
    sql = f'SELECT column_name, data_type FROM "{CATALOG}".information_schema.columns'
    sql += f" WHERE table_schema = '{WORK}' AND table_name = 'rows' ORDER BY ordinal_position LIMIT 2"
    assert tabulating.asking.rows(sql) == [["id", "integer"], ["name", "varchar"]]
    schemata = f"SELECT count(*) FROM \"{CATALOG}\".information_schema.schemata WHERE schema_name = '{WORK}'"
    assert asking.row(schemata) == ["1"]
    assert asking.reason(sql).startswith("PERMISSION_DENIED: open query is disabled")


def test_the_rights_of_the_caller_count(embedded: Target, table: str) -> None:
    """A caller without the right to list databases or tables gets PERMISSION_DENIED."""

    def allow(*actions: str, resource: str = "*") -> dict[str, Any]:
        return {"Effect": "Allow", "Action": list(actions), "Resource": resource}

    query = allow("athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults")
    write = allow("s3:PutObject", resource=f"arn:aws:s3:::{SCRATCH}/*")
    names = f"SELECT table_name FROM information_schema.tables WHERE table_name = '{table}'"
    listing = Querying(embedded, new_user(embedded, query, write, allow("glue:GetDatabases", "glue:GetTables")))
    assert listing.rows(names) == [[table]]
    halfway = Querying(embedded, new_user(embedded, query, write, allow("glue:GetDatabases")))
    assert halfway.row("SELECT count(*) FROM information_schema.schemata")[0] != "0"
    assert halfway.reason(names).startswith("PERMISSION_DENIED")
    nobody = Querying(embedded, new_user(embedded, query, write))
    assert nobody.reason("SELECT * FROM information_schema.schemata").startswith("PERMISSION_DENIED")
