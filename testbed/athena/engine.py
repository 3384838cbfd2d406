"""DuckDB in a sandbox: it reads the allowed objects only, with limited memory and time."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import urlsplit

import duckdb

from testbed.athena.failures import QueryFailedError
from testbed.athena.meanings import NO_DIVISOR
from testbed.athena.meanings import NO_ELEMENT
from testbed.athena.tables import string

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Sequence

    from testbed.athena.account import Keys

WATCH_SECONDS: Final = 0.05
PAGE_ROWS: Final = 2000
REASONS: Final = {  # pattern of DuckDB's message -> Athena's reason; the first match counts
    f"'{NO_DIVISOR}'": "DIVISION_BY_ZERO: Division by zero; the embedded Athena divides no doubles by it either",
    f"'{NO_ELEMENT}'": "INVALID_FUNCTION_ARGUMENT: An array has no such place, or a map no such key",
    r'Referenced column "([^"]+)" (?:not found|was not)': "COLUMN_NOT_FOUND: Column '{}' cannot be resolved",
    r'does not have a column named "([^"]+)"': "COLUMN_NOT_FOUND: Column '{}' cannot be resolved",
    r"Function with name (\S+) does not exist": "FUNCTION_NOT_FOUND: Function '{}' not registered",
    r"HTTP 403|\(403\)|Forbidden": "PERMISSION_DENIED: Access denied on S3 path: an object of the table may not be read"
    " (Service: Amazon S3; Status Code: 403)",
    r"CSV Error on Line: (\d+)[\s\S]*?(Expected Number of Columns: \d+ Found: \d+)": "HIVE_BAD_DATA: Line {}: {}",
    r"Out of Memory": "EXCEEDED_LOCAL_MEMORY_LIMIT: The query needs more memory than the embedded Athena allows",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one query."""

    seconds: float = 60.0
    memory: str = "512MB"
    threads: int = 2
    result_bytes: int = 32_000_000  # of printed values, held in memory as long as their execution
    file_bytes: int = 512_000_000  # of a table that CREATE TABLE AS writes


class Guard:
    """Ends a query from another thread: on cancellation, after its time limit, or if its file is too large."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.cancelled = threading.Event()
        self.reason = ""
        self._deadline = float("inf")

    def start(self) -> None:
        """Start the time limit; the wait in the queue does not count."""
        self._deadline = time.monotonic() + self.limits.seconds

    def check(self, file: Path | None = None) -> None:
        """Raise QueryFailedError if the query must end; called between calls of DuckDB."""
        if self.cancelled.is_set():
            self.reason = "Query cancelled by user"
        elif time.monotonic() > self._deadline:
            self.reason = f"EXCEEDED_TIME_LIMIT: Query exceeded the maximum run time of {self.limits.seconds:g} s"
        elif file is not None and file.exists() and file.stat().st_size > self.limits.file_bytes:
            self.reason = f"EXCEEDED_FILE_SIZE_LIMIT: The table is larger than {self.limits.file_bytes} bytes"
        if self.reason:
            raise QueryFailedError(self.reason)

    @contextlib.contextmanager
    def watching(self, connection: duckdb.DuckDBPyConnection, file: Path | None = None) -> Iterator[None]:
        """Interrupt the connection while the query must end.

        The interrupt repeats every 50 ms, because DuckDB ignores one that arrives before its query starts.
        """
        done = threading.Event()

        def watch() -> None:
            while not done.wait(WATCH_SECONDS):
                try:
                    self.check(file)
                except QueryFailedError:
                    connection.interrupt()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


class Session:
    """An in-memory DuckDB for one query; its configuration is locked from the start."""

    def __init__(self, url: str, keys: Keys, allowed: Sequence[str], guard: Guard) -> None:
        self._guard = guard
        limits = guard.limits
        self._connection = duckdb.connect(
            config={
                "memory_limit": limits.memory,
                "threads": limits.threads,
                "temp_directory": "",  # no spilling: a query that needs more memory fails
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "allow_community_extensions": False,
            }
        )
        # Extension and secret come first: without external access and with a locked configuration neither can be set.
        if any(path.startswith("s3://") for path in allowed):
            self._run(f"LOAD {string(extension())}")
            self._run(_secret(url, keys))
        self._run(f"SET allowed_paths = [{', '.join(string(path) for path in allowed)}]")
        for setting in (
            "enable_external_access = false",
            "TimeZone = 'UTC'",
            "integer_division = true",
            "python_enable_replacements = false",
            "lock_configuration = true",
        ):
            self._run(f"SET {setting}")

    def close(self) -> None:
        """Close the connection; the database is gone."""
        self._connection.close()

    def _run(self, sql: str) -> None:
        self._connection.execute(sql)

    def columns(self, sql: str, file: Path | None = None) -> list[tuple[str, str]]:
        """Return name and DuckDB type of each column in a query's result."""
        with self._reporting(file):
            return [(row[0], row[1]) for row in self._connection.execute(f"DESCRIBE {sql}").fetchall()]

    def define(self, database: str, name: str, sql: str) -> None:
        """Create a view; both names must already be quoted."""
        with self._reporting():
            self._run(f"CREATE SCHEMA IF NOT EXISTS {database}")
            self._run(f"CREATE VIEW {database}.{name} AS {sql}")

    def read_through(self, sql: str) -> None:
        """Read every value of a query; raise QueryFailedError if one cannot be read."""
        with self._reporting():
            self._connection.execute(f"SELECT bit_xor(hash(r)) FROM ({sql}) r").fetchall()  # noqa: S608 - our own

    def copy(self, sql: str, file: Path, options: str) -> int:
        """Write a query's rows to an allowed local file; return their number."""
        with self._reporting(file):
            row = self._connection.execute(f"COPY ({sql}) TO {string(str(file))} ({options})").fetchone()
        return int(row[0]) if row else 0

    def pages(self, sql: str) -> Iterator[list[tuple[Any, ...]]]:
        """Yield a query's rows in pages of at most 2,000."""
        with self._reporting():
            self._connection.execute(sql)
            while page := self._connection.fetchmany(PAGE_ROWS):
                self._guard.check()
                yield page

    @contextlib.contextmanager
    def _reporting(self, file: Path | None = None) -> Iterator[None]:
        try:
            with self._guard.watching(self._connection, file):
                yield
        except (duckdb.Error, RuntimeError, OverflowError, ValueError) as error:
            # RuntimeError is an interrupt during a fetch; the other two are values that Python cannot hold.
            raise QueryFailedError(self._guard.reason or _reason(str(error))) from error


def _reason(message: str) -> str:
    for pattern, reason in REASONS.items():
        if found := re.search(pattern, message):
            return reason.format(*found.groups())
    return f"QUERY_FAILED: {message.splitlines()[0] if message else 'no reason given'}"


def extension() -> str:
    """Return the path of the installed S3 extension for this version of DuckDB; download nothing."""
    spec = find_spec("duckdb_extension_httpfs")
    origin = spec.origin if spec else None
    if origin is None:
        raise QueryFailedError("GENERIC_INTERNAL_ERROR: The package `duckdb-extension-httpfs` is not installed.")
    return str(Path(origin).parent / "extensions" / f"v{duckdb.__version__}" / "httpfs.duckdb_extension")


def _secret(url: str, keys: Keys) -> str:
    token = f", SESSION_TOKEN {string(keys.session_token)}" if keys.session_token else ""
    return (
        f"CREATE SECRET (TYPE s3, KEY_ID {string(keys.access_key_id)}, SECRET {string(keys.secret_access_key)}{token},"
        f" ENDPOINT {string(urlsplit(url).netloc)}, URL_STYLE 'path', USE_SSL false, REGION {string(keys.region)})"
    )
