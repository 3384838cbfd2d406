"""AWS with the keys that the catalog issues, and what AWS errors mean."""

from __future__ import annotations

import threading
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import NoReturn

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.exceptions import UnknownServiceError

from nightproof.quilt import exceptions as errors

if TYPE_CHECKING:
    from nightproof.quilt.catalog import Catalog
    from nightproof.quilt.validation import Rules

REFRESH_MARGIN: Final = timedelta(minutes=5)
MISSING: Final = frozenset({"NoSuchKey", "NoSuchBucket", "404", "NotFound"})
DENIED: Final = frozenset({"AccessDenied", "403", "Forbidden"})


class IssuedKeys:
    """Keeps the catalog's keys and renews them before they end."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._keys: dict[str, str] = {}

    def client(self, service: str, region: str | None, rules: Rules, operation: str) -> Any:
        """Make a new client; boto3 itself knows which services exist."""
        keys = self.current(operation)
        session = boto3.Session(
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
            region_name=region or "us-east-1",
        )
        extra = {"signature_version": "s3v4"} if service == "s3" else {}
        config = Config(retries={"mode": "standard", "total_max_attempts": 4}, **extra)  # type: ignore[arg-type]
        try:
            return session.client(service, config=config)  # type: ignore[call-overload]  # a name at run time
        except UnknownServiceError:
            rules.refuse("service_name", service, "a service that botocore knows")

    def current(self, operation: str) -> dict[str, str]:
        """Give keys that still last a while."""
        with self._lock:
            if not self._keys or _ends(self._keys) < datetime.now(UTC) + REFRESH_MARGIN:
                self._keys = self._catalog.get_json(operation, "/api/auth/get_credentials")
            return self._keys


def _ends(keys: dict[str, str]) -> datetime:
    return datetime.fromisoformat(keys["Expiration"])


def code_of(error: ClientError) -> str:
    """Give the service's error code."""
    return str(error.response.get("Error", {}).get("Code", ""))


def raise_s3(
    error: ClientError, catalog: Catalog, operation: str, *, resource: str, identifier: str, where: str, bucket: str
) -> NoReturn:
    """Raise what an S3 error means."""
    code = code_of(error)
    if code in MISSING:
        raise errors.NotFoundError(
            f"The {resource} `{identifier}` does not exist in `{where}`. Check its name.",
            catalog.base(operation) | {"resource_type": resource, "identifier": identifier, "search_location": where},
        ) from error
    if code in DENIED:
        raise errors.PermissionError(
            f"The role of the signed-in user may not do this in `{bucket}`. Ask an admin for the right.",
            catalog.base(operation)
            | {"required_permissions": [f"s3:read:{bucket}"], "user_role": None, "access_level": "none"},
        ) from error
    if code == "ExpiredToken":
        catalog.refuse(operation, "expired", expires_at="")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    raise errors.BackendError(
        f"S3 failed with {code}. Try again, then look at the storage.",
        catalog.base(operation)
        | {
            "kind": "s3",
            "s3_code": code,
            "http_status": status,
            "original_exception": f"{type(error).__name__}: {error}",
        },
    ) from error
