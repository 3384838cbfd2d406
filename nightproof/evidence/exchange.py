"""One request on the wire: its header, its count and what is kept of it for the evidence folder."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import parse_qs
from urllib.parse import urlsplit

from nightproof.evidence.state import CHILD_CHANNEL
from nightproof.evidence.state import RECORDING
from nightproof.evidence.state import current_channel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping

HEADER: Final = "X-Test-Id"
BODY_LIMIT_BYTES: Final = 4096
KEPT_EXCHANGES: Final = 200
CHILD_ID: Final = "NIGHTPROOF_TEST_ID"
CHILD_PHASE: Final = "NIGHTPROOF_TEST_PHASE"
CHILD_COUNTS: Final = "NIGHTPROOF_CHILD_COUNTS"
SYSTEMS: Final = "NIGHTPROOF_CONTROL_URLS"

_is_inside: ContextVar[bool] = ContextVar("nightproof_inside", default=False)
_outer: ContextVar[Exchange | None] = ContextVar("nightproof_exchange", default=None)


class Exchange:
    """A request from before it is sent until it is answered or given up."""

    def __init__(self, method: str, url: str, protocol: str, headers: Any = None, body: Any = None) -> None:
        self.method = method
        self.url = url
        self.protocol = "graphql" if _is_graphql(method, url) else _presigned(url) or protocol
        self.channel = os.environ.get(CHILD_CHANNEL, "subject") if RECORDING.test is None else current_channel()
        if self.channel == "subject" and not _is_vouched(url):
            self.channel = "control"
        self.phase = RECORDING.test.phase if RECORDING.test else os.environ.get(CHILD_PHASE, "")
        self.prefix = RECORDING.test.prefix if RECORDING.test else os.environ.get(CHILD_ID, "")
        self.started = time.monotonic()
        self.request_headers = _pairs(headers)
        self.request_body = clip(body)
        self.status: int | None = None
        self.response_headers: list[tuple[str, str]] = []
        self.response_body = ""
        self.error = ""
        self.ms = 0.0
        self._is_over = False
        if RECORDING.test is not None and len(RECORDING.test.log) < KEPT_EXCHANGES:
            RECORDING.test.log.append(self)

    @property
    def header(self) -> dict[str, str]:
        """The header to send, empty outside a test."""
        return {HEADER: f"{self.prefix}:{self.channel}:{self.phase}"} if self.prefix else {}

    def answered(self, status: int | None, headers: Any = None, body: Any = None) -> None:
        """Count the answer; what follows for the same request is not counted again."""
        self.status = status
        self.response_headers = _pairs(headers)
        self.response_body = clip(body)
        self._end(answered=True)

    def add_body(self, data: bytes) -> None:
        """Keep more of a body that is read in pieces, up to the limit."""
        room = BODY_LIMIT_BYTES - len(self.response_body)
        if room > 0:
            self.response_body += clip(data[:room])

    def failed(self, error: BaseException, *, was_sent: bool) -> None:
        """Note a request without an answer; one that could not be sent counts as nothing."""
        self.error = f"{type(error).__name__}: {error}"
        if was_sent:
            self._end(answered=False)
        self._is_over = True

    def _end(self, *, answered: bool) -> None:
        if self._is_over or not self.prefix:
            return
        self._is_over = True
        self.ms = round((time.monotonic() - self.started) * 1000, 1)
        counts = os.environ.get(CHILD_COUNTS)
        if RECORDING.test is None and counts:
            _append_count(counts, self, answered=answered)
        else:
            RECORDING.count(self.channel, self.phase, self.protocol, answered=answered)


@contextmanager
def inside(exchange: Exchange | None = None) -> Iterator[None]:
    """Silence recorders below, so that one request through two libraries counts once; the lowest sends its header."""
    token, outer = _is_inside.set(True), _outer.set(exchange)
    try:
        yield
    finally:
        _is_inside.reset(token)
        _outer.reset(outer)


def is_inside() -> bool:
    """Return whether another recorder already counts this request."""
    return _is_inside.get()


def outer_exchange() -> Exchange | None:
    """Return the exchange that a recorder above this one has begun, or None."""
    return _outer.get()


def clip(body: Any) -> str:
    """Give the first 4 KiB of a body as text; a stream is only named, because reading it would spend it."""
    if body is None:
        return ""
    if isinstance(body, str):
        body = body.encode()
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body[:BODY_LIMIT_BYTES]).decode("utf-8", "replace")
    return f"<{type(body).__name__}>"


def _is_vouched(url: str) -> bool:
    """Say whether an address is of a system under test; a server that the test itself runs speaks for nobody.

    Where the systems keep call logs their ports are known; elsewhere whatever answers is the system.
    """
    known = {urlsplit(pair.partition("=")[2]).port for pair in os.environ.get(SYSTEMS, "").split()}
    return not known or urlsplit(url).port in known


def _is_graphql(method: str, url: str) -> bool:
    return method.upper() == "POST" and urlsplit(url).path.rstrip("/").endswith("/graphql")


def _presigned(url: str) -> str:
    scope = parse_qs(urlsplit(url).query).get("X-Amz-Credential", [""])[0].split("/")
    return "s3" if "s3" in scope else ""


def _pairs(headers: Any) -> list[tuple[str, str]]:
    items: Any = headers.items() if hasattr(headers, "items") else headers or ()
    return [(_text(name), _text(value)) for name, value in items]


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _append_count(path: str, exchange: Exchange, *, answered: bool) -> None:
    line = json.dumps(
        {
            "test": exchange.prefix,
            "channel": exchange.channel,
            "phase": exchange.phase,
            "protocol": exchange.protocol,
            "answered": answered,
        }
    )
    with open(path, "ab", buffering=0) as file:  # noqa: PTH123 - one unbuffered write, so lines never mix
        file.write(line.encode() + b"\n")


def described(exchange: Exchange) -> Mapping[str, Any]:
    """Give what is kept of an exchange in the evidence folder, not yet redacted."""
    return {
        "channel": exchange.channel,
        "phase": exchange.phase,
        "protocol": exchange.protocol,
        "request": {
            "method": exchange.method,
            "url": exchange.url,
            "headers": exchange.request_headers,
            "body": exchange.request_body,
        },
        "response": {
            "status": exchange.status,
            "headers": exchange.response_headers,
            "body": exchange.response_body,
        },
        "error": exchange.error,
        "ms": exchange.ms,
    }
