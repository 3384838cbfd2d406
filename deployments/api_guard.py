"""The Prefect server's application behind a guard that accepts only its own Host and Origin.

A web page in a browser on this machine can reach loopback too, and CORS does not prevent the request. The server
carries out a simple request before the browser hides the answer. With DNS rebinding (a name that resolves to 127.0.0.1)
the page even counts as same-origin.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from typing import Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp
    from starlette.types import Receive
    from starlette.types import Scope
    from starlette.types import Send

URL_VARIABLE: Final = "PREFECT_UI_URL"
MISDIRECTED: Final = 421
FORBIDDEN: Final = 403


class OwnNameOnly:
    """Refuses requests and WebSocket handshakes for another Host (421) or from another Origin (403)."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a permitted request on; a refused one reaches no code of the application."""
        status = 0 if scope["type"] == "lifespan" else self._refusal(scope)
        if not status:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: the client reads 403
        else:
            headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"This server answers its own Host and Origin only.\n"})

    def _refusal(self, scope: Scope) -> int:
        hosts = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return MISDIRECTED
        origins = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"origin"]
        return 0 if all(origin.removeprefix("http://") in self._hosts for origin in origins) else FORBIDDEN


def own_hosts(url: str) -> frozenset[str]:
    """Return the values of the Host header under which a server on loopback is reached."""
    port = urlsplit(url).port
    return frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})


def own_origins(url: str) -> tuple[str, ...]:
    """Return the origins of the server's own pages."""
    return tuple(f"http://{host}" for host in sorted(own_hosts(url)))


def create_app() -> ASGIApp:
    """Return Prefect's application behind the guard; uvicorn's factory."""
    from prefect.server.api.server import create_app as prefect_app  # noqa: PLC0415 - reads its settings at import

    return OwnNameOnly(prefect_app(), own_hosts(os.environ[URL_VARIABLE]))
