"""The catalog's database in SQLite and PostgreSQL: seeding happens once, and writers take turns."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from typing import Any

import pytest
import sqlalchemy as sa

from testbed.catalog import database as db
from testbed.catalog.people import ROLES
from testbed.catalog.people import USERS

if TYPE_CHECKING:
    from pathlib import Path

WRITERS = 8


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Return the path or URL of an empty database."""
    on_server = request.param == "postgresql"
    return str(request.getfixturevalue("new_database")) if on_server else tmp_path / "catalog.sqlite"


def names(engine: sa.Engine, table: sa.Table = db.users) -> list[str]:
    """Return the names in a table, in the database's order."""
    with engine.connect() as connection:
        return list(connection.scalars(sa.select(table.c.name).order_by(table.c.name)))


def test_what_is_declared_is_put_in_once(where: Path | str) -> None:
    """Declared users and roles are inserted once. A later opening does not restore a deleted one."""
    engine = db.open_database(where)
    assert (names(engine), names(engine, db.roles)) == (sorted(USERS), sorted(ROLES))
    with engine.begin() as connection:
        connection.execute(db.users.delete().where(db.users.c.name == "test-service"))
    again = db.open_database(where)
    assert names(again) == sorted(USERS.keys() - {"test-service"})
    engine.dispose()
    again.dispose()


def test_names_are_in_the_order_of_code_points(where: Path | str) -> None:
    """Names are ordered by code point, whatever the server's locale."""
    engine, given = db.open_database(where), ["aB", "ab", "a_b", "a-b", "a.b", "Z", "é"]
    rows: list[dict[str, Any]] = [{"name": name, "email": f"{name}@test.com"} for name in given]
    with engine.begin() as connection:
        connection.execute(db.users.insert(), rows)
    assert [name for name in names(engine) if name in given] == sorted(given)
    engine.dispose()


def test_who_holds_the_database_reads_what_nobody_changes_meanwhile(where: Path | str) -> None:
    """No other transaction writes while one holds the database, so that eight concurrent increments all count."""
    engine = db.open_database(where)
    with engine.begin() as connection:
        connection.execute(db.settings.insert().values(name="count", value="0", author="", time=0))

    def count_up(_: int) -> None:
        with engine.begin() as connection:
            db.hold(connection)
            counted = db.settings.c.name == "count"
            found = connection.scalar(sa.select(db.settings.c.value).where(counted))
            connection.execute(db.settings.update().where(counted).values(value=str(int(found or "") + 1)))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(count_up, range(WRITERS)))
    with engine.connect() as connection:
        found = connection.scalar(sa.select(db.settings.c.value).where(db.settings.c.name == "count"))
    assert found == str(WRITERS)
    engine.dispose()
