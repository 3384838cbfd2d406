"""Run one statement for one caller and return its outcome."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from testbed.athena import statements
from testbed.athena.catalogs import GLUE
from testbed.athena.catalogs import TABULATOR
from testbed.athena.catalogs import bucket_of
from testbed.athena.catalogs import schema_of
from testbed.athena.changing import Changing
from testbed.athena.dialect import bind
from testbed.athena.dialect import name_columns
from testbed.athena.failures import QueryFailedError
from testbed.athena.information import VIEW
from testbed.athena.information import databases_of
from testbed.athena.reading import Reading
from testbed.athena.statements import literal
from testbed.athena.statements import parse
from testbed.athena.tabulator import table_of
from testbed.athena.tabulator import tables_in
from testbed.athena.values import column_info
from testbed.athena.values import text as printed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testbed.athena.account import Account
    from testbed.athena.engine import Guard

Row = list[str | None]
CELL_BYTES: Final = 64  # memory of a value besides its text


@dataclass(slots=True)
class Outcome:
    """The result of a statement; `has_header` is true for queries, whose first result row holds the column names."""

    columns: list[dict[str, Any]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    has_header: bool = False
    scanned: int = 0
    update_count: int = 0

    @property
    def cost(self) -> int:
        """Return the estimated memory of the rows, in bytes."""
        return sum(CELL_BYTES + len(value or "") for row in self.rows for value in row)


@dataclass(frozen=True, slots=True)
class Asked:
    """One statement as it was sent.

    `output` is the folder for its results, and for a new table without a location.
    """

    text: str
    values: tuple[str, ...]
    database: str
    workgroup: str
    output: str
    is_enforced: bool = False
    catalog: str = "AwsDataCatalog"

    @property
    def home(self) -> str:
        """Return the schema for tables that name none."""
        return schema_of(self.catalog, self.database, "")


class Run:
    """One run of one statement."""

    def __init__(self, account: Account, guard: Guard, asked: Asked, query_id: str) -> None:
        self._account = account
        self._guard = guard
        self._asked = asked
        self._new_table = f"{asked.output}tables/{query_id}/"
        self._changing = Changing(account, guard, asked.home)

    def outcome(self) -> Outcome:
        """Run the statement; raise QueryFailedError with the reason if it fails."""
        statement = self._resolved()
        self._guard.check()
        match statement:
            case statements.Query():
                return self._query(statement)
            case statements.CreateTableAs():
                is_enforced = self._asked.is_enforced
                count, scanned = self._changing.create_table_as(statement, self._new_table, is_enforced=is_enforced)
                return Outcome(scanned=scanned, update_count=count)
            case statements.CreateTable():
                self._changing.create_table(statement)
            case statements.CreateView():
                self._changing.create_view(statement)
            case statements.Drop():
                self._changing.drop(statement)
            case statements.Prepare() | statements.Deallocate():
                self._keep(statement)
            case _:
                return self._look(statement)
        return Outcome()

    def _resolved(self) -> statements.Statement:
        """Return the parsed statement with its parameters bound.

        EXECUTE is replaced by the prepared statement that it names.
        """
        statement, given = parse(self._asked.text), self._asked.values
        if isinstance(statement, statements.Prepare):
            return statement
        if not isinstance(statement, statements.Execute):
            return _bound(self._asked.text, given)
        where = {"StatementName": statement.name, "WorkGroup": self._asked.workgroup}
        kept = self._account.prepared("get_prepared_statement", **where)["PreparedStatement"]["QueryStatement"]
        return _bound(kept, statement.values or given)

    def _keep(self, statement: statements.Prepare | statements.Deallocate) -> None:
        where = {"StatementName": statement.name, "WorkGroup": self._asked.workgroup}
        if isinstance(statement, statements.Prepare):
            parse(statement.text)
            self._account.prepared("create_prepared_statement", **where, QueryStatement=statement.text)
        else:
            self._account.prepared("delete_prepared_statement", **where)

    def _query(self, statement: statements.Query) -> Outcome:
        name_columns(statement.tree)
        tree = self._account.bend("query", statement.tree)
        reading = Reading(self._account, self._guard, tree, self._asked.home)
        outcome, cost = Outcome(has_header=True, scanned=reading.scanned), 0
        with reading.opened() as (session, sql):
            outcome.columns = [column_info(_named(name), kind) for name, kind in session.columns(sql)]
            for page in session.pages(sql):
                rows = [[printed(value) for value in row] for row in page]
                cost += Outcome(rows=rows).cost
                if cost > self._guard.limits.result_bytes:
                    raise QueryFailedError(
                        f"EXCEEDED_RESULT_LIMIT: The result is larger than {self._guard.limits.result_bytes} bytes,"
                        " which is all that the embedded Athena holds."
                    )
                outcome.rows += rows
        outcome.rows = self._account.bend("rows", outcome.rows)
        return outcome

    def _look(self, statement: statements.Statement) -> Outcome:
        """Answer SHOW and DESCRIBE from Glue or Tabulator."""
        match statement:
            case statements.ShowTables():
                return _listing("tab_name", self._tables(statement), statement.pattern)
            case statements.ShowDatabases():
                return _listing("database_name", self._databases(statement.catalog), statement.pattern)
            case statements.Describe():
                columns = self._columns(self._schema(statement), statement.table)
                if statement.names_only:
                    return _listing("field", columns, "", is_sorted=False)
                rows: list[Row] = [[c["Name"], c["Type"], c.get("Comment", "")] for c in columns]
                return Outcome([_string(name) for name in ("col_name", "data_type", "comment")], rows)
            case _:  # pragma: no cover - `outcome` has taken every other kind
                raise AssertionError(statement)

    def _schema(self, statement: statements.ShowTables | statements.Describe) -> str:
        return schema_of(statement.catalog, statement.database, self._asked.home)

    def _columns(self, schema: str, name: str) -> list[dict[str, Any]]:
        if bucket_of(schema):
            return table_of(self._account, schema, name).described
        table = self._account.table(schema, name)
        return [*table["StorageDescriptor"]["Columns"], *table.get("PartitionKeys", [])]

    def _databases(self, catalog: str) -> list[dict[str, Any]]:
        # Any database name will do: `schema_of` needs one to resolve the catalog, or to refuse an unknown one.
        schema = schema_of(catalog, "any", self._asked.home) if catalog else self._asked.home
        names = databases_of(self._account, TABULATOR if bucket_of(schema) else GLUE)
        return [{"Name": name} for name in names]

    def _tables(self, statement: statements.ShowTables) -> list[dict[str, Any]]:
        database = self._schema(statement)
        if bucket := bucket_of(database):
            names = tables_in(self._account, bucket)
            return [] if statement.views_only else [{"Name": name} for name in names]
        if self._account.glue("get_database", Name=database) is None:
            raise QueryFailedError(f"SCHEMA_NOT_FOUND: Database {database} does not exist")
        found = self._account.pages("get_tables", "TableList", DatabaseName=database)
        return [table for table in found if not statement.views_only or table.get("TableType") == VIEW]


def _bound(text: str, values: Sequence[str]) -> statements.Statement:
    statement = parse(bind(text, [literal(value) for value in values]))
    if isinstance(statement, statements.Execute):
        raise QueryFailedError("SYNTAX_ERROR: A prepared statement cannot execute another one.")
    return statement


def _named(name: str) -> str:
    """Return a result column's name: in lower case, and `_col0` for DuckDB's `col0` of VALUES."""
    return f"_{name}" if name.startswith("col") and name[3:].isdigit() else name.lower()


def _string(name: str) -> dict[str, Any]:
    return column_info(name, "VARCHAR") | {"Type": "string"}


def _listing(title: str, found: Sequence[dict[str, Any]], pattern: str, *, is_sorted: bool = True) -> Outcome:
    """Return names as an outcome; a pattern is Hive's, with `*` for anything and `|` between alternatives."""
    names = [str(entry["Name"]) for entry in found]
    if pattern:
        names = [name for name in names if any(fnmatch.fnmatchcase(name, one) for one in pattern.lower().split("|"))]
    rows: list[Row] = [[name] for name in (sorted(names) if is_sorted else names)]
    return Outcome([_string(title)], rows)
