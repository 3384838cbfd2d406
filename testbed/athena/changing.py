"""The statements that change Glue: CREATE EXTERNAL TABLE, CREATE TABLE AS, CREATE VIEW and DROP."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from sqlglot import exp

from testbed.athena.account import place_of
from testbed.athena.catalogs import bucket_of
from testbed.athena.catalogs import schema_of
from testbed.athena.failures import QueryFailedError
from testbed.athena.failures import unsupported
from testbed.athena.information import VIEW
from testbed.athena.reading import Reading
from testbed.athena.reading import view_text
from testbed.athena.tables import format_of
from testbed.athena.tables import quoted
from testbed.athena.values import hive_type
from testbed.athena.values import type_name

if TYPE_CHECKING:
    from testbed.athena.account import Account
    from testbed.athena.engine import Guard
    from testbed.athena.statements import CreateTable
    from testbed.athena.statements import CreateTableAs
    from testbed.athena.statements import CreateView
    from testbed.athena.statements import Drop

HADOOP: Final = "org.apache.hadoop."
PARQUET: Final[dict[str, Any]] = {
    "InputFormat": f"{HADOOP}hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": f"{HADOOP}hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": f"{HADOOP}hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}
TEXT: Final[dict[str, Any]] = {
    "InputFormat": f"{HADOOP}mapred.TextInputFormat",
    "OutputFormat": f"{HADOOP}hive.ql.io.HiveIgnoreKeyTextOutputFormat",
}
LAZY: Final = f"{HADOOP}hive.serde2.lazy.LazySimpleSerDe"
JSON: Final = f"{HADOOP}hive.serde2.JsonSerDe"
MADE: Final[
    dict[str, tuple[str, dict[str, Any]]]
] = {  # by format of CREATE TABLE AS: options of DuckDB's COPY, and Glue's storage descriptor
    "PARQUET": ("FORMAT parquet", PARQUET),
    "JSON": ("FORMAT json", TEXT | {"SerdeInfo": {"SerializationLibrary": JSON}}),
    "TEXTFILE": (
        "FORMAT csv, HEADER false, DELIMITER '\x01', QUOTE '', ESCAPE '', NULLSTR '\\N'",
        TEXT | {"SerdeInfo": {"SerializationLibrary": LAZY, "Parameters": {"field.delim": "\x01"}}},
    ),
}
STORED_AS: Final[dict[str, dict[str, Any]]] = {"TEXTFILE": TEXT, "PARQUET": PARQUET}
NARROWED: Final = {"HUGEINT": "BIGINT", "UBIGINT": "BIGINT", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP", "JSON": "VARCHAR"}


class Changing:
    """The Glue changes of one caller, in `database` unless a statement names another."""

    def __init__(self, account: Account, guard: Guard, database: str) -> None:
        self._account = account
        self._guard = guard
        self._database = database

    def _place(self, table: exp.Expression) -> tuple[str, str]:
        named = table.this if isinstance(table, exp.Schema) else table
        schema = schema_of(named.text("catalog"), named.text("db"), self._database)
        if bucket_of(schema):
            raise unsupported("Changing a table of Tabulator by SQL")
        return schema, named.name.lower()

    def _found(self, place: tuple[str, str]) -> dict[str, Any] | None:
        answer = self._account.glue("get_table", DatabaseName=place[0], Name=place[1])
        return answer["Table"] if answer else None

    def _make(self, place: tuple[str, str], table: dict[str, Any]) -> None:
        entry = {"Name": place[1], "TableType": "EXTERNAL_TABLE"} | table
        if self._account.glue("create_table", DatabaseName=place[0], TableInput=entry) is None:
            raise QueryFailedError(f"SCHEMA_NOT_FOUND: Database {place[0]} does not exist")

    def create_table(self, statement: CreateTable) -> None:
        """Create a table over existing objects."""
        tree = statement.tree
        place = self._place(tree.this)
        if self._found(place):
            if tree.args.get("exists"):
                return
            raise QueryFailedError(f"TABLE_ALREADY_EXISTS: Table {'.'.join(place)} already exists")
        table = table_input(tree)
        format_of({"Name": place[1]} | table)
        self._make(place, table)

    def create_table_as(self, statement: CreateTableAs, default: str, *, is_enforced: bool) -> tuple[int, int]:
        """Write the rows of a query as a new table; return the number of rows and the bytes read."""
        tree = statement.tree
        place, (kind, location) = self._place(tree.this), _asked(tree)
        if location and is_enforced:
            raise QueryFailedError(
                "INVALID_TABLE_PROPERTY: The query has an 'external_location' property, and its workgroup enforces a"
                " centralized output location for all queries. Remove the property and submit the query again."
            )
        location = f"{(location or default).rstrip('/')}/"
        place_of(location)
        if self._found(place):
            if tree.args.get("exists"):
                return 0, 0
            raise QueryFailedError(f"TABLE_ALREADY_EXISTS: Table '{'.'.join(place)}' already exists")
        if self._account.objects(location):
            raise QueryFailedError(f"HIVE_PATH_ALREADY_EXISTS: Target directory for table already exists: {location}")
        without_data = any(given.args.get("no") for given in tree.find_all(exp.WithDataProperty))
        query = exp.select("*").from_(tree.expression.subquery("q")).limit(0) if without_data else tree.expression
        reading = Reading(self._account, self._guard, query, self._database)
        with tempfile.TemporaryDirectory(prefix="athena-") as folder:
            file = Path(folder, "data")
            count, columns = self._written(reading, file, MADE[kind][0])
            self._guard.check(file)
            if count:
                self._account.write(f"{location}{place[1]}-00000{'.parquet' * (kind == 'PARQUET')}", file)
        self._make(place, {"StorageDescriptor": MADE[kind][1] | {"Columns": columns, "Location": location}})
        return count, reading.scanned

    def _written(self, reading: Reading, file: Path, options: str) -> tuple[int, list[dict[str, str]]]:
        with reading.opened(file) as (session, sql):
            columns = [(name, NARROWED.get(kind, kind)) for name, kind in session.columns(sql, file)]
            parts = [f"CAST({quoted(name)} AS {kind}) AS {quoted(name.lower())}" for name, kind in columns]
            count = session.copy(f"SELECT {', '.join(parts)} FROM ({sql})", file, options)  # noqa: S608 - quoted parts
        return count, [{"Name": name.lower(), "Type": hive_type(kind)} for name, kind in columns]

    def create_view(self, statement: CreateView) -> None:
        """Store a query as a view; raise QueryFailedError if the query cannot run now."""
        place = self._place(statement.tree.this)
        found = self._found(place)
        if found and (found.get("TableType") != VIEW or not statement.tree.args.get("replace")):
            raise QueryFailedError(f"TABLE_ALREADY_EXISTS: '{'.'.join(place)}' already exists")
        with Reading(self._account, self._guard, statement.tree.expression, self._database).opened() as (session, sql):
            columns = session.columns(sql)
        kept = [{"name": name.lower(), "type": type_name(kind)} for name, kind in columns]
        view = {
            "Name": place[1],
            "TableType": VIEW,
            "StorageDescriptor": {"Columns": [{"Name": n.lower(), "Type": hive_type(kind)} for n, kind in columns]},
            "Parameters": {"presto_view": "true", "comment": "Presto View"},
            "ViewOriginalText": view_text(statement.query, self._database, kept),
            "ViewExpandedText": "/* Presto View */",
        }
        if found:
            self._account.glue("update_table", DatabaseName=place[0], TableInput=view)
        else:
            self._make(place, view)

    def drop(self, statement: Drop) -> None:
        """Delete a table or view from Glue; its objects stay."""
        tree = statement.tree
        place = self._place(tree.args["tables"][0])
        found = self._found(place)
        if found is None:
            if tree.args.get("exists"):
                return
            raise QueryFailedError(f"TABLE_NOT_FOUND: Table '{'.'.join(place)}' does not exist")
        if (found.get("TableType") == VIEW) != (tree.kind == "VIEW"):
            raise QueryFailedError(f"INVALID_TABLE: '{'.'.join(place)}' is no {str(tree.kind).lower()}")
        self._account.glue("delete_table", DatabaseName=place[0], Name=place[1])


def _asked(tree: exp.Create) -> tuple[str, str]:
    """Return format and location of a CREATE TABLE AS.

    Raise QueryFailedError for a property that would otherwise be ignored.
    """
    kind, location = "PARQUET", ""
    properties = tree.args.get("properties")
    for given in properties.expressions if properties else ():
        name = given.name.lower() if type(given) is exp.Property else given.key.lower()
        value = given.args["value"].name if type(given) is exp.Property else given.name
        if name == "fileformatproperty" and value.upper() in MADE:
            kind = value.upper()
        elif name == "external_location":
            location = value
        elif isinstance(given, exp.WithDataProperty):
            continue
        else:
            raise unsupported(f"CREATE TABLE AS with {name.removesuffix('property')} {value}".rstrip())
    return kind, location


def table_input(tree: exp.Create) -> dict[str, Any]:
    """Return the Glue TableInput of a CREATE EXTERNAL TABLE."""
    storage: dict[str, Any] = {"SerdeInfo": {}}
    table: dict[str, Any] = {"Parameters": {"EXTERNAL": "TRUE"}, "StorageDescriptor": storage}
    for given in tree.args["properties"].expressions:
        if isinstance(given, exp.PartitionedByProperty):
            table["PartitionKeys"] = _columns(given.this.expressions)
        elif isinstance(given, exp.LocationProperty):
            place_of(given.name)
            storage["Location"] = given.name
        elif isinstance(given, exp.FileFormatProperty):
            storage |= _stored_as(given) | {"SerdeInfo": _stored_as(given).get("SerdeInfo", {}) | storage["SerdeInfo"]}
        elif type(given) is exp.Property:
            table["Parameters"][given.name] = given.args["value"].name
        elif not isinstance(given, exp.ExternalProperty):
            storage["SerdeInfo"] |= _serde(given)
    if "Location" not in storage:
        raise QueryFailedError("SYNTAX_ERROR: CREATE EXTERNAL TABLE needs a LOCATION.")
    if "InputFormat" not in storage:
        storage |= TEXT
    storage["SerdeInfo"].setdefault("SerializationLibrary", LAZY)
    storage["Columns"] = _columns(tree.this.expressions)
    return table


def _columns(definitions: list[exp.Expression]) -> list[dict[str, str]]:
    return [_column(column) for column in definitions]


def _column(column: exp.Expression) -> dict[str, str]:
    described = {"Name": column.name.lower(), "Type": _hive(column.args["kind"])}
    comment = column.find(exp.CommentColumnConstraint)
    return described | ({"Comment": comment.name} if comment else {})


def _hive(kind: exp.Expression) -> str:
    return kind.sql("hive").lower().replace(": ", ":").replace(", ", ",")


def _stored_as(given: exp.FileFormatProperty) -> dict[str, Any]:
    if isinstance(given.this, exp.InputOutputFormat):
        return {"InputFormat": given.this.text("input_format"), "OutputFormat": given.this.text("output_format")}
    if given.name.upper() not in STORED_AS:
        raise unsupported(f"STORED AS {given.name}")
    return dict(STORED_AS[given.name.upper()])


def _serde(given: exp.Expression) -> dict[str, Any]:
    if isinstance(given, exp.RowFormatDelimitedProperty):
        named = {"field.delim": "fields", "escape.delim": "escaped"}
        found = {name: given.text(part) for name, part in named.items() if given.text(part)}
        return {"SerializationLibrary": LAZY, "Parameters": found}
    if isinstance(given, exp.RowFormatSerdeProperty):
        properties = given.args.get("serde_properties")
        entries = properties.expressions if properties else []
        return {
            "SerializationLibrary": given.name,
            "Parameters": {entry.name: entry.args["value"].name for entry in entries},
        }
    raise unsupported(f"The clause `{given.sql('hive')[:60]}` of CREATE EXTERNAL TABLE")
