"""A Glue table as a DuckDB query: its format, its partitions, and its columns with their declared types."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from sqlglot import exp
from sqlglot.errors import SqlglotError

from testbed.athena.failures import QueryFailedError
from testbed.athena.failures import unsupported

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

UNREADABLE: Final = frozenset("*?[")  # DuckDB reads these in a path as a glob and has no escape for them
HIVE_DELIMITER: Final = "\x01"
Columns = dict[str, str]


def quoted(name: str) -> str:
    """Return a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def string(value: str) -> str:
    """Return a quoted SQL string."""
    return "'" + value.replace("'", "''") + "'"


def columns_of(given: Sequence[dict[str, str]]) -> Columns:
    """Return DuckDB's types of Glue's columns by lower-case name."""
    return {column["Name"].lower(): duckdb_type(column.get("Type", "string")) for column in given}


def duckdb_type(hive: str) -> str:
    """Return the DuckDB type of a Hive type; raise QueryFailedError if it cannot be parsed."""
    try:
        kind = exp.DataType.build("decimal(10,0)" if hive.lower() == "decimal" else hive, dialect="hive")
    except SqlglotError as error:
        raise unsupported(f"The column type `{hive}`") from error
    return kind.sql("duckdb")


def relation(table: dict[str, Any], files: Sequence[str], describe: Callable[[str], set[str]], *, path: bool) -> str:
    """Return the query that reads the files of a table or partition.

    `describe` returns the column names that a reading call finds. Without files the query has all columns and no rows.
    """
    storage = table.get("StorageDescriptor", {})
    columns = columns_of(storage.get("Columns", []))
    if not columns:
        raise QueryFailedError(f"HIVE_INVALID_METADATA: Table {table['Name']} has no columns.")
    if not files:
        parts = [f"CAST(NULL AS {kind}) AS {quoted(name)}" for name, kind in columns.items()]
        parts += ['CAST(NULL AS VARCHAR) AS "$path"'] * path
        return f"SELECT {', '.join(parts)} WHERE FALSE"
    for file in files:
        if UNREADABLE & set(file):
            raise unsupported(f"A key with one of * ? [ in it ({file})")
    source, cast, has = _source(table, storage, columns, f"[{', '.join(string(file) for file in files)}]", describe)
    parts = [
        f"{cast}({quoted(name) if name in has else 'NULL'} AS {kind}) AS {quoted(name)}"
        for name, kind in columns.items()
    ]
    parts += ['filename AS "$path"'] * path
    return f"SELECT {', '.join(parts)} FROM {source}"  # noqa: S608 - quoted parts


def _source(
    table: dict[str, Any], storage: dict[str, Any], columns: Columns, files: str, describe: Callable[[str], set[str]]
) -> tuple[str, str, set[str]]:
    """Return the reading call, the cast for its columns, and the names of the columns that exist."""
    serde = storage.get("SerdeInfo", {})
    kind = format_of(table)
    if kind == "parquet":
        source = f"read_parquet({files}, union_by_name = true)"
        return source, "CAST", describe(source)
    if kind == "json":
        types = ", ".join(f"{quoted(name)}: {string(kind)}" for name, kind in columns.items())
        return f"read_json({files}, format = 'newline_delimited', columns = {{{types}}})", "CAST", set(columns)
    names = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in columns)
    options = _csv_options(table, serde, is_quoted=kind == "csv")
    return f"read_csv({files}, columns = {{{names}}}, {options})", "TRY_CAST", set(columns)


def format_of(table: dict[str, Any]) -> str:
    """Return a table's format: parquet, json, csv (quoted) or text (delimited, unquoted).

    Raise QueryFailedError for any other.
    """
    storage = table.get("StorageDescriptor", {})
    library = storage.get("SerdeInfo", {}).get("SerializationLibrary", "").lower()
    said = f"{library} {storage.get('InputFormat', '').lower()}"
    for word, kind in {"parquet": "parquet", "json": "json", "opencsv": "csv"}.items():
        if word in said:
            return kind
    if "lazysimple" in said or (not library and "textinputformat" in said):
        return "text"
    raise unsupported(f"The format of table {table['Name']} ({said.strip() or 'none given'})")


def _csv_options(table: dict[str, Any], serde: dict[str, Any], *, is_quoted: bool) -> str:
    given = serde.get("Parameters", {})
    skip = table.get("Parameters", {}).get("skip.header.line.count", "0")
    if is_quoted:
        delimiter, quote = given.get("separatorChar", ","), given.get("quoteChar", '"')
        escape = given.get("escapeChar", quote)
    else:
        delimiter = given.get("field.delim", given.get("serialization.format", HIVE_DELIMITER))
        quote, escape = "", given.get("escape.delim", "")
    options = {
        "auto_detect": "false",
        "header": "false",
        "skip": str(int(skip)),
        "delim": string(HIVE_DELIMITER if delimiter == "1" else delimiter),
        "quote": string(quote),
        "escape": string(escape if quote else ""),
        "nullstr": string("\\N"),
        "null_padding": "true",
        "strict_mode": "false",
    }
    return ", ".join(f"{name} = {value}" for name, value in options.items())
