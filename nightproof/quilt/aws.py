"""AWS clients with the keys that the catalog issues."""

from __future__ import annotations

import functools
import threading
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import boto3
import botocore.session
from botocore.config import Config

from nightproof.quilt import answers

if TYPE_CHECKING:
    from nightproof.quilt.catalog import Catalog
    from nightproof.quilt.records import Timeouts

REFRESH_MARGIN: Final = timedelta(minutes=15)  # from here on botocore would renew keys that quilt3 was given


class IssuedKeys:
    """The keys that the catalog issued, renewed before they expire."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._keys: answers.Keys | None = None

    @property
    def end(self) -> str | None:
        """Return when the newest keys expire as ISO 8601 UTC text, or None before any were issued."""
        return self._keys.Expiration if self._keys else None

    def client(self, service: str, region: str | None, operation: str) -> Any:
        """Return a new client; the region defaults to us-east-1."""
        keys = self.current(operation)
        session = boto3.Session(
            aws_access_key_id=keys.AccessKeyId,
            aws_secret_access_key=keys.SecretAccessKey,
            aws_session_token=keys.SessionToken,
            region_name=region or "us-east-1",
        )
        config = limits(self._catalog.timeouts, self._catalog.timeouts.read_s)
        if service == "s3":
            config = config.merge(Config(signature_version="s3v4"))
        share_models(session)
        return session.client(service, config=config)  # type: ignore[call-overload]  # a name at run time

    def current(self, operation: str) -> answers.Keys:
        """Return the issued keys, renewed if they expire within 15 minutes."""
        with self._lock:
            if self._keys is None or datetime.fromisoformat(self._keys.Expiration) < datetime.now(UTC) + REFRESH_MARGIN:
                self._keys = self._catalog.get_json(operation, "/api/auth/get_credentials", answers.Keys)
            return self._keys


def share_models(session: boto3.Session) -> None:
    """Share the botocore service models that this process has loaded with a new session.

    Otherwise every session parses them again: megabytes of JSON, which was a third of the CPU time of the suites.
    """
    session._session.register_component("data_loader", _models())  # noqa: SLF001 - boto3 has no way of its own


@functools.cache
def _models() -> Any:
    return botocore.session.get_session().get_component("data_loader")


def region_of(s3: Any, bucket: str) -> str:
    """Return the region of a bucket; S3 reports none for us-east-1."""
    return s3.get_bucket_location(Bucket=bucket).get("LocationConstraint") or "us-east-1"


def limits(timeouts: Timeouts, answer_s: float) -> Config:
    """Return the limits of every request of an AWS client; `answer_s` is the read timeout in seconds."""
    return Config(
        connect_timeout=timeouts.connect_s,
        read_timeout=answer_s,
        retries={"mode": "standard", "total_max_attempts": timeouts.s3_attempts},
    )
