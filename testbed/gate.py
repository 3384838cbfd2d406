"""The gate of a service: it admits callers that name loopback as host, and no page of another origin.

A web page can send requests to loopback, and its host name can be made to resolve there (DNS rebinding). It cannot
forge the Host or Origin header.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from collections.abc import Callable
    from collections.abc import MutableMapping

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
    Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]

# S3 clients may put a bucket name in front (virtual-hosted style); no public DNS name ends in either.
LOOPBACK: Final = re.compile(
    r"(?:(?:[a-z0-9_][a-z0-9_.-]*\.)?(?:127\.0\.0\.1|localhost)|\[::1\])(?::\d{1,5})?", re.IGNORECASE
)


class Gate:
    """An ASGI app that answers 403 for the inner app if `refusal` gives a reason."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it without reading its body; lifespan events always pass."""
        reason = "" if scope["type"] == "lifespan" else refusal(scope["headers"])
        if not reason:
            await self._app(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps({"message": reason}).encode()})


def refusal(headers: list[tuple[bytes, bytes]]) -> str:
    """Return why a request with these headers is refused, or an empty string."""
    hosts = _values(headers, b"host") or [""]
    for host in hosts:
        if not LOOPBACK.fullmatch(host):
            return f"The host `{host}` is not this machine's loopback: name 127.0.0.1 or localhost."
    own = f"http://{hosts[0]}".lower()
    for origin in _values(headers, b"origin"):
        if origin.lower() != own:
            return f"The origin `{origin}` is not `{own}`: pages of other origins are not answered."
    return ""


def _values(headers: list[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for given, value in headers if given.lower() == name]
