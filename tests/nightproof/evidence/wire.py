"""A small real HTTP server with a call log, and helpers to poll conditions and to check processes."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator


class Handler(BaseHTTPRequestHandler):
    """Answers 200 to every path, except /redirect (302), /hang (no answer) and /reset (closed connection)."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """Record the request, then answer; or answer with the call log."""
        address = urlsplit(self.path)
        if address.path == "/_nightproof/calls":
            self._answer(200, json.dumps(self._calls(parse_qs(address.query)["test"][0])).encode())
            return
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.headers_seen.append(dict(self.headers.items()))
        self.server.paths.append(self.path)
        if address.path == "/reset":
            self.close_connection = True
            return
        if address.path == "/hang":
            self.server.release.wait(5)
            self.close_connection = True
            return
        if address.path == "/redirect":
            self._answer(302, b"", Location="/landed")
            return
        self._answer(200, b"" if self.command == "HEAD" else b'{"ok": true, "refresh_token": "planted-secret"}')

    do_POST = do_PUT = do_HEAD = do_GET  # noqa: N815 - the names that http.server calls

    def _calls(self, prefix: str) -> list[dict[str, str]]:
        found = []
        for headers in self.server.headers_seen:
            test, _, rest = headers.get("X-Test-Id", "").rpartition(prefix + ":")
            if rest and not test:
                channel, _, phase = rest.partition(":")
                found.append({"channel": channel, "phase": phase})
        return found

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: Any) -> None:
        """Log nothing."""


class Server(ThreadingHTTPServer):
    """A server that records the headers and paths of its requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.headers_seen: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.release = threading.Event()

    @property
    def url(self) -> str:
        """Return the server's address."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serve() -> Iterator[Server]:
    """Yield a server that runs in a thread until the block ends."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


def await_true(condition: Any, limit_s: float = 10.0) -> None:
    """Poll until the condition holds; fail after `limit_s` seconds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:  # noqa: PTH123 - a zombie is dead, kill(0) says alive
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
