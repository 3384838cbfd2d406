"""Access to Tabulator tables: who may read them, the names they go by, and the statements that are refused."""

# ruff: noqa: S608 - assembled statements are what is tested here

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pyathena
import pytest
from botocore.exceptions import ClientError

from testbed.athena.account import Surroundings
from testbed.athena.catalogs import held
from testbed.athena.executions import Executions
from tests.testbed.athena.querying import DATABASE
from tests.testbed.athena.querying import WORK
from tests.testbed.athena.querying import WORKGROUP
from tests.testbed.athena.querying import Querying
from tests.testbed.athena.tabulating import CATALOG

if TYPE_CHECKING:
    from pathlib import Path

    from nightproof.target import Target
    from tests.testbed.athena.tabulating import Tabulating

SCHEMA = "id INT, name STRING"
CSV = b"id,name\n1,a\n2,b\n"
HOME = {"QueryExecutionContext": {"Catalog": CATALOG, "Database": WORK}}


@pytest.fixture
def made(tabulating: Tabulating) -> str:
    """Create a table `Rows` with two rows and return its full SQL name."""
    tabulating.push("p", {"a.csv": CSV})
    return tabulating.table(SCHEMA, name="Rows")


def test_open_query_is_a_gate(tabulating: Tabulating, made: str, embedded: Target) -> None:
    """Credentials vended by the catalog always pass. An IAM user and a session of his pass only with open query on."""
    runner = Querying(embedded, embedded.facts["credentials"]["ci-runner"])
    account = runner.client("sts").get_caller_identity()["Account"]
    lent = runner.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/quilt-mcp-test-role", RoleSessionName="own"
    )["Credentials"]
    session = Querying(
        embedded,
        {
            "access_key_id": lent["AccessKeyId"],
            "secret_access_key": lent["SecretAccessKey"],
            "session_token": lent["SessionToken"],
        },
    )
    count = f"SELECT count(*) FROM {made}"
    for asking in (runner, session):
        for sql in (count, f"DESCRIBE {made}", f'SHOW TABLES IN "{CATALOG}"."{WORK}"'):
            assert asking.reason(sql).startswith("PERMISSION_DENIED: open query is disabled")
    assert tabulating.asking.row(count) == ["2"]
    tabulating.open(enabled=True)
    assert [asking.row(count) for asking in (runner, session, tabulating.asking)] == [["2"]] * 3


def test_the_buckets_of_the_caller_count(tabulating: Tabulating, made: str) -> None:
    """A role without read access to a bucket reads none of its tables, even with open query on."""
    reader = tabulating.lent_to(tabulating.catalog, "test-readonly")
    tabulating.open(enabled=True)
    assert reader.reason(f"SELECT * FROM {made}").startswith("PERMISSION_DENIED: Access denied on S3 path")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        (
            f'SELECT 1 FROM "{CATALOG}"."{WORK}"."nope"',
            f"TABLE_NOT_FOUND: Table '{CATALOG}.{WORK}.nope' does not exist",
        ),
        (f'SELECT 1 FROM "{CATALOG}"."no-bucket".t', f"SCHEMA_NOT_FOUND: Schema '{CATALOG}.no-bucket' does not exist"),
        ('SELECT "$path" FROM {made}', '"$path" in a query of a Tabulator table'),
        (f"DROP TABLE `{CATALOG}`.`{WORK}`.rows", "Changing a table of Tabulator by SQL is not supported"),
        (f'SHOW TABLES IN "other"."{WORK}"', "CATALOG_NOT_FOUND"),
    ],
)
def test_what_cannot_be_asked_fails(tabulating: Tabulating, made: str, sql: str, reason: str) -> None:
    """A query of an unknown table, bucket or catalog, or of `$path`, fails with the reason, and so does a DROP."""
    assert reason in tabulating.asking.reason(sql.replace("{made}", made))


def test_names_have_no_case(tabulating: Tabulating, made: str) -> None:
    """Table names ignore case: `Rows` is found as `rows`, and is ambiguous beside `ROWS`."""
    tabulating.push("p", {"a.csv": CSV})
    assert tabulating.asking.row(f"SELECT count(*) FROM {made.lower()}") == ["2"]
    tabulating.table(SCHEMA, name="ROWS")
    assert "AMBIGUOUS_NAME" in tabulating.asking.reason(f"SELECT * FROM {made}")


def test_tables_are_found_by_every_name(tabulating: Tabulating, made: str) -> None:
    """Tables are found by bare and qualified names, in joins with Glue tables and in DESCRIBE and SHOW."""
    asking = tabulating.asking
    assert asking.rows("SELECT rows.name FROM rows ORDER BY rows.id", **HOME) == [["a"], ["b"]]
    assert asking.row(f"SELECT max({made}.id) FROM {made}") == ["2"]
    assert asking.row(f'SELECT max("{WORK}".rows.id) FROM rows', **HOME) == ["2"]
    beside = f'"quilt_test_catalog".{DATABASE}.test_table_1'  # with rows or without: another test seeds the table
    joined = f"SELECT count(DISTINCT rows.id) FROM rows LEFT JOIN {beside} AS beside ON beside.id >= 0"
    assert asking.row(joined, **HOME) == ["2"]
    row = "CAST(ROW(ROW(ROW(1))) AS ROW(s ROW(t ROW(u int))))"  # members of a row look like names of schemas
    assert asking.row(f"SELECT r.s.t.u FROM (SELECT {row} AS r)") == ["1"]
    columns = ["id", "name", "kind", "$pkg_name", "$logical_key", "$physical_key", "$top_hash", "$issue"]
    assert [row[0] for row in asking.rows(f"DESCRIBE {made}")] == columns
    assert asking.rows("SHOW COLUMNS IN rows", **HOME)[:2] == [["id"], ["name"]]
    assert ["Rows"] in asking.rows(f'SHOW TABLES IN "{CATALOG}"."{WORK}"')
    assert asking.rows("SHOW VIEWS", **HOME) == []
    assert [WORK] in asking.rows("SHOW DATABASES", **HOME)


def test_a_table_of_glue_is_made_of_one(tabulating: Tabulating, made: str, asking: Querying) -> None:
    """CREATE TABLE AS and views can read Tabulator. A view is read with the rights of whoever queries it."""
    tabulating.open(enabled=True)
    table, view = asking.name("made_of"), asking.name("view_of")
    asking.run(f"CREATE TABLE {table} AS SELECT id, name FROM {made}")
    asking.run(f"CREATE VIEW {view} AS SELECT name FROM {made}")
    assert asking.rows(f"SELECT name FROM {table} ORDER BY id") == [["a"], ["b"]]
    tabulating.open(enabled=False)
    assert "open query is disabled" in asking.reason(f"SELECT * FROM {view}")
    assert tabulating.asking.rows(f"SELECT * FROM {view} ORDER BY 1") == [["a"], ["b"]]
    asking.run(f"DROP VIEW {view}")
    asking.run(f"DROP TABLE {table}")


@pytest.mark.usefixtures("made")
def test_catalogs_describe_their_tables(tabulating: Tabulating) -> None:
    """The metadata operations know Tabulator and both names of Glue. A missing table is a MetadataException."""
    athena, where = tabulating.asking.athena, {"CatalogName": CATALOG, "DatabaseName": WORK}
    assert WORK in [found["Name"] for found in athena.list_databases(CatalogName=CATALOG)["DatabaseList"]]
    assert "rows" in [found["Name"] for found in athena.list_table_metadata(**where)["TableMetadataList"]]
    table = athena.get_table_metadata(**where, TableName="Rows")["TableMetadata"]
    assert (table["Name"], table["Columns"][0]) == ("rows", {"Name": "id", "Type": "int"})
    glue = {"CatalogName": "quilt_test_catalog", "DatabaseName": DATABASE}
    assert athena.get_table_metadata(**glue, TableName="test_table_1")["TableMetadata"]["Name"] == "test_table_1"
    for given in (where, glue):
        with pytest.raises(ClientError, match="MetadataException"):
            athena.get_table_metadata(**given, TableName="nope")


@pytest.mark.usefixtures("made")
def test_pyathena_reads_tabulator(tabulating: Tabulating) -> None:
    """A pyathena connection with credentials vended by the catalog reads a Tabulator table."""
    keys = tabulating.asking.keys
    connection = pyathena.connect(
        endpoint_url=tabulating.asking.url,
        region_name="us-east-1",
        work_group=WORKGROUP,
        catalog_name=CATALOG,
        schema_name=WORK,
        aws_access_key_id=keys["access_key_id"],
        aws_secret_access_key=keys["secret_access_key"],
        aws_session_token=keys["session_token"],
        poll_interval=0.02,
    )
    with connection, connection.cursor() as cursor:
        assert cursor.execute("SELECT id, name FROM rows ORDER BY id").fetchall() == [(1, "a"), (2, "b")]


def test_all_catalogs_are_listed(asking: Querying) -> None:
    """The data catalogs are Glue under both of its names, and Tabulator."""
    found = {one["CatalogName"]: one["Type"] for one in asking.athena.list_data_catalogs()["DataCatalogsSummary"]}
    assert found == {"AwsDataCatalog": "GLUE", "quilt_test_catalog": "GLUE", CATALOG: "LAMBDA"}


def test_a_silent_catalog_is_named(tmp_path: Path) -> None:
    """A catalog server that cannot be reached fails the query with that reason."""
    executions = Executions(Surroundings("http://127.0.0.1:9", partial(held, tmp_path)))
    with pytest.raises(Exception, match="the catalog server does not answer"):
        executions.surroundings.held()


def test_a_configuration_that_is_wrong_fails_the_query(tabulating: Tabulating, made: str) -> None:
    """An invalid table configuration that got past the catalog, as under a defect, fails the query."""
    tabulating.catalog.sql("UPDATE tabulator_tables SET config = 'schema: [' WHERE name = 'Rows'")
    assert "cannot be used: it is not YAML" in tabulating.asking.reason(f"SELECT * FROM {made}")
