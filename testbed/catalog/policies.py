"""The changes that admins make to policies; managed ones grant buckets, unmanaged ones name an AWS policy."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import sqlalchemy as sa

from testbed.catalog import database as db
from testbed.catalog import roles
from testbed.catalog.descriptions import policy_of
from testbed.catalog.errors import InputError
from testbed.catalog.errors import OperationError
from testbed.catalog.role_changes import MOST_POLICIES

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.engine import Engine

ARN: Final = re.compile(r"arn:aws:iam::(\d{12}|aws):policy/[\w+=,.@/-]+", re.ASCII)
LONGEST_TITLE: Final = 128


def create(engine: Engine, given: dict[str, Any]) -> dict[str, Any]:
    """Create a policy: managed if it has no ARN, else unmanaged."""
    fresh = secrets.token_hex(8)
    with engine.begin() as connection:
        db.hold(connection)
        _check(connection, fresh, given)
        connection.execute(db.policies.insert().values(id=fresh, title=given["title"], arn=given.get("arn")))
        return _filled(connection, fresh, given)


def update(engine: Engine, id: str, given: dict[str, Any]) -> dict[str, Any]:
    """Replace a policy and the roles that have it; raise InputError if the new one is of the other kind."""
    with engine.begin() as connection:
        db.hold(connection)
        row = _existing(connection, id)
        if (row.arn is None) != ("arn" not in given):
            kind = "PolicyIsManaged" if row.arn is None else "PolicyIsUnmanaged"
            raise InputError("id", kind, f"The policy `{row.title}` is of the other kind.")
        _check(connection, id, given)
        values = {"title": given["title"], "arn": given.get("arn")}
        connection.execute(db.policies.update().where(db.policies.c.id == id).values(**values))
        return _filled(connection, id, given)


def delete(engine: Engine, id: str) -> dict[str, Any]:
    """Delete a policy; raise OperationError if a role has it."""
    with engine.begin() as connection:
        db.hold(connection)
        row = _existing(connection, id)
        if connection.execute(sa.select(db.attachments.c.role).where(db.attachments.c.policy == id)).first():
            raise OperationError("PolicyAssigned", f"The policy `{row.title}` is assigned to roles: detach it first.")
        connection.execute(db.permissions.delete().where(db.permissions.c.policy == id))
        connection.execute(db.policies.delete().where(db.policies.c.id == id))
    return {"__typename": "Ok"}


def _filled(connection: Connection, id: str, given: dict[str, Any]) -> dict[str, Any]:
    """Replace permissions and roles of a policy; return the stored policy."""
    connection.execute(db.permissions.delete().where(db.permissions.c.policy == id))
    for permission in given.get("permissions", ()):
        connection.execute(db.permissions.insert().values(policy=id, **permission))
    connection.execute(db.attachments.delete().where(db.attachments.c.policy == id))
    for role in sorted(set(given["roles"])):
        connection.execute(db.attachments.insert().values(role=role, policy=id))
    return policy_of(_existing(connection, id))


def _check(connection: Connection, id: str, given: dict[str, Any]) -> None:
    """Raise InputError for an invalid policy, or one whose title or ARN another policy has."""
    title, arn = given["title"], given.get("arn")
    if not title.strip() or len(title) > LONGEST_TITLE:
        raise InputError("input.title", "InvalidTitle", f"A title has 1 to {LONGEST_TITLE} characters.")
    if arn is not None and not ARN.fullmatch(arn):
        raise InputError("input.arn", "InvalidArn", f"`{arn}` is not the ARN of an IAM policy.")
    others = sa.select(db.policies.c.id).where(db.policies.c.id != id)
    if connection.execute(others.where(db.policies.c.title == title)).first():
        raise InputError("input.title", "PolicyTitleConflict", f"There is a policy `{title}` already.")
    if arn is not None and connection.execute(others.where(db.policies.c.arn == arn)).first():
        raise InputError("input.arn", "PolicyArnConflict", f"There is a policy with the ARN `{arn}` already.")
    _check_permissions(connection, given.get("permissions", []))
    for position, role in enumerate(given["roles"]):
        _check_role(connection, f"input.roles.{position}", id, role)


def _check_permissions(connection: Connection, given: list[dict[str, Any]]) -> None:
    known, seen = roles.buckets(connection), set()
    for position, permission in enumerate(given):
        path, bucket = f"input.permissions.{position}.bucket", permission["bucket"]
        if bucket not in known:
            raise InputError(path, "BucketNotFound", f"The catalog has no bucket `{bucket}`.")
        if bucket in seen:
            raise InputError(path, "Conflict", f"The bucket `{bucket}` comes twice.")
        seen.add(bucket)


def _check_role(connection: Connection, path: str, id: str, role: str) -> None:
    is_managed = connection.scalar(sa.select(db.roles.c.is_managed).where(db.roles.c.id == role))
    if is_managed is None:
        raise InputError(path, "RoleDoesNotExist", f"There is no role `{role}`.")
    if not is_managed:
        raise InputError(path, "RoleIsUnmanaged", f"The role `{role}` takes no policies: it is not managed.")
    others = (db.attachments.c.role == role) & (db.attachments.c.policy != id)
    held = connection.scalar(sa.select(sa.func.count()).where(others))
    if (held or 0) >= MOST_POLICIES:
        message = f"The role `{role}` has {held} policies, {MOST_POLICIES} are allowed."
        raise InputError(path, "RoleHasTooManyPoliciesToAttach", message)


def _existing(connection: Connection, id: str) -> Any:
    row = connection.execute(sa.select(db.policies).where(db.policies.c.id == id)).first()
    if row is None:
        raise InputError("id", "PolicyDoesNotExist", f"There is no policy `{id}`.")
    return row
