"""Settings of the whole catalog that admins change; one row each, with author and time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from typing import Any

import sqlalchemy as sa

from testbed.catalog import database as db

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


def setting(engine: Engine, name: str) -> Any:
    """Return a setting's row (`value`, `author`, `time`), or None if it is not set."""
    with engine.connect() as connection:
        return connection.execute(sa.select(db.settings).where(db.settings.c.name == name)).first()


def put_setting(engine: Engine, name: str, value: str | None, author: str) -> None:
    """Replace a setting; None as value deletes it."""
    with engine.begin() as connection:
        db.hold(connection)
        connection.execute(db.settings.delete().where(db.settings.c.name == name))
        if value is not None:
            row = {"name": name, "value": value, "author": author, "time": time.time()}
            connection.execute(db.settings.insert().values(**row))
