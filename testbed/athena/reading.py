"""The inputs of a query: its tables and views from Glue, their S3 objects, and a DuckDB session over them."""

from __future__ import annotations

import base64
import contextlib
import json
import tempfile
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from testbed.athena import information
from testbed.athena.catalogs import bucket_of
from testbed.athena.catalogs import is_information
from testbed.athena.dialect import asks_path
from testbed.athena.dialect import tables_of
from testbed.athena.dialect import to_duckdb
from testbed.athena.dialect import vet
from testbed.athena.engine import Session
from testbed.athena.failures import QueryFailedError
from testbed.athena.failures import unsupported
from testbed.athena.information import VIEW
from testbed.athena.rows import tabulated
from testbed.athena.statements import tree_of
from testbed.athena.tables import duckdb_type
from testbed.athena.tables import quoted
from testbed.athena.tables import relation
from testbed.athena.tables import string

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlglot import exp

    from testbed.athena.account import Account
    from testbed.athena.engine import Guard
    from testbed.athena.rows import Tabulated

VIEW_TEXT: Final = "/* Presto View: {} */"
MOST_NESTED: Final = 16


@dataclass(slots=True)
class Part:
    """The files of a table, or of one partition; `values` holds value and DuckDB type per partition column."""

    files: list[str]
    values: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class Source:
    """A table with its parts, or a view with its query."""

    place: tuple[str, str]
    table: dict[str, Any]
    parts: list[Part] = field(default_factory=list)
    view: exp.Expression | None = None
    tabulated: Tabulated | None = None
    sql: str = ""


class Reading:
    """The sources of one query; they are collected with the caller's rights before anything runs."""

    def __init__(self, account: Account, guard: Guard, tree: exp.Expression, home: str) -> None:
        self._account = account
        self._guard = guard
        self._tree = tree
        self._sources: dict[tuple[str, str], Source] = {}
        self._has_path = False
        self.scanned = 0
        self._gather(tree, home, 0)
        if self._has_path and any(source.tabulated for source in self._sources.values()):
            raise unsupported('"$path" in a query of a Tabulator table, which has "$physical_key",')

    def _gather(self, tree: exp.Expression, home: str, depth: int) -> None:
        """Collect the sources of a query; the sources of a view come before the view."""
        vet(tree)
        if depth > MOST_NESTED:
            raise QueryFailedError("INVALID_VIEW: Views are nested too deeply or contain themselves.")
        self._has_path |= asks_path(tree)
        for place in sorted(tables_of(tree, home)):
            self._guard.check()
            if place not in self._sources:
                # `_source` adds what a view reads first: `_session` defines sources in the order of insertion.
                source = self._source(place, depth)
                self._sources[place] = source

    def _source(self, place: tuple[str, str], depth: int) -> Source:
        if is_information(place[0]):
            return Source(place, {}, sql=information.sql_of(self._account, place))
        if bucket_of(place[0]):
            found = tabulated(self._account, self._guard, place)
            self.scanned += sum(file.size for file in found.files)
            return Source(place, {}, tabulated=found)
        table = self._account.table(*place)
        if table.get("TableType") == VIEW:
            said = view_of(table)
            tree = tree_of(said["originalSql"])
            self._gather(tree, said.get("schema", place[0]), depth + 1)
            return Source(place, table, view=tree)
        if table.get("Parameters", {}).get("projection.enabled", "").lower() == "true":
            raise unsupported("Partition projection")
        return Source(place, table, list(self._parts(place, table)))

    def _parts(self, place: tuple[str, str], table: dict[str, Any]) -> Iterator[Part]:
        keys = table.get("PartitionKeys", [])
        if not keys:
            yield Part(self._files(table["StorageDescriptor"].get("Location", "")))
            return
        names = {"DatabaseName": place[0], "TableName": place[1]}
        for partition in self._account.pages("get_partitions", "Partitions", **names):
            values = {
                key["Name"].lower(): (value, duckdb_type(key["Type"]))
                for key, value in zip(keys, partition["Values"], strict=True)
            }
            yield Part(self._files(partition["StorageDescriptor"]["Location"]), values)
        # A part without files gives a table without partitions its columns.
        yield Part([], {key["Name"].lower(): ("", duckdb_type(key["Type"])) for key in keys})

    def _files(self, location: str) -> list[str]:
        self._guard.check()
        objects = self._account.objects(location)
        self.scanned += sum(found.size for found in objects)
        return [found.path for found in objects]

    @contextlib.contextmanager
    def opened(self, *writable: Path) -> Iterator[tuple[Session, str]]:
        """Yield a session that has every source as a view, and the query to run in it."""
        with tempfile.TemporaryDirectory(prefix="tabulator-") as folder:
            fetched = [
                path
                for source in self._sources.values()
                if source.tabulated
                for path in source.tabulated.fetch(self._account, self._guard, Path(folder))
            ]
            with self._session([*fetched, *(str(path) for path in writable)]) as session:
                yield session, to_duckdb(self._tree, has_path=self._has_path)

    @contextlib.contextmanager
    def _session(self, local: list[str]) -> Iterator[Session]:
        allowed = [file for source in self._sources.values() for part in source.parts for file in part.files]
        session = Session(self._account.url, self._account.keys, allowed + local, self._guard)
        try:
            for source in self._sources.values():
                session.define(quoted(source.place[0]), quoted(source.place[1]), self._sql(session, source))
            yield session
        finally:
            session.close()

    def _sql(self, session: Session, source: Source) -> str:
        if source.sql:
            return source.sql
        if source.tabulated is not None:
            return source.tabulated.sql(session)
        if source.view is not None:
            return to_duckdb(source.view, has_path=self._has_path)

        def describe(reader: str) -> set[str]:
            return {name.lower() for name, _ in session.columns(f"SELECT * FROM {reader}")}  # noqa: S608 - our own

        return " UNION ALL BY NAME ".join(self._part_sql(source, part, describe) for part in source.parts)

    def _part_sql(self, source: Source, part: Part, describe: Any) -> str:
        sql = relation(source.table, part.files, describe, path=self._has_path)
        if not part.values:
            return sql
        constants = "".join(
            f", CAST({string(value) if part.files else 'NULL'} AS {kind}) AS {quoted(name)}"
            for name, (value, kind) in part.values.items()
        )
        return f"SELECT *{constants} FROM ({sql})"  # noqa: S608 - quoted parts


def view_of(table: dict[str, Any]) -> dict[str, Any]:
    """Return the definition of a view, which Athena stores in Glue as base64 of JSON.

    Raise QueryFailedError if it cannot be read.
    """
    head, tail = VIEW_TEXT.split("{}")
    kept = (table.get("ViewOriginalText") or "").removeprefix(head).removesuffix(tail)
    try:
        said: dict[str, Any] = json.loads(base64.b64decode(kept, validate=True))
        said["originalSql"]
    except (ValueError, KeyError, TypeError) as error:
        raise QueryFailedError(f"INVALID_VIEW: View {table['Name']} has no definition that can be read.") from error
    return said


def view_text(query: str, database: str, columns: list[dict[str, str]]) -> str:
    """Return the definition of a view as Glue stores it."""
    said = {"originalSql": query, "catalog": "awsdatacatalog", "schema": database, "columns": columns}
    return VIEW_TEXT.format(base64.b64encode(json.dumps(said).encode()).decode())
