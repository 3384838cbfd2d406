"""The collaborators of a bucket: users whose managed role has it, and potential ones with an unmanaged role."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import sqlalchemy as sa

from testbed.catalog import database as db
from testbed.catalog.roles import levels_of

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.engine import Engine

Listed = list[dict[str, Any]]


def collaborators(engine: Engine, bucket: str) -> Listed:
    """Return the active users whose managed role has a bucket, with the permission level."""
    with engine.connect() as connection:
        rows = _active(connection, is_managed=True)
        levels = {row.role_id: levels_of(connection, row.role_id).get(bucket) for row in rows}
    return [
        {"collaborator": _collaborator(row), "permissionLevel": levels[row.role_id]}
        for row in rows
        if levels[row.role_id]
    ]


def potential_collaborators(engine: Engine) -> Listed:
    """Return the active users with an unmanaged role; only AWS knows what its IAM role allows."""
    with engine.connect() as connection:
        return [_collaborator(row) for row in _active(connection, is_managed=False)]


def _active(connection: Connection, *, is_managed: bool) -> Any:
    joined = db.users.join(db.roles, db.roles.c.name == db.users.c.role)
    query = sa.select(db.users.c.name, db.users.c.email, db.roles.c.id.label("role_id")).select_from(joined)
    chosen = query.where(db.users.c.is_active, db.roles.c.is_managed == is_managed)
    return connection.execute(chosen.order_by(db.users.c.name)).all()


def _collaborator(row: Any) -> dict[str, Any]:
    return {"username": row.name, "email": row.email}
