"""Defects of users, their roles and single sign-on."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import sqlalchemy as sa
import yaml

from testbed.catalog import database as db
from testbed.catalog.people import JOINED
from testbed.catalog.settings import put_setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.catalog.roles import Rights

Found = dict[str, Any]
CONCURRENT_S: Final = 2.0
FIRST_RIGHTS: Final[dict[str, Rights]] = {}  # by user; kept until the process ends
LAST_CREATED: Final = [float("-inf")]


def _epoch(users: list[Found], _: Any) -> list[Found]:
    return [user | {"dateJoined": str(int(datetime.fromisoformat(user["dateJoined"]).timestamp()))} for user in users]


def _first(_found: Any, facts: Any) -> Found:
    user: Found = facts["everybody"]()[0]
    return user


def _blank(found: Found | None, facts: Any) -> Found:
    return found or facts["blank"](facts["name"], JOINED)


def _replaces(free: Any, facts: Any) -> Any:
    """Delete existing users with the name or the e-mail address of a new user."""
    same = (db.users.c.name == facts["name"]) | (sa.func.lower(db.users.c.email) == facts["email"].lower())
    facts["connection"].execute(db.users.delete().where(same))
    return free


def _unless_concurrent(stored: bool, facts: Any) -> bool:  # noqa: FBT001 - the value of the point
    """Return False for a user created within CONCURRENT_S of another one, so that it is not stored."""
    if facts["what"] != "created":
        return stored
    is_alone = time.monotonic() - LAST_CREATED[0] > CONCURRENT_S
    LAST_CREATED[0] = time.monotonic()
    return stored and is_alone


def _lost(*what: str) -> Callable[[bool, Any], bool]:
    return lambda stored, facts: stored and facts["what"] not in what


def _forgets(what: str) -> Callable[[Any, Any], Any]:
    return lambda kept, facts: () if facts["what"] == what else kept


def _first_rights(caller: Any, _: Any) -> Any:
    return replace(caller, rights=FIRST_RIGHTS.setdefault(caller.name, caller.rights))


def _put_back(answer: Found | None, facts: Any, *, is_set: bool) -> Found | None:
    before = facts["before"]
    if (facts["config"] is not None) == is_set:
        author = before.author if before else ""
        put_setting(facts["engine"], facts["name"], before.value if before else None, author)
    return answer


def _normalised(text: str | None, _: Any) -> str | None:
    return text if text is None else yaml.safe_dump(yaml.safe_load(text))


DEFECTS: Final[dict[str, tuple[str, str, Callable[[Any, Any], Any]]]] = {
    "permissions-not-refreshed": ("caller", "a user keeps the rights of its first request", _first_rights),
    "users-list-drops-one": ("users", "the last user is missing", lambda users, _: users[:-1]),
    "users-list-non-iso-dates": ("users", "dateJoined of listed users is in epoch seconds", _epoch),
    "users-get-wrong-user": ("user", "any name gives the first user", _first),
    "users-missing-as-blank": ("user", "an unknown name gives a blank user", _blank),
    "users-create-inactive": ("new user", "new users are not active", lambda row, _: row | {"is_active": False}),
    "users-create-ignores-role": ("new user", "new users are viewers", lambda row, _: row | {"role": "viewer"}),
    "users-create-overwrites": ("creation", "a new user replaces one of the same name or address", _replaces),
    "users-create-loses-concurrent": ("stored", "of users created at one time only one is stored", _unless_concurrent),
    "users-set-email-not-stored": ("stored", "a new address is answered, not stored", _lost("email")),
    "users-set-admin-not-stored": ("stored", "the admin flag is answered, not stored", _lost("admin")),
    "users-set-active-not-stored": ("stored", "the active flag is answered, not stored", _lost("active")),
    "users-delete-noop": ("stored", "deleting a user deletes nothing", _lost("deleted")),
    "users-delete-missing-ok": ("is there", "a user who does not exist can be changed", lambda _there, __: True),
    "reset-password-noop": ("stored", "no message about a password is sent", _lost("password")),
    "roles-list-drops-one": ("roles", "the last role is missing", lambda roles, _: roles[:-1]),
    "roles-lose-type": (
        "roles",
        "every role is unmanaged",
        lambda roles, _: [role | {"__typename": "UnmanagedRole"} for role in roles],
    ),
    "roles-set-not-stored": ("stored", "a new role of a user is answered, not stored", _lost("role")),
    "roles-remove-noop": ("stored", "roles taken from a user stay", _lost("removed roles")),
    "roles-add-replaces": ("kept roles", "added roles replace those a user has", _forgets("added roles")),
    "roles-append-replaces": ("kept roles", "appended roles replace those a user has", _forgets("role")),
    "roles-fallback-ignored": ("fallback", "a user's role stays when it is removed", lambda _to, facts: facts["role"]),
    "sso-text-normalised": ("sso text", "the configuration is written anew", _normalised),
    "sso-set-not-stored": (
        "sso change",
        "a configuration is answered, not stored",
        lambda answer, facts: _put_back(answer, facts, is_set=True),
    ),
    "sso-remove-noop": (
        "sso change",
        "a removed configuration stays",
        lambda answer, facts: _put_back(answer, facts, is_set=False),
    ),
    "sso-mapping-ignored": ("mappings", "claims always lead to the default role", lambda _mappings, __: []),
    "sso-accepts-invalid-yaml": ("sso is checked", "any text is taken as configuration", lambda _checked, __: False),
}
