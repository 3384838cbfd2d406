"""The rights of roles: a managed role has those of its policies, an unmanaged role those of its IAM role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import sqlalchemy as sa

from testbed.catalog import database as db
from testbed.catalog.arns import account
from testbed.catalog.arns import role_arn
from testbed.catalog.people import ROLES

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

WIDEST: Final = "admin"  # its IAM role may use every bucket; a session policy narrows it to another role's rights
SEED: Final = "role-"


@dataclass(frozen=True, slots=True)
class Rights:
    """A role's rights on the catalog's buckets, and the ARNs from which its credentials are made."""

    role: str
    arn: str
    reads: frozenset[str]
    writes: frozenset[str]
    policies: tuple[str, ...] = ()  # ARNs


def rights_of(connection: Connection, row: Any) -> Rights:
    """Return the rights of a role, given its row."""
    return _managed(connection, row) if row.is_managed else _unmanaged(connection, row)


def role_of_user(connection: Connection, user: str) -> Any:
    """Return the row of a user's active role, or None without a user.

    One query, so that a concurrent rename cannot fall between user and role.
    """
    joined = db.roles.join(db.users, db.users.c.role == db.roles.c.name)
    return connection.execute(sa.select(db.roles).select_from(joined).where(db.users.c.name == user)).first()


def role_named(connection: Connection, name: str) -> Any:
    """Return the row of a role, or None."""
    return connection.execute(sa.select(db.roles).where(db.roles.c.name == name)).first()


def levels_of(connection: Connection, role: str) -> dict[str, str]:
    """Return, by bucket, the highest level that the policies of a managed role grant."""
    permissions, attached = db.permissions, db.attachments
    joined = permissions.join(attached, attached.c.policy == permissions.c.policy)
    # `max` picks the higher level, because "READ_WRITE" sorts after "READ".
    query = sa.select(permissions.c.bucket, sa.func.max(permissions.c.level)).select_from(joined)
    query = query.where(attached.c.role == role).group_by(permissions.c.bucket).order_by(permissions.c.bucket)
    return {bucket: level for bucket, level in connection.execute(query)}  # noqa: C416 - rows are no pairs to the type checker


def names(connection: Connection) -> frozenset[str]:
    """Return the names of all roles."""
    return frozenset(connection.scalars(sa.select(db.roles.c.name)))


def buckets(connection: Connection) -> frozenset[str]:
    """Return the names of the catalog's buckets."""
    return frozenset(connection.scalars(sa.select(db.buckets.c.name)))


def _managed(connection: Connection, row: Any) -> Rights:
    levels = levels_of(connection, row.id)
    writes = frozenset(bucket for bucket, level in levels.items() if level == "READ_WRITE")
    attached = db.policies.join(db.attachments, db.attachments.c.policy == db.policies.c.id)
    query = sa.select(db.policies.c.arn).select_from(attached)
    query = query.where(db.attachments.c.role == row.id, db.policies.c.arn.is_not(None)).order_by(db.policies.c.arn)
    arns = tuple(connection.scalars(query))
    reads = frozenset(levels)
    seed = row.id.removeprefix(SEED)
    # A declared role that nobody widened keeps its own IAM role; others use the widest, narrowed by a session policy.
    is_own = not arns and seed in ROLES and reads <= ROLES[seed][0] and writes <= ROLES[seed][1]
    return Rights(row.name, role_arn(seed if is_own else WIDEST), reads, writes, arns)


def _unmanaged(connection: Connection, row: Any) -> Rights:
    seed = row.id.removeprefix(SEED)
    arn = row.arn or role_arn(seed)
    own = f"arn:aws:iam::{account()}:role/nightproof-"
    reads, writes = ROLES.get(arn.removeprefix(own), (frozenset(), frozenset()))
    known = buckets(connection)
    return Rights(row.name, arn, reads & known, writes & known)
