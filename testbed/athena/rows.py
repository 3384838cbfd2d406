"""The rows of a Tabulator table's files: CSV columns by position, Parquet columns by name, cast to declared types."""

from __future__ import annotations

import csv
import tempfile
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Final

from testbed.athena.catalogs import bucket_of
from testbed.athena.failures import QueryFailedError
from testbed.athena.tables import quoted
from testbed.athena.tables import string
from testbed.athena.tabulator import ADDED
from testbed.athena.tabulator import ISSUE
from testbed.athena.tabulator import files_of
from testbed.athena.tabulator import table_of

if TYPE_CHECKING:
    from testbed.athena.account import Account
    from testbed.athena.engine import Guard
    from testbed.athena.engine import Session
    from testbed.athena.tabulator import Column
    from testbed.athena.tabulator import Definition
    from testbed.athena.tabulator import File

ENCODING: Final = "utf-8-sig"
DEFAULTS: Final = {  # of NOT NULL columns, in the row that replaces an unreadable file
    "string": "''",
    "binary": "''",
    "boolean": "false",
    "date": "'1970-01-01'",
    "timestamp": "'1970-01-01'",
}


class BrokenError(Exception):
    """A file that does not match its table's definition; the message is the reason."""


@dataclass(slots=True)
class Tabulated:
    """A table with its files.

    `paths` holds the local copy of each fetched file, or None where the object does not exist.
    """

    table: Definition
    files: list[File]
    paths: list[Path | None] = field(default_factory=list)

    def fetch(self, account: Account, guard: Guard, folder: Path) -> list[str]:
        """Download the exact versions that the packages name; return the local paths.

        Raise QueryFailedError above the limit for files.
        """
        left, own = guard.limits.file_bytes, Path(tempfile.mkdtemp(dir=folder))
        for file in self.files:
            guard.check()
            left -= file.size
            if left < 0:
                raise QueryFailedError(
                    f"EXCEEDED_FILE_SIZE_LIMIT: The table reads more than {guard.limits.file_bytes} bytes"
                )
            body = account.read(file.bucket, file.key, file.version)
            path = own / str(len(self.paths))
            if body is not None:
                path.write_bytes(body)
            self.paths.append(path if body is not None else None)
        return [str(path) for path in self.paths if path]

    def sql(self, session: Session) -> str:
        """Return the query over all rows.

        A file that cannot be read fails the query. With `continue_on_error` it becomes one row with the reason in
        `$issue`.
        """
        # A first part without rows gives a table without files its columns.
        parts = [_select(self.table, {}, "NULL", {}, "WHERE FALSE")]
        for file, path in zip(self.files, self.paths, strict=True):
            try:
                parts.append(_rows(session, self.table, file, path))
            except (BrokenError, QueryFailedError) as error:
                reason = f"{file.values['$physical_key']}: {error}"
                if not self.table.continues:
                    raise QueryFailedError(f"GENERIC_USER_ERROR: {reason}") from error
                parts.append(_select(self.table, {}, string(reason), file.values, ""))
        return " UNION ALL ".join(parts)


def tabulated(account: Account, guard: Guard, place: tuple[str, str]) -> Tabulated:
    """Return a table with the files that it reads."""
    table = table_of(account, *place)
    return Tabulated(table, list(files_of(account, guard, bucket_of(place[0]), table)))


def _rows(session: Session, table: Definition, file: File, path: Path | None) -> str:
    """Return the query over one file's rows.

    With `continue_on_error` the file is read to its end first, so that an unreadable one raises here.
    """
    if path is None:
        raise BrokenError("there is no such object, or not in this version")
    source, present = _csv(table, path) if table.delimiter else _parquet(session, path)
    if not present:
        return _select(table, {}, "NULL", file.values, "WHERE FALSE")
    missing = [column for column in table.columns if column.name not in present]
    if needed := [column.name for column in missing if not column.is_nullable]:
        raise BrokenError(f"the column {needed[0]} is missing")
    issue = string(f"missing: {', '.join(column.name for column in missing)}") if missing else "NULL"
    sql = _select(table, present, issue, file.values, f"FROM {source}")
    if table.continues:
        session.read_through(sql)
    return sql


def _select(table: Definition, present: dict[str, str], issue: str, values: dict[str, str | None], rest: str) -> str:
    """Return a SELECT of all columns of a table; if none is present, each column has its default."""
    parts = [_value(column, present) for column in table.columns]
    for name in (*table.groups, *ADDED):
        value = values.get(name)
        parts.append(f"CAST({'NULL' if value is None else string(value)} AS VARCHAR) AS {quoted(name)}")
    return f"SELECT {', '.join(parts)}, CAST({issue} AS VARCHAR) AS {quoted(ISSUE)} {rest}".rstrip()


def _value(column: Column, present: dict[str, str]) -> str:
    if not present:
        given = "NULL" if column.is_nullable else DEFAULTS.get(column.hive, "0")
    else:
        given = present.get(column.name, "NULL")
        if not column.is_nullable:
            given = f"COALESCE({given}, error({string(f'the column {column.name} may not be null')}))"
    return f"CAST({given} AS {column.kind}) AS {quoted(column.name)}"


def _csv(table: Definition, path: Path) -> tuple[str, dict[str, str]]:
    """Return the reading call, and the CSV field of each column that the first line covers."""
    with path.open(newline="", encoding=ENCODING, errors="replace") as lines:
        count = len(next(csv.reader(lines, delimiter=table.delimiter), []))
    fields = ", ".join(f"'f{place}': 'VARCHAR'" for place in range(count))
    options = {
        "columns": f"{{{fields}}}",
        "auto_detect": "false",
        "header": str(table.has_header).lower(),
        "delim": string(table.delimiter),
        "quote": "'\"'",
        "escape": "'\"'",
        "nullstr": "''",
    }
    source = f"read_csv({string(str(path))}, {', '.join(f'{name} = {value}' for name, value in options.items())})"
    return source, {column.name: f"f{place}" for place, column in enumerate(table.columns[:count])}


def _parquet(session: Session, path: Path) -> tuple[str, dict[str, str]]:
    """Return the reading call, and the quoted columns of the file by their lower-case names."""
    source = f"read_parquet({string(str(path))})"
    found = session.columns(f"SELECT * FROM {source}")  # noqa: S608 - quoted parts
    return source, {name.lower(): quoted(name) for name, _ in found}
