"""A caller of the embedded AWS: clients by identity, the control surface, and requests found in the call log."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import TYPE_CHECKING
from typing import Any

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.target import Target

WORK = "quilt-mcp-test-work"
DATA = "quilt-mcp-test-data"
SCRATCH = "quilt-mcp-test-scratch"
CONFIG = Config(signature_version="s3v4", retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})


class Asking:
    """A caller of one testbed's AWS service."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.url = target.aws_url
        self.s3 = self.client("s3")

    def client(self, service: str, user: str = "ci-seeder", **session: str) -> Any:
        """Return a boto3 client for an IAM user, or with the credentials of a session."""
        keys = self.target.facts["credentials"].get(user, {})
        return boto3.client(
            service,  # type: ignore[call-overload]  # a name at run time
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=session.get("AccessKeyId") or keys["access_key_id"],
            aws_secret_access_key=session.get("SecretAccessKey") or keys["secret_access_key"],
            aws_session_token=session.get("SessionToken"),
            config=CONFIG,
        )

    def control(self, method: str, path: str, parameters: Any = None, **headers: str) -> httpx.Response:
        """Send a request to the control surface. Keyword arguments replace headers."""
        given = {"Authorization": f"Bearer {self.target.facts['control_token']}"} | headers
        return httpx.request(method, f"{self.url}/_nightproof/{path}", headers=given, json=parameters, timeout=30)

    def calls(self, client: Any, call: Callable[[], object]) -> list[dict[str, Any]]:
        """Return what the service logs of one client's requests while `call` runs."""
        test = f"run:1:{uuid.uuid4().hex[:16]}"
        client.meta.events.register_first("before-sign", lambda request, **_: _mark(request, test), unique_id="mark")
        try:
            call()
        finally:
            client.meta.events.unregister("before-sign", unique_id="mark")
        return list(self.control("GET", f"calls?test={test}").json())


def _mark(request: Any, test: str) -> None:
    request.headers["X-Test-Id"] = f"{test}:subject:call"


def refused(call: Callable[[], object]) -> str:
    """Return the error code of a call, or an empty string if it succeeds."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return ""


def manifest(*keys: str, **header: Any) -> tuple[str, bytes]:
    """Return the name and the bytes of a manifest of one-byte entries.

    The name is the SHA-256 of the bytes, which suffices for storage.
    """
    lines: list[dict[str, Any]] = [{"version": "v0"} | header]
    lines += [
        {
            "logical_key": key,
            "physical_keys": [f"s3://{WORK}/{key}?versionId=v"],
            "size": 1,
            "hash": {"type": "SHA256", "value": hashlib.sha256(key.encode()).hexdigest()},
            "meta": {},
        }
        for key in keys
    ]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    return hashlib.sha256(body).hexdigest(), body
