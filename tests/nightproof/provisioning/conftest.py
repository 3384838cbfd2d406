"""A small catalog over HTTP that signs and verifies tokens, and targets that point at it."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from dataclasses import field
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest

from nightproof.profile import Profile
from nightproof.profile import Secrets
from nightproof.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path

SIGNING = "the-signing-secret-of-the-catalog-0123456789"


@dataclass
class TinyCatalog:
    """The server's answers; tests change them to break it."""

    url: str = ""
    config: Any = None
    status: int = 200
    verifies_with: str = SIGNING
    user: str = "test-user"
    failures: int = 0
    date: str | None = None
    asked: list[str] = field(default_factory=list)


def _handler(catalog: TinyCatalog) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: Any) -> None:
            """Stay quiet."""

        def date_time_string(self, timestamp: float | None = None) -> str:
            return catalog.date or super().date_time_string(timestamp)

        def _send(self, status: int, body: Any) -> None:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def do_GET(self) -> None:
            catalog.asked.append(self.path)
            if catalog.failures:
                catalog.failures -= 1
                self._send(503, {"message": "later"})
            else:
                self._send(catalog.status, catalog.config)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if self.path.endswith("/api/token"):
                known = parse_qs(body).get("refresh_token") in (["good-refresh-token"], ["fresh"])
                token = jwt.encode({"id": catalog.user, "exp": 4_000_000_000}, SIGNING, algorithm="HS256")
                fresh = {"access_token": token, "refresh_token": "fresh", "expires_at": 4_000_000_000}
                self._send(200 if known else 401, fresh if known else {"message": "no"})
                return
            try:
                bearer = self.headers["Authorization"].removeprefix("Bearer ")
                claims = jwt.decode(bearer, catalog.verifies_with, algorithms=["HS256"])
            except jwt.InvalidTokenError:
                self._send(401, {"message": "token_invalid"})
                return
            self._send(200, {"data": {"me": {"name": claims["id"]}}})

    return Handler


@pytest.fixture
def catalog() -> Iterator[TinyCatalog]:
    """Serve a catalog on a free port."""
    found = TinyCatalog()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(found))
    found.url = f"http://127.0.0.1:{server.server_port}"
    found.config = {"registryUrl": f"{found.url}/registry", "region": "us-east-1", "mode": "PRODUCT"}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def live(catalog: TinyCatalog, tmp_path: Path) -> Callable[..., Target]:
    """Return a maker of live targets that point at the small catalog."""

    def make(needs: tuple[str, ...] = ("mint_jwt",), url: str | None = None, **secrets: str) -> Target:
        given = {"refresh_token": "good-refresh-token", "jwt_secret": SIGNING} | secrets
        endpoints = {"catalog": catalog.url if url is None else url}
        profile = Profile.model_validate({"target": "live", "needs": needs, "endpoints": endpoints})
        return Target(profile, Secrets.model_validate({k: v for k, v in given.items() if v}), tmp_path)

    return make
