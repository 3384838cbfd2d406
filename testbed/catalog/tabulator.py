"""Tabulator tables: packages as SQL tables, by bucket and name; configurations are stored as given."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import sqlalchemy as sa

from testbed.catalog import database as db
from testbed.catalog import roles
from testbed.catalog.errors import InputError
from testbed.catalog.settings import put_setting
from testbed.catalog.settings import setting
from testbed.catalog.table_config import check_config

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.engine import Engine

Bend = Callable[..., Any]
Tables = list[dict[str, str]]
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
FLAG: Final = "tabulator-open-query"


def tables_of(engine: Engine, bucket: str, bend: Bend) -> Tables:
    """Return the tables of a bucket in order of name."""
    table = db.tabulator_tables
    with engine.connect() as connection:
        listed = _listed(connection, table.c.bucket == bucket)
        found: Tables = bend("tables", listed, everything=lambda: _listed(connection, sa.true()))
    return found


def held(engine: Engine, bend: Bend) -> dict[str, Any]:
    """Return what Athena needs: the tables of every bucket, and whether open query is enabled."""
    with engine.connect() as connection:
        names = sorted(roles.buckets(connection))
    return {"is_open": is_open(engine), "buckets": {name: tables_of(engine, name, bend) for name in names}}


def is_open(engine: Engine) -> bool:
    """Return whether tables may be queried with credentials that the catalog did not issue."""
    found = setting(engine, FLAG)
    return bool(found and found.value == "on")


def set_open(engine: Engine, author: str, bend: Bend, *, enabled: bool) -> None:
    """Enable or disable queries with credentials that the catalog did not issue."""
    put_setting(engine, FLAG, "on" if bend("flag to store", enabled, now=is_open(engine)) else "off", author)


def put_table(engine: Engine, bucket: str, name: str, config: str | None, bend: Bend) -> None:
    """Create or replace a table; None as configuration deletes it.

    Raise InputError for an unknown bucket, a bad name or an invalid configuration.
    """
    _check(engine, bucket, "tableName", name)
    if config is not None and bend("checks config", True):  # noqa: FBT003 - the value that is bent
        check_config(config)
    snapshot = bend("snapshot", None, tables=lambda: tables_of(engine, bucket, bend))
    with engine.begin() as connection:
        db.hold(connection)
        if not bend("stores table", True, config=config, is_there=_is_there(connection, bucket, name)):  # noqa: FBT003
            return
        # Only `tabulator-loses-concurrent-write` takes a snapshot: tables written since then are lost.
        if snapshot is not None:
            in_bucket = db.tabulator_tables.c.bucket == bucket
            connection.execute(
                db.tabulator_tables.delete().where(in_bucket, db.tabulator_tables.c.name.not_in(snapshot))
            )
        connection.execute(db.tabulator_tables.delete().where(_same(bucket, name)))
        if config is not None:
            connection.execute(db.tabulator_tables.insert().values(bucket=bucket, name=name, config=config))


def rename_table(engine: Engine, bucket: str, old: str, new: str, bend: Bend) -> None:
    """Rename a table; raise InputError if the new name is taken."""
    _check(engine, bucket, "newTableName", new)
    with engine.begin() as connection:
        db.hold(connection)
        if not _is_there(connection, bucket, old):
            raise InputError("tableName", "TableNotFound", f"The bucket `{bucket}` has no table `{old}`.")
        config = connection.scalar(sa.select(db.tabulator_tables.c.config).where(_same(bucket, old)))
        if bend("name is taken", _is_there(connection, bucket, new)):
            raise InputError("newTableName", "TableExists", f"The bucket `{bucket}` has a table `{new}` already.")
        gone = _same(bucket, new)
        if bend("rename moves", True):  # noqa: FBT003 - the value that is bent
            gone |= _same(bucket, old)
        connection.execute(db.tabulator_tables.delete().where(gone))
        connection.execute(db.tabulator_tables.insert().values(bucket=bucket, name=new, config=config))


def _check(engine: Engine, bucket: str, path: str, name: str) -> None:
    with engine.connect() as connection:
        is_known = bucket in roles.buckets(connection)
    if not is_known:
        raise InputError("bucketName", "BucketNotFound", f"The catalog has no bucket `{bucket}`.")
    if not NAME.fullmatch(name):
        raise InputError(path, "InvalidName", f"`{name}` is no table name: use 1 to 128 of A-Z, a-z, 0-9, _ and -.")


def _listed(connection: Connection, which: Any) -> Tables:
    table = db.tabulator_tables
    rows = connection.execute(sa.select(table.c.name, table.c.config).where(which).order_by(table.c.name))
    return [dict(row) for row in rows.mappings()]


def _same(bucket: str, name: str) -> Any:
    return (db.tabulator_tables.c.bucket == bucket) & (db.tabulator_tables.c.name == name)


def _is_there(connection: Connection, bucket: str, name: str) -> bool:
    return connection.execute(sa.select(db.tabulator_tables.c.name).where(_same(bucket, name))).first() is not None
