"""Tokens: which caller a request has, and whether its token is valid."""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import cast

import jwt
import sqlalchemy as sa

from testbed.catalog import api_keys
from testbed.catalog import database as db
from testbed.catalog import roles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Engine

    from testbed.catalog.injection import Defects
    from testbed.catalog.roles import Rights
    from testbed.faults.control import Faults

LIFE_S: Final = 3600
REFRESH_LIFE_S: Final = 90 * 86400
# Only `exp` is checked; PyJWT would also check `iat`, `nbf`, `aud` and more by default.
CHECKED: Final[Any] = {"require": ["exp"]} | dict.fromkeys(
    ("verify_iat", "verify_nbf", "verify_aud", "verify_iss", "verify_sub", "verify_jti"), False
)
ROTATION_GRACE_S: Final = 60  # the answer with the new refresh token may get lost, so the old one still works


class AuthError(Exception):
    """The request has no valid token; `code` is one of the API's error codes."""

    def __init__(self, code: str, message: str, expires_at: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.expires_at = expires_at


class ForbiddenError(Exception):
    """The caller may not do this; `extensions` hold the required permission and the caller's level."""

    def __init__(self, required: str, role: str, level: str) -> None:
        super().__init__(f"The role `{role}` lacks {required}.")
        self.extensions = {"code": "FORBIDDEN", "required": [required], "role": role, "level": level}


@dataclass(frozen=True, slots=True)
class Caller:
    """A signed-in user with the rights of the active role."""

    name: str
    email: str
    role: str
    is_admin: bool
    extra_roles: tuple[str, ...]
    rights: Rights  # checked for every bucket; the caller's own, unless a defect is active
    administers: bool  # opens the admin fields; `is_admin`, unless a defect is active
    catalog: frozenset[str]  # the catalog's buckets, readable or not

    @property
    def readable(self) -> frozenset[str]:
        """Return the buckets that the role may read."""
        return self.rights.reads

    def level(self, bucket: str) -> str:
        """Return `none`, `read` or `read_write`."""
        return "read_write" if bucket in self.rights.writes else "read" if bucket in self.rights.reads else "none"

    def require(self, bucket: str, action: str) -> None:
        """Raise ForbiddenError unless the role may `read` or `write` the bucket."""
        level = self.level(bucket)
        if level == "none" or (action == "write" and level != "read_write"):
            raise ForbiddenError(f"s3:{action}:{bucket}", self.role, level)

    def require_admin(self) -> None:
        """Raise ForbiddenError unless the caller is an admin."""
        if not self.administers:
            highest = "read_write" if self.rights.writes else "read" if self.rights.reads else "none"
            raise ForbiddenError("admin", self.role, highest)


class Tokens:
    """Issues and checks tokens."""

    def __init__(self, engine: Engine, secret: str, faults: Faults, defects: Defects) -> None:
        self._engine = engine
        self._secret = secret
        self._faults = faults
        self._bend = defects.bend

    def register_seeds(self, tokens: Mapping[str, str]) -> None:
        """Store the testbed's own refresh tokens.

        A token that is stored already keeps its end, so one that was exchanged does not become valid again.
        """
        with self._engine.connect() as connection:
            known = {row.hash for row in connection.execute(sa.select(db.refresh_tokens.c.hash))}
        for user, token in tokens.items():
            if _hash(token) not in known:
                self._store(token, user, time.time() + REFRESH_LIFE_S)

    def issue(self, user: str) -> str:
        """Return a new refresh token, as a password sign-in would.

        Raise AuthError for a user who cannot sign in.
        """
        token = secrets.token_urlsafe(32)
        self._store(token, self._user(user).name, time.time() + REFRESH_LIFE_S)
        return token

    def exchange(self, refresh_token: str) -> dict[str, Any]:
        """Return an access token and a new refresh token; raise AuthError for an invalid refresh token."""
        with self._engine.begin() as connection:
            row = connection.execute(
                sa.select(db.refresh_tokens).where(db.refresh_tokens.c.hash == _hash(refresh_token))
            ).first()
        if row is None or (row.ends or 0) < time.time():  # an older testbed stored tokens without an end
            raise AuthError("token_invalid", "The refresh token is unknown. Sign in again.")
        user = self._user(row.user)
        fresh = str(self._bend("fresh token", secrets.token_urlsafe(32), given=refresh_token))
        is_rotated = fresh != refresh_token
        if is_rotated:
            self._store(fresh, user.name, time.time() + REFRESH_LIFE_S)
        with self._engine.begin() as connection:
            if is_rotated:
                ends = min(row.ends, time.time() + self._seconds("rotation-grace", user.name, ROTATION_GRACE_S))
                connection.execute(
                    db.refresh_tokens.update().where(db.refresh_tokens.c.hash == row.hash).values(ends=ends)
                )
            now = datetime.now(UTC).isoformat()
            connection.execute(db.users.update().where(db.users.c.name == user.name).values(last_login=now))
        expires = int(time.time() + self._seconds("token-life", user.name, LIFE_S))
        return {"refresh_token": fresh, "access_token": self._sign(user, expires), "expires_at": expires}

    def _seconds(self, knob: str, user: str, usual: float) -> float:
        return float((self._faults.of(knob, user) or {}).get("seconds", usual))

    def caller(self, authorization: str) -> Caller | None:
        """Return the caller, or None without a token; raise AuthError for an invalid token."""
        scheme, _, token = authorization.partition(" ")
        if not token:
            return None
        if scheme.lower() != "bearer":
            raise AuthError("token_invalid", "The Authorization header is not a bearer token.")
        user = self._owner(token) if token.startswith(api_keys.PREFIX) else self._signed(token)
        if self._bend("is revoked", self._is_revoked(token)):
            raise AuthError("token_revoked", "The token was revoked. Sign in again.")
        with self._engine.connect() as connection:
            role = roles.role_of_user(connection, user.name)
            if role is None:
                raise AuthError("token_invalid", "The token names no user any more. Sign in again.")
            extra = db.extra_roles_of(connection, user.name)
            rights, catalog = roles.rights_of(connection, role), roles.buckets(connection)
        caller = Caller(user.name, user.email, role.name, user.is_admin, extra, rights, user.is_admin, catalog)
        return cast("Caller", self._bend("caller", caller, rights_of=self.rights_of))

    def rights_of(self, role: str) -> Rights:
        """Return the current rights of a role."""
        with self._engine.connect() as connection:
            return roles.rights_of(connection, roles.role_named(connection, role))

    def _owner(self, secret: str) -> Any:
        key = api_keys.used(self._engine, secret)
        if key is None and api_keys.is_revoked(self._engine, secret):
            raise AuthError("token_revoked", "The API key was revoked. Make a new one.")
        if key is None:
            raise AuthError("token_invalid", "The API key is not valid. Make a new one.")
        if key.expires <= time.time():
            moment = api_keys.moment(key.expires)
            raise AuthError("token_expired", f"The API key expired at {moment}. Make a new one.", moment)
        return self._user(key.user)

    def _signed(self, token: str) -> Any:
        claims = self._claims(token)
        return self._user(str(claims.get("id", "")), str(claims.get("uuid", "")))

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            checks = self._bend("token checks", CHECKED)
            claims: dict[str, Any] = jwt.decode(token, self._secret, algorithms=["HS256"], options=checks)
        except jwt.ExpiredSignatureError as error:
            moment = _moment_of_end(token)
            raise AuthError("token_expired", f"The token expired at {moment}. Sign in again.", moment) from error
        except jwt.InvalidTokenError as error:
            raise AuthError("token_invalid", "The token is not valid. Sign in again.") from error
        return claims

    def _user(self, name: str, uuid_given: str | None = None) -> Any:
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(db.users).where(db.users.c.name == name)).first()
        if row is None or (uuid_given is not None and row.uuid != uuid_given):
            raise AuthError("token_invalid", "The token names no user. Sign in again.")
        if not self._bend("is active", row.is_active):
            raise AuthError("user_inactive", f"The user `{name}` is not active. Ask an admin.")
        return row

    def _is_revoked(self, token: str) -> bool:
        revoked = self._faults.each("revoke-token")
        return any(token in {found.get("token"), *found.get("tokens", ())} for found in revoked)

    def _sign(self, user: Any, expires: int) -> str:
        claims = {"id": user.name, "uuid": user.uuid, "exp": expires, "iat": int(time.time()), "jti": uuid.uuid4().hex}
        return jwt.encode(claims, self._secret, "HS256")

    def _store(self, token: str, user: str, ends: float) -> None:
        with self._engine.begin() as connection:
            connection.execute(db.refresh_tokens.delete().where(db.refresh_tokens.c.hash == _hash(token)))
            connection.execute(db.refresh_tokens.insert().values(hash=_hash(token), user=user, ends=ends))


def _moment_of_end(token: str) -> str:
    """Return the end of an expired token as ISO 8601.

    Raise AuthError if `exp` is no representable time.
    """
    unchecked = jwt.decode(token, options={"verify_signature": False})
    try:
        return datetime.fromtimestamp(int(unchecked["exp"]), UTC).isoformat()
    except (ValueError, OverflowError, OSError) as error:
        raise AuthError("token_invalid", "The token is not valid. Sign in again.") from error


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
