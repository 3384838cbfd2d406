"""Browsing sessions: a user's right to read the files of one revision, for a limited time."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import boto3
import sqlalchemy as sa
from botocore.exceptions import ClientError

from testbed.catalog import accesses
from testbed.catalog import database as db
from testbed.catalog.auth import ForbiddenError
from testbed.catalog.errors import InputError
from testbed.catalog.manifest import split_physical_key

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from types_boto3_s3 import S3Client

    from testbed.catalog.auth import Caller
    from testbed.catalog.registry import Registry

SCOPE: Final = re.compile(r"s3://(?P<bucket>[^#/]+)#package=(?P<name>[^&]+)&hash=(?P<hash>[0-9a-f]{64})")
TTL: Final = range(30, 86401)
URL_LIFE: Final = range(1, 3601)
HOME: Final = "us-east-1"


class GoneError(Exception):
    """The session has ended."""


class ForeignError(GoneError):
    """The session belongs to another user; a mutation answers as if it had ended."""


class Browsing:
    """Creates, extends, ends and uses browsing sessions."""

    def __init__(self, engine: Engine, registry: Registry) -> None:
        self._engine = engine
        self._registry = registry
        self._regions: dict[str, str] = {}
        self._signers: dict[str, S3Client] = {}

    def create(self, caller: Caller, scope: str, ttl: int) -> dict[str, Any]:
        """Create a session on one revision; `ttl` is in seconds."""
        found = SCOPE.fullmatch(scope)
        if found is None:
            raise InputError("scope", "InvalidScope", f"`{scope}` is not s3://<bucket>#package=<name>&hash=<hash>.")
        caller.require(found["bucket"], "read")
        expires = self._expiry(ttl)
        session = secrets.token_urlsafe(16)
        with self._engine.begin() as connection:
            connection.execute(
                db.sessions.insert().values(id=session, user=caller.name, expires=expires, **found.groupdict())
            )
        return _answer(session, expires)

    def refresh(self, caller: Caller, session: str, ttl: int) -> dict[str, Any]:
        """Extend a session to `ttl` seconds from now."""
        self._session(caller, session)
        expires = self._expiry(ttl)
        with self._engine.begin() as connection:
            connection.execute(db.sessions.update().where(db.sessions.c.id == session).values(expires=expires))
        return _answer(session, expires)

    def dispose(self, caller: Caller, session: str) -> dict[str, Any]:
        """End a session."""
        self._session(caller, session)
        with self._engine.begin() as connection:
            connection.execute(db.sessions.update().where(db.sessions.c.id == session).values(expires=0))
        return {"__typename": "Ok"}

    def url(self, caller: Caller, session: str, path: str, expires_in: int) -> str | None:
        """Return a presigned URL of a file, or None if the revision has no such file.

        `expires_in` is in seconds and clamped to 1..3600. Raise GoneError or ForbiddenError.
        """
        try:
            row = self._session(caller, session)
        except ForeignError as error:
            raise ForbiddenError(f"browse:{session}", caller.role, "none") from error
        manifest = self._registry.manifest(row.bucket, row.hash)
        if manifest is None:
            return None
        found = manifest.entries.get(path)
        entry: Any = self._registry.defects.bend("session entry", found, manifest=manifest)
        if entry is None:
            return None
        bucket, key, version = split_physical_key(entry["physical_keys"][0])
        caller.require(bucket, "read")
        target: dict[str, str] = {"Bucket": bucket, "Key": key}
        if version and version != "null":
            target["VersionId"] = version
        life = max(URL_LIFE.start, min(expires_in, URL_LIFE.stop - 1))
        accesses.note(self._engine, bucket=bucket, key=key, registry=row.bucket, package=row.name, top_hash=row.hash)
        return str(self._signer(bucket).generate_presigned_url("get_object", Params=target, ExpiresIn=life))

    def _signer(self, bucket: str) -> S3Client:
        """Return an S3 client of the bucket's region; S3 refuses a URL signed for another one.

        If the region cannot be read, the last known one is used.
        """
        s3 = self._registry.s3
        with contextlib.suppress(ClientError):
            located: str | None = s3.get_bucket_location(Bucket=bucket).get("LocationConstraint")
            self._regions[bucket] = located or HOME
        region = self._regions.get(bucket, HOME)
        if region not in self._signers:
            self._signers[region] = boto3.client("s3", region_name=region, config=s3.meta.config)
        return self._signers[region]

    def _session(self, caller: Caller, session: str) -> Any:
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(db.sessions).where(db.sessions.c.id == session)).first()
        bend = self._registry.defects.bend
        if row is None or bend("session ended", row.expires < time.time()):
            raise GoneError(f"The browsing session `{session}` has ended. Create a new one.")
        if bend("session of another", row.user != caller.name):
            raise ForeignError(f"The browsing session `{session}` belongs to another user. Create your own.")
        return row

    @staticmethod
    def _expiry(ttl: int) -> float:
        if ttl not in TTL:
            raise InputError(
                "ttl", "InvalidTtl", f"The ttl {ttl} is not within {TTL.start} and {TTL.stop - 1} seconds."
            )
        return time.time() + ttl


def _answer(session: str, expires: float) -> dict[str, Any]:
    moment = datetime.fromtimestamp(expires, UTC).isoformat()
    return {"__typename": "BrowsingSession", "id": session, "expires": moment}
