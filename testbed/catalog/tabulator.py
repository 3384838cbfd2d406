"""Tabulator tables: how packages are read as SQL tables, by bucket and name; each configuration is kept as given."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import NoReturn

import sqlalchemy as sa
import yaml

from testbed.catalog import database as db
from testbed.catalog import roles
from testbed.catalog.registry import InputError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.engine import Engine

NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
COLUMN: Final = re.compile(r"[a-z_][a-z0-9_]*")
GROUP: Final = re.compile(r"\(\?<(?![=!])")  # the other spelling of a named group
TYPES: Final = (
    *("BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE"),
    *("STRING", "BINARY", "DATE", "TIMESTAMP"),
)
FORMATS: Final = {"csv": {"format", "delimiter", "header"}, "parquet": {"format"}}
LONGEST_CONFIG: Final = 100_000
FLAG: Final = "tabulator-open-query"


def tables_of(engine: Engine, bucket: str) -> list[dict[str, str]]:
    """List the tables of a bucket by name."""
    table = db.tabulator_tables
    query = sa.select(table.c.name, table.c.config).where(table.c.bucket == bucket).order_by(table.c.name)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def put_table(engine: Engine, bucket: str, name: str, config: str | None) -> None:
    """Create or replace a table; nothing as configuration removes it, if it is there."""
    _check(engine, bucket, "tableName", name)
    if config is not None:
        check_config(config)
    with engine.begin() as connection:
        connection.execute(db.tabulator_tables.delete().where(_same(bucket, name)))
        if config is not None:
            connection.execute(db.tabulator_tables.insert().values(bucket=bucket, name=name, config=config))


def rename_table(engine: Engine, bucket: str, old: str, new: str) -> None:
    """Give a table another name that is free."""
    _check(engine, bucket, "newTableName", new)
    with engine.begin() as connection:
        # writing first takes the lock: nobody else makes a table of that name meanwhile
        connection.execute(db.tabulator_tables.update().where(sa.false()).values(name=new))
        if not _is_there(connection, bucket, old):
            raise InputError("tableName", "TableNotFound", f"The bucket `{bucket}` has no table `{old}`.")
        if _is_there(connection, bucket, new):
            raise InputError("newTableName", "TableExists", f"The bucket `{bucket}` has a table `{new}` already.")
        connection.execute(db.tabulator_tables.update().where(_same(bucket, old)).values(name=new))


def check_config(text: str) -> None:
    """Raise InputError unless a configuration can be used."""
    if len(text) > LONGEST_CONFIG:
        _refuse(f"it has {len(text)} characters, {LONGEST_CONFIG} are allowed")
    try:
        config = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError):
        _refuse("it is not YAML")
    _members("it", config, {"schema", "source", "parser"}, {"continue_on_error"})
    columns = _check_schema(config["schema"])
    groups = _check_source(config["source"])
    if twice := sorted(columns & groups):
        _refuse(f"the column `{twice[0]}` is also a named group")
    parser = config["parser"]
    kind = parser.get("format") if isinstance(parser, dict) else None
    if not isinstance(kind, str) or kind not in FORMATS:
        _refuse(f"the format of `parser` is `{kind}`: use csv or parquet")
    _members("`parser`", parser, {"format"}, FORMATS[kind])
    delimiter = parser.get("delimiter", ",")
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        _refuse("`delimiter` is not one character")
    for name, flag in (("header", parser.get("header")), ("continue_on_error", config.get("continue_on_error"))):
        if not isinstance(flag, bool | None):
            _refuse(f"`{name}` is neither true nor false")


def _check_schema(schema: Any) -> set[str]:
    if not isinstance(schema, list) or not schema:
        _refuse("`schema` is not a list of columns")
    names: set[str] = set()
    for column in schema:
        _members("a column", column, {"name", "type"}, {"nullable"})
        name, kind = column["name"], column["type"]
        if not isinstance(name, str) or not COLUMN.fullmatch(name) or name in names:
            _refuse(f"`{name}` is no column name, or comes twice")
        if kind not in TYPES:
            _refuse(f"the type `{kind}` of `{name}` is none of {', '.join(TYPES)}")
        if not isinstance(column.get("nullable"), bool | None):
            _refuse(f"`nullable` of `{name}` is neither true nor false")
        names.add(name)
    return names


def _check_source(source: Any) -> set[str]:
    _members("`source`", source, {"type", "package_name", "logical_key"}, set())
    if source["type"] != "quilt-packages":
        _refuse(f"the type of `source` is `{source['type']}`: use quilt-packages")
    groups: set[str] = set()
    for name in ("package_name", "logical_key"):
        try:
            groups |= set(re.compile(GROUP.sub("(?P<", source[name])).groupindex)
        except (re.error, TypeError, RecursionError, OverflowError):
            _refuse(f"`{name}` is not a regular expression")
    return groups


def _members(what: str, given: Any, needed: set[str], allowed: set[str]) -> None:
    if not isinstance(given, dict):
        _refuse(f"{what} is not a mapping")
    for name in sorted(needed - given.keys()):
        _refuse(f"{what} lacks `{name}`")
    for name in given.keys() - needed - allowed:
        _refuse(f"{what} has an unknown member `{name}`")


def _refuse(why: str) -> NoReturn:
    raise InputError("config", "InvalidConfig", f"The configuration of the table cannot be used: {why}.")


def _check(engine: Engine, bucket: str, path: str, name: str) -> None:
    with engine.connect() as connection:
        is_known = bucket in roles.buckets(connection)
    if not is_known:
        raise InputError("bucketName", "BucketNotFound", f"The catalog has no bucket `{bucket}`.")
    if not NAME.fullmatch(name):
        raise InputError(path, "InvalidName", f"`{name}` is no table name: use 1 to 128 of A-Z, a-z, 0-9, _ and -.")


def _same(bucket: str, name: str) -> Any:
    return (db.tabulator_tables.c.bucket == bucket) & (db.tabulator_tables.c.name == name)


def _is_there(connection: Connection, bucket: str, name: str) -> bool:
    return connection.execute(sa.select(db.tabulator_tables.c.name).where(_same(bucket, name))).first() is not None
