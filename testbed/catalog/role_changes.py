"""The changes that admins make to roles; every failure has a GraphQL type of its own."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import sqlalchemy as sa

from testbed.catalog import database as db
from testbed.catalog import sso
from testbed.catalog.arms import MarkedError
from testbed.catalog.descriptions import role_of
from testbed.catalog.errors import InputError
from testbed.catalog.settings import put_setting
from testbed.catalog.settings import setting

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.engine import Engine

NAME: Final = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
ARN: Final = re.compile(r"arn:aws:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)
RESERVED: Final = frozenset({"admin"})  # this role must keep access to every bucket
MOST_POLICIES: Final = 10  # AWS's default quota per role
DEFAULT: Final = "default-role"


def create(engine: Engine, name: str, arn: str, policies: list[str] | None) -> dict[str, Any]:
    """Create a role: managed if `policies` is a list, even an empty one, else unmanaged."""
    _check_arn(arn, policies)
    with engine.begin() as connection:
        db.hold(connection)
        _check_name(connection, name)
        fresh, is_managed = secrets.token_hex(8), policies is not None
        connection.execute(db.roles.insert().values(id=fresh, name=name, is_managed=is_managed, arn=arn))
        _attach(connection, fresh, policies)
        return {"__typename": "RoleCreateSuccess", "role": role_of(_row(connection, fresh))}


def update(engine: Engine, id: str, name: str, arn: str, policies: list[str] | None) -> dict[str, Any]:
    """Replace a role; its users keep it under its new name."""
    _check_arn(arn, policies)
    named = sso.roles_of(engine)
    with engine.begin() as connection:
        db.hold(connection)
        row = _row(connection, id)
        if row is None:
            raise InputError("id", "RoleDoesNotExist", f"There is no role `{id}`.")
        if row.is_managed != (policies is not None):
            raise MarkedError("RoleIsManaged" if row.is_managed else "RoleIsUnmanaged")
        if name != row.name:
            _check_name(connection, name, row)
            if row.name in named:
                raise MarkedError("RoleNameUsedBySsoConfig")
            connection.execute(db.users.update().where(db.users.c.role == row.name).values(role=name))
            connection.execute(db.extra_roles.update().where(db.extra_roles.c.role == row.name).values(role=name))
        connection.execute(db.roles.update().where(db.roles.c.id == id).values(name=name, arn=arn))
        _attach(connection, id, policies)
        return {"__typename": "RoleUpdateSuccess", "role": role_of(_row(connection, id))}


def delete(engine: Engine, id: str) -> dict[str, Any]:
    """Delete a role that no user has.

    If it was the default role, there is none afterwards.
    """
    named = sso.roles_of(engine)
    with engine.begin() as connection:
        db.hold(connection)
        row = _row(connection, id)
        if row is None:
            raise MarkedError("RoleDoesNotExist")
        if row.name in RESERVED:
            raise MarkedError("RoleNameReserved")
        if row.name in named:
            raise MarkedError("RoleNameUsedBySsoConfig")
        for table in (db.users, db.extra_roles):
            if connection.execute(sa.select(table.c.role).where(table.c.role == row.name)).first():
                raise MarkedError("RoleAssigned")
        connection.execute(db.attachments.delete().where(db.attachments.c.role == id))
        connection.execute(db.settings.delete().where(db.settings.c.name == DEFAULT, db.settings.c.value == id))
        connection.execute(db.roles.delete().where(db.roles.c.id == id))
    return {"__typename": "RoleDeleteSuccess"}


def set_default(engine: Engine, id: str, author: str) -> dict[str, Any]:
    """Set the default role; raise MarkedError if single sign-on names its own."""
    with engine.connect() as connection:
        row = _row(connection, id)
    if row is None:
        raise MarkedError("RoleDoesNotExist")
    if sso.roles_of(engine):
        raise MarkedError("SsoConfigConflict")
    put_setting(engine, DEFAULT, id, author)
    return {"__typename": "RoleSetDefaultSuccess", "role": role_of(row)}


def default(engine: Engine) -> dict[str, Any] | None:
    """Return the default role, or None."""
    found = setting(engine, DEFAULT)
    with engine.connect() as connection:
        row = _row(connection, found.value) if found else None
    return role_of(row) if row else None


def _attach(connection: Connection, role: str, policies: list[str] | None) -> None:
    """Replace the policies of a role; raise MarkedError above 10, InputError for an unknown one."""
    wanted = sorted(set(policies or ()))
    if len(wanted) > MOST_POLICIES:
        raise MarkedError("RoleHasTooManyPoliciesToAttach")
    known = set(connection.scalars(sa.select(db.policies.c.id).where(db.policies.c.id.in_(wanted))))
    for policy in wanted:
        if policy not in known:
            raise InputError("input.policies", "PolicyDoesNotExist", f"There is no policy `{policy}`.")
    connection.execute(db.attachments.delete().where(db.attachments.c.role == role))
    for policy in wanted:
        connection.execute(db.attachments.insert().values(role=role, policy=policy))


def _check_name(connection: Connection, name: str, row: Any = None) -> None:
    """Raise MarkedError for an invalid, reserved or existing role name; case is ignored."""
    if not NAME.fullmatch(name):
        raise MarkedError("RoleNameInvalid")
    if name.lower() in RESERVED or (row and row.name in RESERVED):
        raise MarkedError("RoleNameReserved")
    same = (sa.func.lower(db.roles.c.name) == name.lower()) & (db.roles.c.id != (row.id if row else ""))
    if connection.execute(sa.select(db.roles.c.id).where(same)).first():
        raise MarkedError("RoleNameExists")


def _check_arn(arn: str, policies: list[str] | None) -> None:
    if policies is None and not ARN.fullmatch(arn):
        raise InputError("input.arn", "InvalidArn", f"`{arn}` is not the ARN of an IAM role.")


def _row(connection: Connection, id: str) -> Any:
    return connection.execute(sa.select(db.roles).where(db.roles.c.id == id)).first()
