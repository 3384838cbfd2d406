"""One request on the wire: its header, its count and its record in the evidence folder."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import parse_qs
from urllib.parse import unquote
from urllib.parse import urlsplit

from nightproof.evidence.counting import Asker
from nightproof.evidence.counting import asker
from nightproof.evidence.counting import count
from nightproof.evidence.state import RECORDING
from nightproof.evidence.wire.links import H2_LINKS
from nightproof.evidence.wire.opened import LATEST
from nightproof.evidence.wire.opened import OPEN
from nightproof.evidence.wire.opened import OUTER
from nightproof.evidence.wire.opened import TICKS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping

    from nightproof.evidence.wire.links import Link

HEADER: Final = "X-Test-Id"
BODY_LIMIT_BYTES: Final = 4096
KEPT_EXCHANGES: Final = 200
SYSTEMS: Final = "NIGHTPROOF_CONTROL_URLS"

_is_inside: ContextVar[bool] = ContextVar("nightproof_inside", default=False)


class Exchange:
    """A request from before it is sent until it is answered or given up.

    It counts if the socket that carried it got an answer from the system under test, whatever a library says.
    """

    def __init__(self, method: str, url: str, protocol: str, headers: Any = None, body: Any = None) -> None:
        self.method = method
        self.url = url
        self.protocol = "graphql" if _is_graphql(method, url) else _presigned(url) or protocol
        who = asker()
        is_for_nobody = who.channel == "subject" and not _is_vouched(url)
        self.channel = "control" if is_for_nobody else who.channel
        self.phase, self.prefix = who.phase, who.prefix
        self.started = time.monotonic()
        self.request_headers = _pairs(headers)
        self.request_body = clip(body)
        self.status: int | None = None
        self.response_headers: list[tuple[str, str]] = []
        self.response_body = ""
        self.error = ""
        self.ms = 0.0
        self.link: Link | None = None
        self.asked_at = next(TICKS)
        self._free = [
            True
        ]  # whose `pop` is atomic: threads that send the same request each take an exchange of their own
        self._is_over = False
        OPEN.append(self)
        LATEST.set(self)
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

    def failed(self, error: BaseException) -> None:
        """Note a request without an answer; one that could not be sent counts as nothing."""
        self.error = f"{type(error).__name__}: {error}"
        self._end(answered=False)

    def fits(self, target: str) -> bool:
        """Return whether a request line with this target may be that of this exchange."""
        return _path(self.url) == _path(target)

    def take(self) -> bool:
        """Claim the exchange for a connection; return whether it was still free."""
        try:
            self._free.pop()
        except IndexError:
            return False
        return True

    def _end(self, *, answered: bool) -> None:
        """Count once; what an answer was made up for without a socket is no answer, and no question either."""
        if self._is_over:
            return
        self._is_over = True
        self.ms = round((time.monotonic() - self.started) * 1000, 1)
        if self in OPEN:
            OPEN.remove(self)
        links = [self.link] if self.link else [link for link in H2_LINKS if link.asked_at > self.asked_at]
        if links:
            is_proven = answered and any(link.answered_at > self.asked_at and link.is_evidence() for link in links)
            who = Asker(self.channel, self.phase, self.prefix)
            count(who, self.protocol, answered=is_proven, recorded=True)


@contextmanager
def inside(exchange: Exchange | None = None) -> Iterator[None]:
    """Silence recorders below, so that one request through two libraries counts once; the lowest sends its header."""
    token, outer = _is_inside.set(True), OUTER.set(exchange)
    try:
        yield
    finally:
        _is_inside.reset(token)
        OUTER.reset(outer)


def is_inside() -> bool:
    """Return whether another recorder already counts this request."""
    return _is_inside.get()


def outer_exchange() -> Exchange | None:
    """Return the exchange that a recorder above this one has begun, or None."""
    found = OUTER.get()
    return found if isinstance(found, Exchange) else None


def clip(body: Any) -> str:
    """Return the first 4 KiB of a body as text. A stream is named by its type, because reading it would consume it."""
    if body is None:
        return ""
    if isinstance(body, str):
        body = body.encode()
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body[:BODY_LIMIT_BYTES]).decode("utf-8", "replace")
    return f"<{type(body).__name__}>"


def _is_vouched(url: str) -> bool:
    """Return whether a URL belongs to a system under test.

    Where the systems keep call logs, their ports are known. Elsewhere every server counts as the system.
    """
    known = {urlsplit(pair.partition("=")[2]).port for pair in os.environ.get(SYSTEMS, "").split()}
    return not known or urlsplit(url).port in known


def _path(text: str) -> str | None:
    """Return path and query of a URL or of a request line's target, in one spelling; None if it has none."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return unquote(f"{parts.path or '/'}?{parts.query}")


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


def described(exchange: Exchange) -> Mapping[str, Any]:
    """Return the fields of an exchange that the evidence folder keeps, not yet redacted."""
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
