"""The address of the history, and checks that it can be used."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from sqlalchemy import create_engine
from sqlalchemy import event
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import NoSuchModuleError

from nightproof.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

BUSY_MS: Final = 10_000  # far longer than a night's write takes
REMEDY: Final = "remove the file and run `nightproof history --rebuild`, which reads every report again."


def default_url(state_dir: Path) -> str:
    """Return the URL of the SQLite index in a state directory."""
    return f"sqlite:///{(state_dir / 'history.sqlite').resolve()}"


def anchored(url: str, base: Path) -> str:
    """Return the URL with a relative SQLite path resolved from `base`; raise UsageError for an invalid URL."""
    if not url:
        return url
    address = engine_of(url).url
    file = address.database or ""
    if address.get_backend_name() != "sqlite" or not file or file.startswith((":", "file:")):
        return url
    return address.set(database=str(base / file)).render_as_string(hide_password=False)


def engine_of(url: str) -> Engine:
    """Return the engine of a history, not yet connected; raise UsageError for an invalid URL or a missing driver."""
    try:
        address = make_url(url)
        if address.drivername in {"postgres", "postgresql"}:  # without a driver SQLAlchemy would take psycopg2
            address = address.set(drivername="postgresql+psycopg")
        engine = create_engine(address)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"The history URL cannot be used: {error}. Install that driver, or give sqlite:///path."
        ) from error
    except (ArgumentError, NoSuchModuleError) as error:
        what = str(error).rpartition(":")[2].strip().rstrip(".")
        raise UsageError(f"The history URL cannot be used: {what}. Give sqlite:///path or postgresql://….") from error
    except (ValueError, TypeError) as error:  # a port that is no number, an argument that the driver does not know
        raise UsageError(f"The history URL cannot be used: {error}. Give sqlite:///path or postgresql://….") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _write_ahead)
    return engine


def require_usable(url: str) -> None:
    """Raise UsageError for an invalid URL, and for a SQLite file that is damaged or cannot be written.

    A database server is not contacted: its outage costs a night only its comparison, and must not stop the night.
    """
    engine = engine_of(url)
    file = engine.url.database or ""
    if engine.dialect.name != "sqlite" or not file or file.startswith((":", "file:")):
        return
    if engine.url.query:
        raise UsageError(f"The history `{file}` is a file: remove what follows the `?` in `history_url`.")
    if Path(file).exists():
        _require_whole(Path(file))


def _require_whole(path: Path) -> None:
    try:
        # A read-only connection would fail on a database that a killed night left with its journal.
        with closing(sqlite3.connect(path, timeout=BUSY_MS / 1000)) as database:
            database.execute("BEGIN IMMEDIATE")
            found = database.execute("PRAGMA quick_check(1)").fetchone()
            database.rollback()
    except sqlite3.Error as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            return  # another process is writing, so it can be written
        raise UsageError(
            f"The history `{path}` cannot be used: {error}; correct its permissions, or {REMEDY}"
        ) from error
    if found != ("ok",):
        raise UsageError(f"The history `{path}` is damaged ({' '.join(str(found[0]).split())}): {REMEDY}")


def _write_ahead(connection: Any, _record: Any) -> None:
    """Set WAL mode and a busy timeout, so that the report command can read while the night writes."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
