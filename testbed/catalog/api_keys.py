"""API keys: long-lived bearer tokens that users create; only a SHA-256 hash of each is stored."""

from __future__ import annotations

import hashlib
import secrets
import time
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import sqlalchemy as sa

from testbed.catalog import database as db
from testbed.catalog.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

Keys = list[dict[str, Any]]
PREFIX: Final = "qk_"
DAY_S: Final = 86400
LIVES: Final = range(1, 366)
LONGEST_NAME: Final = 100
OK: Final = {"__typename": "Ok"}


class ApiKeys:
    """The API keys of one user; of all users for an admin."""

    def __init__(self, engine: Engine, owner: str | None) -> None:
        self._engine = engine
        self._mine = sa.true() if owner is None else db.api_keys.c.user == owner
        self._owner = owner

    def list(
        self,
        _info: Any,
        name: str | None = None,
        fingerprint: str | None = None,
        status: str | None = None,
        email: str | None = None,
    ) -> Keys:
        """Return keys, oldest first; every given filter must equal the key's value."""
        wanted = {"name": name, "fingerprint": fingerprint, "status": status, "userEmail": email}
        asked = {field: value for field, value in wanted.items() if value is not None}
        return [key for key in self._found(sa.true()) if asked.items() <= key.items()]

    def get(self, _info: Any, id: str) -> dict[str, Any] | None:
        """Return one key, or None."""
        return next(iter(self._found(db.api_keys.c.id == id)), None)

    def create(self, given: dict[str, Any]) -> dict[str, Any]:
        """Create a key and return it with its secret; the secret cannot be read again."""
        name, days = given["name"], given["expiresInDays"]
        if not name.strip() or len(name) > LONGEST_NAME:
            raise InputError("input.name", "InvalidName", f"A key's name has 1 to {LONGEST_NAME} characters.")
        if days not in LIVES:
            message = f"The life of {days} days is not within {LIVES.start} and {LIVES.stop - 1}."
            raise InputError("input.expiresInDays", "InvalidExpiry", message)
        secret, now = PREFIX + secrets.token_urlsafe(32), time.time()
        row = {"id": secrets.token_hex(8), "user": self._owner, "name": name, "hash": hash_of(secret)}
        with self._engine.begin() as connection:
            connection.execute(db.api_keys.insert().values(**row, created=now, expires=now + days * DAY_S))
        return {"__typename": "APIKeyCreated", "apiKey": self.get(None, row["id"] or ""), "secret": secret}

    def revoke(self, id: str | None, secret: str | None = None) -> dict[str, Any]:
        """Revoke a key, given either its id or its secret."""
        if (id is None) == (secret is None):
            raise InputError("id", "OneOfIdAndSecret", "Name the key by its id or by its secret.")
        same = db.api_keys.c.id == id if secret is None else db.api_keys.c.hash == hash_of(secret)
        with self._engine.begin() as connection:
            found = connection.execute(sa.select(db.api_keys.c.hash).where(self._mine, same)).scalar()
            gone = connection.execute(db.api_keys.delete().where(db.api_keys.c.hash == found)).rowcount
            if gone:
                connection.execute(db.revoked_api_keys.insert().values(hash=found))
        if not gone:
            raise InputError("id" if secret is None else "secret", "ApiKeyNotFound", "There is no such key.")
        return OK

    def _found(self, which: Any) -> Keys:
        query = sa.select(db.api_keys, db.users.c.email).join(db.users, db.users.c.name == db.api_keys.c.user)
        with self._engine.connect() as connection:
            rows = connection.execute(query.where(self._mine, which).order_by(db.api_keys.c.created))
            return [_key_of(row) for row in rows]


def used(engine: Engine, secret: str) -> Any:
    """Return the key of a secret and record its use; None if there is no such key."""
    same = db.api_keys.c.hash == hash_of(secret)
    with engine.begin() as connection:
        connection.execute(db.api_keys.update().where(same).values(used=time.time()))
        return connection.execute(sa.select(db.api_keys).where(same)).first()


def is_revoked(engine: Engine, secret: str) -> bool:
    """Return whether this secret belonged to a key that was revoked."""
    same = db.revoked_api_keys.c.hash == hash_of(secret)
    with engine.connect() as connection:
        return connection.execute(sa.select(db.revoked_api_keys).where(same)).first() is not None


def hash_of(secret: str) -> str:
    """Return the hash under which a secret is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def moment(seconds: float) -> str:
    """Return a time, in seconds since the epoch, as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _key_of(row: Any) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "fingerprint": row.hash[:16],
        "createdAt": moment(row.created),
        "expiresAt": moment(row.expires),
        "lastUsedAt": moment(row.used) if row.used else None,
        "userEmail": row.email,
        "status": "ACTIVE" if row.expires > time.time() else "EXPIRED",
    }
