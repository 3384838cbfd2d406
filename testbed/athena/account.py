"""The S3, Glue and prepared-statement calls of a query, signed with the credentials of its caller."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from functools import partial
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError

from testbed.athena.catalogs import Held
from testbed.athena.defects import unbent
from testbed.athena.failures import QueryFailedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MISSING: Final = frozenset({"NoSuchKey", "NoSuchVersion", "NoSuchBucket", "404"})
DENIED: Final = frozenset({"AccessDenied", "AccessDeniedException", "403", "Forbidden"})


@dataclass(frozen=True, slots=True)
class Keys:
    """The credentials of a caller; the token is empty for an IAM user."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""
    region: str = "us-east-1"
    is_lent: bool = False  # issued by the catalog to one of its users
    user: str = ""  # the IAM user, or the catalog user to whom they were issued


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where queries run: `url` serves S3 and Glue, `held` returns Tabulator's tables, `bend` applies active defects."""

    url: str
    held: Callable[[], Held] = Held
    bend: Callable[..., Any] = unbent


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a table; its size is in bytes."""

    path: str
    size: int


def place_of(location: str) -> tuple[str, str]:
    """Split an S3 location into bucket and key.

    Raise QueryFailedError if it is not an S3 location.
    """
    parts = urlsplit(location, allow_fragments=False)
    if parts.scheme != "s3" or not parts.netloc or parts.query:
        raise QueryFailedError(f"INVALID_LOCATION: `{location}` is no S3 location such as s3://bucket/folder/.")
    return parts.netloc, parts.path.lstrip("/")


class Account:
    """The account with the permissions of one caller.

    An operation that the caller may not do raises QueryFailedError with that reason.
    """

    def __init__(self, surroundings: Surroundings, keys: Keys) -> None:
        self.url = url = surroundings.url
        self.held = surroundings.held
        self.bend = partial(surroundings.bend, user=keys.user)
        self.keys = keys
        session = boto3.Session(keys.access_key_id, keys.secret_access_key, keys.session_token or None, keys.region)
        config = Config(retries={"mode": "standard", "total_max_attempts": 3}, connect_timeout=5, read_timeout=30)
        self._glue = session.client("glue", endpoint_url=url, config=config)
        self._s3 = session.client("s3", endpoint_url=url, config=config)
        self._athena = session.client("athena", endpoint_url=url, config=config)

    def glue(self, operation: str, **parameters: Any) -> dict[str, Any] | None:
        """Call a Glue operation; return its response, or None if the entity does not exist."""
        try:
            answer: dict[str, Any] = getattr(self._glue, operation)(**parameters)
        except ClientError as error:
            if error.response["Error"]["Code"] == "EntityNotFoundException":
                return None
            raise _failure(error) from error
        except BotoCoreError as error:
            raise QueryFailedError(f"GENERIC_INTERNAL_ERROR: Glue: {error}") from error
        return answer

    def table(self, database: str, name: str) -> dict[str, Any]:
        """Return a Glue table or view.

        Raise QueryFailedError if there is none of this name.
        """
        answer = self.glue("get_table", DatabaseName=database, Name=name)
        if answer is None:
            raise QueryFailedError(f"TABLE_NOT_FOUND: Table 'awsdatacatalog.{database}.{name}' does not exist")
        table: dict[str, Any] = answer["Table"]
        return table

    def pages(self, operation: str, member: str, **parameters: Any) -> list[dict[str, Any]]:
        """Return the entries of all pages of a Glue listing; an empty list if the database does not exist."""
        found: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            answer = self.glue(operation, **parameters, **token) or {}
            found += answer.get(member, [])
            if not answer.get("NextToken"):
                return found
            token = {"NextToken": answer["NextToken"]}

    def objects(self, location: str) -> list[StoredObject]:
        """Return the objects under a table's location.

        Empty objects and hidden names (`_…`, `.…`) are left out, as Hive leaves them out.
        """
        bucket, prefix = place_of(location)
        prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            listed = [entry for page in pages for entry in page.get("Contents", [])]
        except ClientError as error:
            raise _failure(error, location) from error
        except BotoCoreError as error:
            raise QueryFailedError(f"GENERIC_INTERNAL_ERROR: {location}: {error}") from error
        return [
            StoredObject(f"s3://{bucket}/{entry['Key']}", entry["Size"])
            for entry in listed
            if entry["Size"] and not entry["Key"].rsplit("/", 1)[-1].startswith(("_", "."))
        ]

    def read(self, bucket: str, key: str, version: str | None = None) -> bytes | None:
        """Return the bytes of an object, or None if the object or this version of it does not exist."""
        which: Any = {"VersionId": version} if version else {}
        try:
            return self._s3.get_object(Bucket=bucket, Key=key, **which)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in MISSING:
                return None
            raise _failure(error, f"s3://{bucket}/{key}") from error
        except BotoCoreError as error:
            raise QueryFailedError(f"GENERIC_INTERNAL_ERROR: s3://{bucket}/{key}: {error}") from error

    def write(self, location: str, body: bytes | Path) -> None:
        """Put an object, from memory or from a file."""
        bucket, key = place_of(location)
        try:
            if isinstance(body, bytes):
                self._s3.put_object(Bucket=bucket, Key=key, Body=body)
            else:
                with body.open("rb") as file:
                    self._s3.put_object(Bucket=bucket, Key=key, Body=file)
        except ClientError as error:
            raise _failure(error, location, "when writing to location") from error
        except BotoCoreError as error:
            raise QueryFailedError(f"GENERIC_INTERNAL_ERROR: {location}: {error}") from error

    def prepared(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call an operation of Athena on prepared statements; return its response."""
        try:
            answer: dict[str, Any] = getattr(self._athena, operation)(**parameters)
        except ClientError as error:
            raise _failure(error) from error
        return answer


@lru_cache(maxsize=16)
def account_of(surroundings: Surroundings, keys: Keys) -> Account:
    """Return the account for these credentials.

    It is cached for the next queries, because boto3 clients are slow to create.
    """
    return Account(surroundings, keys)


def _failure(error: ClientError, location: str = "", doing: str = "on S3 path") -> QueryFailedError:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    if code in DENIED and location:
        return QueryFailedError(f"PERMISSION_DENIED: Access denied {doing}: {location} ({message})")
    if code in DENIED:
        return QueryFailedError(f"PERMISSION_DENIED: Insufficient permissions to execute the query. {message}")
    return QueryFailedError(f"{code}: {message}{f' ({location})' if location else ''}")
