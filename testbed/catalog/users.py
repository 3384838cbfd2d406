"""Users, as admins read and change them."""

from __future__ import annotations

import re
import time
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import sqlalchemy as sa

from testbed.catalog import database as db
from testbed.catalog import roles
from testbed.catalog.arms import armed
from testbed.catalog.arms import bend_of
from testbed.catalog.descriptions import roles_named
from testbed.catalog.errors import InputError
from testbed.catalog.people import user_uuid

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection
    from sqlalchemy.engine import Engine

Listed = list[dict[str, Any]]
NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
OK: Final = {"__typename": "Ok"}


class Users:
    """An admin's queries and mutations of users."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self, info: Any) -> Listed:
        """Return all users in order of name."""
        return list(bend_of(info)("users", self._all()))

    def _all(self) -> Listed:
        with self._engine.connect() as connection:
            found = connection.execute(sa.select(db.users).order_by(db.users.c.name)).all()
            return [_user_of(connection, row) for row in found]

    def get(self, info: Any, name: str) -> dict[str, Any] | None:
        """Return one user, or None."""
        with self._engine.connect() as connection:
            row = _row(connection, name)
            found = _user_of(connection, row) if row else None
        bent: dict[str, Any] | None = bend_of(info)("user", found, name=name, everybody=self._all, blank=gone_user)
        return bent

    def create(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:
        """Create an active user who is not an admin."""
        return armed(info, lambda: self._create(bend_of(info), input))

    def _create(self, bend: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
        name, email, extra = given["name"], given["email"], given.get("extraRoles") or []
        if not NAME.fullmatch(name):
            raise InputError("input.name", "InvalidName", f"`{name}` is not a user name: begin with a letter.")
        _check_email("input.email", email)
        now = datetime.now(UTC).isoformat()
        flags = {"is_admin": False, "is_service": False, "is_active": True}
        with self._engine.begin() as connection:
            bend("creation", None, connection=connection, name=name, email=email)
            if _locked(connection, name):
                raise InputError("input.name", "Conflict", f"There is a user `{name}` already.")
            _insist_on_free_email(connection, "input.email", email)
            _check_roles(connection, "input.role", [given["role"]])
            _check_roles(connection, "input.extraRoles", extra)
            row = {"name": name, "uuid": user_uuid(name), "email": email, "role": given["role"]} | flags
            row = bend("new user", row)
            connection.execute(db.users.insert().values(**row, joined=now, last_login=now))
            _set_roles(connection, name, row["role"], extra)
            return _stored(connection, bend, "created", _user_of(connection, _row(connection, name)))

    def mutate(self, info: Any, name: str) -> User | None:
        """Return a user to change, or None if there is no such user."""
        with self._engine.connect() as connection:
            is_there = bend_of(info)("is there", _row(connection, name) is not None)
        return User(self._engine, name) if is_there else None


class User:
    """The mutations of one user."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._name = name

    def setEmail(self, info: Any, email: str) -> dict[str, Any]:
        """Change the e-mail address."""

        def change(connection: Connection, _row: Any) -> None:
            _check_email("email", email)
            _insist_on_free_email(connection, "email", email, self._name)
            self._update(connection, email=email)

        return self._changed(info, "email", change)

    def setAdmin(self, info: Any, admin: bool) -> dict[str, Any]:  # noqa: FBT001 - the field's argument
        """Set or remove the admin flag; the last active admin must stay."""

        def change(connection: Connection, row: Any) -> None:
            if not admin:
                _keep_an_admin(connection, row, "admin")
            self._update(connection, is_admin=admin)

        return self._changed(info, "admin", change)

    def setActive(self, info: Any, active: bool) -> dict[str, Any]:  # noqa: FBT001 - the field's argument
        """Activate or deactivate the user; the last active admin must stay."""

        def change(connection: Connection, row: Any) -> None:
            if not active:
                _keep_an_admin(connection, row, "active")
            self._update(connection, is_active=active)

        return self._changed(info, "active", change)

    def setRole(
        self,
        info: Any,
        role: str,
        extraRoles: list[str] | None = None,
        append: bool = False,  # noqa: FBT001, FBT002 - the field's argument
    ) -> dict[str, Any]:
        """Set the active role; `extraRoles` replace the extra roles, or with `append` are added to them."""

        def change(connection: Connection, _row: Any) -> None:
            _check_roles(connection, "role", [role])
            _check_roles(connection, "extraRoles", extraRoles or [])
            kept = self._kept(info, connection, "role") if append else ()
            _set_roles(connection, self._name, role, [*kept, *(extraRoles or [])])

        return self._changed(info, "role", change)

    def addRoles(self, info: Any, roles: list[str]) -> dict[str, Any]:
        """Add extra roles."""

        def change(connection: Connection, row: Any) -> None:
            _check_roles(connection, "roles", roles)
            _set_roles(connection, self._name, row.role, [*self._kept(info, connection, "added roles"), *roles])

        return self._changed(info, "added roles", change)

    def removeRoles(self, info: Any, roles: list[str], fallback: str | None = None) -> dict[str, Any]:
        """Remove roles; removing the active role needs a fallback."""

        def change(connection: Connection, row: Any) -> None:
            _check_roles(connection, "roles", roles)
            _check_roles(connection, "fallback", [fallback] if fallback else [])
            role = row.role
            if role in roles:
                if not fallback or fallback in roles:
                    message = f"The user's role `{role}` cannot be removed without another one as fallback."
                    raise InputError("fallback", "FallbackRequired", message)
                role = str(bend_of(info)("fallback", fallback, role=role))
            left = [name for name in db.extra_roles_of(connection, self._name) if name not in roles]
            _set_roles(connection, self._name, role, left)

        return self._changed(info, "removed roles", change)

    def resetPassword(self, info: Any) -> dict[str, Any]:
        """Send a password-reset message to the mailbox."""

        def send(connection: Connection, row: Any) -> None:
            letter = {"kind": "password_reset", "user": row.name, "email": row.email, "time": time.time()}
            connection.execute(db.mailbox.insert().values(**letter))

        answer = self._changed(info, "password", send)
        return OK if answer["__typename"] == "User" else answer

    def delete(self, info: Any) -> dict[str, Any]:
        """Delete the user with all tokens, sessions, roles and API keys; the last active admin must stay."""

        def remove() -> dict[str, Any]:
            with self._engine.begin() as connection:
                row = _locked(connection, self._name)
                if row:
                    _keep_an_admin(connection, row, "name")
                for table in (db.refresh_tokens, db.sessions, db.extra_roles, db.api_keys):
                    connection.execute(table.delete().where(table.c.user == self._name))
                connection.execute(db.users.delete().where(db.users.c.name == self._name))
                return _stored(connection, bend_of(info), "deleted", OK)

        return armed(info, remove)

    def _kept(self, info: Any, connection: Connection, what: str) -> tuple[str, ...]:
        return tuple(bend_of(info)("kept roles", db.extra_roles_of(connection, self._name), what=what))

    def _changed(self, info: Any, what: str, change: Callable[[Connection, Any], None]) -> dict[str, Any]:
        """Change the user in one transaction; return the stored user or an error arm."""

        def act() -> dict[str, Any]:
            with self._engine.begin() as connection:
                row = _locked(connection, self._name)
                if row is None:
                    raise InputError("name", "UserDoesNotExist", f"There is no user `{self._name}` any more.")
                change(connection, row)
                return _stored(connection, bend_of(info), what, _user_of(connection, _row(connection, self._name)))

        return armed(info, act)

    def _update(self, connection: Connection, **values: Any) -> None:
        connection.execute(db.users.update().where(db.users.c.name == self._name).values(**values))


def _stored(connection: Connection, bend: Callable[..., Any], what: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of a change; roll the change back if a defect loses it."""
    if not bend("stored", value=True, what=what):
        connection.rollback()
    return answer


def _row(connection: Connection, name: str) -> Any:
    return connection.execute(sa.select(db.users).where(db.users.c.name == name)).first()


def _locked(connection: Connection, name: str) -> Any:
    """Return a user's row while holding the database's write lock, so that it cannot change before the write."""
    db.hold(connection)
    return _row(connection, name)


def _check_email(path: str, email: str) -> None:
    if not EMAIL.fullmatch(email):
        raise InputError(path, "InvalidEmail", f"`{email}` is not an e-mail address.")


def _insist_on_free_email(connection: Connection, path: str, email: str, owner: str = "") -> None:
    same = (sa.func.lower(db.users.c.email) == email.lower()) & (db.users.c.name != owner)
    if connection.execute(sa.select(db.users.c.name).where(same)).first():
        raise InputError(path, "Conflict", f"The e-mail address `{email}` belongs to another user.")


def _check_roles(connection: Connection, path: str, names: Iterable[str]) -> None:
    known = roles.names(connection)
    for name in names:
        if name not in known:
            raise InputError(path, "RoleDoesNotExist", f"There is no role `{name}`.")


def _set_roles(connection: Connection, user: str, role: str, extra: Iterable[str]) -> None:
    connection.execute(db.users.update().where(db.users.c.name == user).values(role=role))
    connection.execute(db.extra_roles.delete().where(db.extra_roles.c.user == user))
    for name in sorted({*extra} - {role}):
        connection.execute(db.extra_roles.insert().values(user=user, role=name))


def _keep_an_admin(connection: Connection, row: Any, path: str) -> None:
    """Raise InputError if the user is the last admin who can sign in."""
    others = db.users.c.is_admin & db.users.c.is_active & (db.users.c.name != row.name)
    if row.is_admin and row.is_active and not connection.execute(sa.select(db.users.c.name).where(others)).first():
        raise InputError(path, "LastAdmin", f"`{row.name}` is the last admin: make another user an admin first.")


def switch_role(engine: Engine, name: str, role: str) -> None:
    """Switch a user's active role to one of the extra roles."""
    with engine.begin() as connection:
        row = _locked(connection, name)
        extra = db.extra_roles_of(connection, name)
        if role not in {row.role, *extra}:
            raise InputError("roleName", "RoleDoesNotExist", f"The user has no role `{role}`.")
        _set_roles(connection, name, role, [row.role, *extra])


def letters(engine: Engine, user: str) -> list[dict[str, Any]]:
    """Return the messages to a user, oldest first; an empty name means all users."""
    query = sa.select(db.mailbox).order_by(db.mailbox.c.id)
    with engine.connect() as connection:
        found = connection.execute(query.where(db.mailbox.c.user == user) if user else query)
        return [dict(row) for row in found.mappings()]


def gone_user(name: str, moment: str) -> dict[str, Any]:
    """Return a placeholder for a deleted user, of whom only the name is known."""
    flags = dict.fromkeys(("isActive", "isAdmin", "isSsoOnly", "isService"), False)
    fixed = dict.fromkeys(("isRoleAssignmentDisabled", "isAdminAssignmentDisabled"), True)
    times = {"dateJoined": moment, "lastLogin": moment}
    return {"name": name, "email": "", "role": None, "extraRoles": []} | times | flags | fixed


def _user_of(connection: Connection, row: Any) -> dict[str, Any]:
    return {
        "__typename": "User",
        "name": row.name,
        "email": row.email,
        "dateJoined": row.joined,
        "lastLogin": row.last_login,
        "isActive": row.is_active,
        "isAdmin": row.is_admin,
        "isSsoOnly": False,
        "isService": row.is_service,
        "role": next(iter(roles_named(connection, [row.role])), None),
        "extraRoles": roles_named(connection, db.extra_roles_of(connection, row.name)),
        "isRoleAssignmentDisabled": False,
        "isAdminAssignmentDisabled": False,
    }
