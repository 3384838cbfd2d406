"""Buckets, roles and policies in the schema's shape; links between them are resolvers, run only if queried."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import sqlalchemy as sa

from testbed.catalog import database as db
from testbed.catalog.arns import account
from testbed.catalog.collaborators import collaborators
from testbed.catalog.roles import levels_of
from testbed.catalog.roles import rights_of
from testbed.catalog.roles import role_named
from testbed.catalog.tabulator import tables_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection
    from sqlalchemy.engine import Engine

Listed = list[dict[str, Any]]
FOR_ADMINS: Final = (
    *("snsNotificationArn", "scannerParallelShardsDepth", "skipMetaDataIndexing", "fileExtensionsToIndex"),
    *("indexContentBytes", "prefixes"),
)


def bucket_of(engine: Engine, name: str) -> dict[str, Any] | None:
    """Return a bucket's BucketConfig, or None if the catalog has no such bucket."""
    with engine.connect() as connection:
        config = connection.scalar(sa.select(db.buckets.c.config).where(db.buckets.c.name == name))
    if config is None:
        return None
    closed = {field: _admins(functools.partial(_member, config, field)) for field in FOR_ADMINS}
    closed["associatedPolicies"] = _admins(lambda engine: _policy_permissions(engine, bucket=name))
    closed["associatedRoles"] = _admins(lambda engine: _roles_of_bucket(engine, name))
    lists = {
        "tabulatorTables": lambda info: tables_of(info.context.engine, name, info.context.registry.defects.bend),
        "collaborators": lambda info: collaborators(info.context.engine, name),
    }
    return {"__typename": "BucketConfig", "name": name, **config, **closed, **lists}


def buckets_of(engine: Engine, names: frozenset[str]) -> Listed:
    """Return the BucketConfigs of buckets, in order of name."""
    return [bucket for name in sorted(names) if (bucket := bucket_of(engine, name))]


def roles_of(engine: Engine, which: Any = None) -> Listed:
    """Return roles in order of name; `which` is a SQL condition on the rows."""
    query = sa.select(db.roles).where(sa.true() if which is None else which).order_by(db.roles.c.name)
    with engine.connect() as connection:
        return [role_of(row) for row in connection.execute(query)]


def roles_named(connection: Connection, names: Iterable[str]) -> Listed:
    """Return roles in the order of `names`; one that was renamed meanwhile is left out."""
    rows = (role_named(connection, name) for name in names)
    return [role_of(row) for row in rows if row]


def role_of(row: Any) -> dict[str, Any]:
    """Return the Role of a database row."""

    def arn(info: Any) -> str:
        with info.context.engine.connect() as connection:
            return rights_of(connection, row).arn

    def policies(info: Any) -> Listed:
        ids = sa.select(db.attachments.c.policy).where(db.attachments.c.role == row.id)
        return policies_of(info.context.engine, db.policies.c.id.in_(ids))

    return {
        "__typename": "ManagedRole" if row.is_managed else "UnmanagedRole",
        "id": row.id,
        "name": row.name,
        "arn": arn,
        "policies": policies,
        "permissions": lambda info: _role_permissions(info.context.engine, row),
    }


def policies_of(engine: Engine, which: Any = None) -> Listed:
    """Return policies in order of title; `which` is a SQL condition on the rows."""
    query = sa.select(db.policies).where(sa.true() if which is None else which).order_by(db.policies.c.title)
    with engine.connect() as connection:
        return [policy_of(row) for row in connection.execute(query)]


def policy_of(row: Any) -> dict[str, Any]:
    """Return the Policy of a database row."""
    ids = sa.select(db.attachments.c.role).where(db.attachments.c.policy == row.id)
    return {
        "__typename": "Policy",
        "id": row.id,
        "title": row.title,
        "arn": row.arn or f"arn:aws:iam::{account()}:policy/nightproof-{row.id}",
        "managed": row.arn is None,
        "permissions": lambda info: _policy_permissions(info.context.engine, policy=row.id),
        "roles": lambda info: roles_of(info.context.engine, db.roles.c.id.in_(ids)),
    }


def _policy_permissions(engine: Engine, **same: str) -> Listed:
    """Return the permissions of one policy (`policy=`) or on one bucket (`bucket=`)."""
    joined = db.permissions.join(db.policies, db.policies.c.id == db.permissions.c.policy)
    query = sa.select(db.policies, db.permissions.c.bucket, db.permissions.c.level).select_from(joined)
    query = query.filter(*(db.permissions.c[name] == value for name, value in same.items()))
    with engine.connect() as connection:
        rows = connection.execute(query.order_by(db.permissions.c.bucket, db.policies.c.title))
        return [_permission(row.bucket, row.level) | {"policy": policy_of(row)} for row in rows]


def _role_permissions(engine: Engine, row: Any) -> Listed:
    with engine.connect() as connection:
        levels = levels_of(connection, row.id)
    return [_permission(bucket, level) | {"role": role_of(row)} for bucket, level in levels.items()]


def _roles_of_bucket(engine: Engine, bucket: str) -> Listed:
    found = []
    with engine.connect() as connection:
        for row in connection.execute(sa.select(db.roles).where(db.roles.c.is_managed).order_by(db.roles.c.name)):
            level = levels_of(connection, row.id).get(bucket)
            found += [_permission(bucket, level) | {"role": role_of(row)}] if level else []
    return found


def _permission(bucket: str, level: str) -> dict[str, Any]:
    return {"bucket": lambda info: bucket_of(info.context.engine, bucket), "level": level}


def _member(config: dict[str, Any], field: str, _engine: Engine) -> Any:
    return config.get(field)


def _admins(value: Callable[[Engine], Any]) -> Callable[[Any], Any]:
    """Return a resolver that raises ForbiddenError unless the caller is an admin."""

    def resolve(info: Any) -> Any:
        info.context.who.require_admin()
        return value(info.context.engine)

    return resolve
