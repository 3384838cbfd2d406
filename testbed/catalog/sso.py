"""Single sign-on: the configuration that maps claims to roles, stored as given, and its application."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import NoReturn

import jsonschema  # type: ignore[import-untyped]  # ships no types

from testbed.catalog import roles
from testbed.catalog.errors import InputError
from testbed.catalog.settings import put_setting
from testbed.catalog.settings import setting
from testbed.parsing import yaml_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

NAME: Final = "sso-config"
VERSION: Final = "1.0"
NEEDED: Final = frozenset({"version", "default_role", "mappings"})
LONGEST_CONFIG: Final = 100_000


class NoRoleError(Exception):
    """Single sign-on is not configured, so claims have no role."""


def put_config(engine: Engine, text: str | None, author: str, *, is_checked: bool = True) -> None:
    """Replace the configuration; None as text deletes it.

    Raise InputError for an invalid configuration.
    """
    if text is not None and is_checked:
        with engine.connect() as connection:
            known = roles.names(connection)
        check_config(text, known)
    put_setting(engine, NAME, text, author)


def exchange(engine: Engine, claims: Any, bend: Callable[..., Any]) -> dict[str, Any]:
    """Return the roles of the first mapping that matches the claims, or the default role.

    Raise NoRoleError without a configuration.
    """
    found = setting(engine, NAME)
    if found is None:
        raise NoRoleError("Single sign-on is not configured. Ask an admin.")
    config = yaml_of(found.value)
    for mapping in bend("mappings", config["mappings"]):
        if jsonschema.Draft7Validator(mapping["schema"]).is_valid(claims):
            first, *others = mapping["roles"]
            return {"role": first, "extraRoles": others, "isAdmin": mapping.get("admin", False)}
    return {"role": config["default_role"], "extraRoles": [], "isAdmin": False}


def roles_of(engine: Engine) -> frozenset[str]:
    """Return the roles that the configuration names; empty without a configuration."""
    found = setting(engine, NAME)
    return _named(found.value) if found else frozenset()


def check_config(text: str, known: frozenset[str]) -> None:
    """Raise InputError unless a configuration is valid and all of its roles exist."""
    if unknown := sorted(_named(text) - known):
        _refuse(f"there is no role `{unknown[0]}`")


def _named(text: str) -> frozenset[str]:
    """Return the roles that a configuration names; raise InputError if it is invalid."""
    if len(text) > LONGEST_CONFIG:
        _refuse(f"it has {len(text)} characters, {LONGEST_CONFIG} are allowed")
    try:
        config = yaml_of(text)
    except ValueError as error:
        _refuse(str(error))
    if not isinstance(config, dict):
        _refuse("it is not a mapping")
    if wrong := sorted(map(str, config.keys() ^ NEEDED)):
        _refuse(f"`{wrong[0]}` is missing or unknown")
    if config["version"] != VERSION:
        _refuse(f'its version is `{config["version"]}`: use "{VERSION}"')
    if not isinstance(config["mappings"], list):
        _refuse("`mappings` is not a list")
    named = [config["default_role"], *(role for mapping in config["mappings"] for role in _roles_of_mapping(mapping))]
    for role in named:
        if not isinstance(role, str):
            _refuse(f"there is no role `{role}`")
    return frozenset(named)


def _roles_of_mapping(mapping: Any) -> list[Any]:
    if not isinstance(mapping, dict) or not {"schema", "roles"} <= mapping.keys() <= {"schema", "roles", "admin"}:
        _refuse("a mapping is not made of `schema`, `roles` and perhaps `admin`")
    if not isinstance(mapping["roles"], list) or not mapping["roles"]:
        _refuse("the `roles` of a mapping are not a list of roles")
    if not isinstance(mapping.get("admin", False), bool):
        _refuse("`admin` of a mapping is neither true nor false")
    _check_schema(mapping["schema"])
    return list(mapping["roles"])


def _check_schema(schema: Any) -> None:
    if not isinstance(schema, dict):
        _refuse("the `schema` of a mapping is not a mapping")
    try:
        if '"$ref"' in json.dumps(schema):
            _refuse("`$ref` is not supported")
        jsonschema.Draft7Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        _refuse(f"the `schema` of a mapping is not valid: {error.message}")
    except (TypeError, ValueError, RecursionError):
        _refuse("the `schema` of a mapping is not JSON")


def _refuse(why: str) -> NoReturn:
    raise InputError("config", "InvalidConfig", f"The configuration of single sign-on cannot be used: {why}.")
