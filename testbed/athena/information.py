"""`information_schema`: the databases, tables and columns that the caller's credentials may see."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from sqlglot import exp
from sqlglot.errors import SqlglotError

from testbed.athena.catalogs import GLUE
from testbed.athena.catalogs import INFORMATION
from testbed.athena.catalogs import SCHEMA_START
from testbed.athena.catalogs import TABULATOR
from testbed.athena.catalogs import bucket_of
from testbed.athena.failures import QueryFailedError
from testbed.athena.failures import unsupported
from testbed.athena.tables import quoted
from testbed.athena.tables import string
from testbed.athena.tabulator import table_of
from testbed.athena.tabulator import tables_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testbed.athena.account import Account

VIEW: Final = "VIRTUAL_VIEW"
TABLES: Final = {
    "schemata": ("catalog_name", "schema_name"),
    "tables": ("table_catalog", "table_schema", "table_name", "table_type"),
    "columns": (
        *("table_catalog", "table_schema", "table_name", "column_name", "ordinal_position"),
        *("column_default", "is_nullable", "data_type", "comment", "extra_info"),
    ),
}
NUMBERS: Final = frozenset({"ordinal_position"})
ABSENT: Final = frozenset(
    {"applicable_roles", "enabled_roles", "role_authorization_descriptors", "roles", "table_privileges", "views"}
)
Row = tuple[str | int | None, ...]


def sql_of(account: Account, place: tuple[str, str]) -> str:
    """Return a query that produces one table of `information_schema`.

    Raise QueryFailedError for an unknown table, or if the caller lacks a permission to list.
    """
    schema, name = place
    if name in ABSENT:
        raise unsupported(f"The table `{INFORMATION}.{name}`")
    if name not in TABLES:
        raise QueryFailedError(f"TABLE_NOT_FOUND: Table '{schema}.{name}' does not exist")
    catalog = TABULATOR if bucket_of(schema) else GLUE
    databases = databases_of(account, catalog)
    rows: list[Row] = [(catalog, database) for database in sorted([*databases, INFORMATION])]
    if name != "schemata":
        listed = [(one, table) for one in databases for table in _tables(account, catalog, one)]
        listed += [(INFORMATION, _own(own, columns)) for own, columns in TABLES.items()]
        listed.sort(key=lambda pair: (pair[0], pair[1]["Name"]))
        rows = [_table(catalog, *pair) for pair in listed]
        if name == "columns":
            rows = [row for pair in listed for row in _columns(catalog, *pair)]
    return _relation(TABLES[name], rows)


def databases_of(account: Account, catalog: str) -> list[str]:
    """Return the databases of a catalog: those of Glue, or the buckets of Tabulator."""
    if catalog == TABULATOR:
        return list(account.held().buckets)
    return [str(found["Name"]) for found in account.pages("get_databases", "DatabaseList")]


def _tables(account: Account, catalog: str, database: str) -> list[dict[str, Any]]:
    if catalog == GLUE:
        return account.pages("get_tables", "TableList", DatabaseName=database)
    names = {name.lower() for name in tables_in(account, database)}
    described = {name: table_of(account, f"{SCHEMA_START}{database}", name).described for name in sorted(names)}
    return [{"Name": name, "StorageDescriptor": {"Columns": columns}} for name, columns in described.items()]


def _own(name: str, columns: tuple[str, ...]) -> dict[str, Any]:
    listed = [{"Name": column, "Type": "bigint" if column in NUMBERS else "string"} for column in columns]
    return {"Name": name, "StorageDescriptor": {"Columns": listed}}


def _table(catalog: str, database: str, table: dict[str, Any]) -> Row:
    return catalog, database, table["Name"], "VIEW" if table.get("TableType") == VIEW else "BASE TABLE"


def _columns(catalog: str, database: str, table: dict[str, Any]) -> Iterator[Row]:
    keys = table.get("PartitionKeys", [])
    listed = [*table.get("StorageDescriptor", {}).get("Columns", []), *keys]
    for position, column in enumerate(listed, 1):
        extra = "partition key" if position > len(listed) - len(keys) else None
        kind = data_type(column.get("Type", "string"))
        named = catalog, database, table["Name"], column["Name"].lower(), position
        yield *named, None, "YES", kind, column.get("Comment"), extra


def data_type(hive: str) -> str:
    """Return the type of a Glue column in Athena's spelling; a type that cannot be parsed stays as it is."""
    try:
        kind = exp.DataType.build(hive, dialect="hive")
    except SqlglotError:
        return hive
    return kind.sql("trino").lower().replace("timestamp", "timestamp(3)")


def _relation(columns: tuple[str, ...], rows: list[Row]) -> str:
    kinds = {name: "BIGINT" if name in NUMBERS else "VARCHAR" for name in columns}
    cast = ", ".join(f"CAST({quoted(name)} AS {kind}) AS {quoted(name)}" for name, kind in kinds.items())
    values = ", ".join(f"({', '.join(_literal(value) for value in row)})" for row in rows)
    return f"SELECT {cast} FROM (VALUES {values}) AS t({', '.join(map(quoted, columns))})"  # noqa: S608 - quoted parts


def _literal(value: str | int | None) -> str:
    return "NULL" if value is None else str(value) if isinstance(value, int) else string(value)
