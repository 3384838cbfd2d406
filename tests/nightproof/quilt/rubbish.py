"""A server with arbitrary answers, in place of a catalog and an S3 endpoint."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from contextlib import suppress
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Iterator

STALL_DEADLINE_S: Final = 20
HASH: Final = "0123456789abcdef" * 4
TOKENS: Final = {"refresh_token": "r", "access_token": "a", "expires_at": 4_000_000_000}
KEYS: Final = {
    "AccessKeyId": "AKIAIOSFODNN7EXAMPLE",
    "SecretAccessKey": "secret",
    "SessionToken": "session",
    "Expiration": (datetime.now(UTC) + timedelta(hours=2)).isoformat(),
}


class Rubbish:
    """The server's answer to each route: a valid one, unless the route is spoiled."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.spoiled: dict[str, tuple[int, bytes]] = {}
        self.stalled = ""
        self.released = threading.Event()
        self.asked: list[str] = []
        self._config = {
            "region": "us-east-1",
            "apiGatewayEndpoint": url,
            "registryUrl": f"{url}/registry",
            "analyticsBucket": "np-analyticsbucket",
        }

    def spoil(self, route: str, body: bytes, status: int = 200) -> None:
        """Spoil one route and restore all others."""
        self.spoiled = {route: (status, body)}

    def answer(self, path: str) -> tuple[str, int, bytes]:
        """Return the route of a path, with status and body."""
        route = route_of(path)
        self.asked.append(route)
        if route == self.stalled:
            self.released.wait(STALL_DEADLINE_S)
        if route in self.spoiled:
            return (route, *self.spoiled[route])
        good: dict[str, Any] = {"config": self._config, "token": TOKENS, "keys": KEYS, "graphql": {"data": {}}}
        return route, 200, HASH.encode() if route == "pointer" else json.dumps(good.get(route, {})).encode()


def route_of(path: str) -> str:
    """Return the name of a path's route."""
    known = {
        "/config.json": "config", "/api/token": "token", "/get_credentials": "keys", "/graphql": "graphql",
        "/api/search": "search", "/.quilt/packages/": "manifest", "/.quilt/named_packages/": "pointer",
        "/browse/": "browse",
    }  # fmt: skip
    return next((name for part, name in known.items() if part in path), "s3")


@contextmanager
def serve_rubbish() -> Iterator[Rubbish]:
    """Yield a server on a free loopback port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        """Answers every HTTP method in the same way."""

        def respond(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            route, status, body = rubbish.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if route in {"pointer", "manifest", "s3"}:
                self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            self.end_headers()
            if self.command != "HEAD":
                with suppress(BrokenPipeError, ConnectionResetError):  # the client gave up, as it may
                    self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = respond  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        rubbish = Rubbish(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield rubbish
        finally:
            server.shutdown()
            thread.join()
