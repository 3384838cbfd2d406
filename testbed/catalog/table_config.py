"""The configuration of a Tabulator table: its validation, and its regular expressions."""

from __future__ import annotations

import re
from typing import Any
from typing import Final
from typing import NoReturn

from testbed.catalog.errors import InputError
from testbed.parsing import yaml_of

COLUMN: Final = re.compile(r"[a-z_][a-z0-9_]*")
GROUP: Final = re.compile(r"\(\?<(?![=!])")  # a named group in the spelling that Python lacks
TYPES: Final = (
    *("BOOLEAN", "TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE"),
    *("STRING", "BINARY", "DATE", "TIMESTAMP"),
)
FORMATS: Final = {"csv": {"format", "delimiter", "header"}, "parquet": {"format"}}
LONGEST_CONFIG: Final = 100_000


def pattern(text: str) -> re.Pattern[str]:
    """Compile a regular expression of a configuration; named groups may be `(?P<name>` or `(?<name>`."""
    return re.compile(GROUP.sub("(?P<", text))


def check_config(text: str) -> None:
    """Raise InputError unless a configuration is valid."""
    if len(text) > LONGEST_CONFIG:
        _refuse(f"it has {len(text)} characters, {LONGEST_CONFIG} are allowed")
    try:
        config = yaml_of(text)
    except ValueError as error:
        _refuse(str(error))
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
            groups |= set(pattern(source[name]).groupindex)
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
