"""Who may speak to a service: callers that name loopback as its host, and no page of another origin.

A page in a browser can send requests to loopback, and a host name of its own can be made to lead there.
Neither can pretend another Host or Origin than its own.
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

# A bucket's name may stand before it, as S3 clients write it; no name of the public DNS ends in either.
LOOPBACK: Final = re.compile(
    r"(?:(?:[a-z0-9_][a-z0-9_.-]*\.)?(?:127\.0\.0\.1|localhost)|\[::1\])(?::\d{1,5})?", re.IGNORECASE
)


class Gate:
    """An ASGI app that answers 403 in another one's place to whoever comes from elsewhere."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or refuse it unread; the life of the server always passes."""
        reason = "" if scope["type"] == "lifespan" else refusal(scope["headers"])
        if not reason:
            await self._app(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps({"message": reason}).encode()})


def refusal(headers: list[tuple[bytes, bytes]]) -> str:
    """Return why a request with these headers is refused, empty when it is not."""
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
