"""How the relay forwards single requests: the server sees a direct request, and none for another host."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from nightproof.evidence.relay.client import Relay
from tests.nightproof.evidence.nearby import OK
from tests.nightproof.evidence.nearby import listening

if TYPE_CHECKING:
    from collections.abc import Iterator


def exchange(port: int, *requests: bytes) -> list[bytes]:
    """Send requests over one connection; return each answer, empty if the connection is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as opened:
        found = []
        for request in requests:
            try:
                opened.sendall(request)
                found.append(opened.recv(65536))
            except ConnectionError:
                found.append(b"")
        return found


@pytest.fixture(scope="module")
def proxy() -> Iterator[int]:
    """Yield the port of a relay's proxy in this process, with no other proxy in its environment."""
    env = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    relay = Relay("127.0.0.1", env)
    yield relay.proxy
    relay.close()


def test_a_request_reaches_its_server_without_a_word_of_the_proxy(proxy: int) -> None:
    """The target becomes a path and proxy headers are removed; an upgrade and the body stay."""
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        data = connection.recv(65536)
        while b"Content-Length: 2" in data and not data.endswith(b"hi"):  # the body may arrive separately
            data += connection.recv(65536)
        heard.append(data)
        connection.sendall(OK)

    with listening(serve) as port:
        start = f"POST http://user@127.0.0.1:{port}/a?b=c HTTP/1.1\r\nHost: shop\r\n".encode()
        secret = b"Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nConnection: keep-alive\r\n"
        exchange(proxy, start + secret + b"Content-Length: 2\r\n\r\nhi")
        exchange(proxy, start + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    plain, upgrade = heard
    assert plain == b"POST /a?b=c HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
    assert upgrade == b"POST /a?b=c HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def test_a_second_request_on_a_connection_goes_to_no_wrong_host(proxy: int) -> None:
    """A second request on the same connection for another host is not forwarded."""
    heard: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        while data := connection.recv(65536):
            heard.append(data)
            connection.sendall(OK)

    with listening(serve) as port:
        first = f"GET http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: shop\r\n\r\n".encode()
        found = exchange(proxy, first, b"GET http://other.example/secret HTTP/1.1\r\nHost: other\r\n\r\n")
    assert found == [OK, b""]
    assert len(heard) == 1


@pytest.mark.parametrize(
    "request_", [b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"hello\r\n\r\n", b"GET x y\r\n\r\n"]
)
def test_what_is_no_request_for_a_proxy_is_refused(proxy: int, request_: bytes) -> None:
    """Requests that are not for a proxy, such as a browser's port scan, get 502 and are not forwarded."""
    (found,) = exchange(proxy, request_)
    assert found.startswith(b"HTTP/1.1 502 ")
