"""Requests whose bytes are compared with and without the plugin; a test copies this file into a new suite."""

from __future__ import annotations

import asyncio
import http.client
import os
import random
import secrets
import socket
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import aiohttp
import httpx
import multidict
import pytest
import requests
import urllib3
import websockets
from websockets.sync.client import connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

HOST = os.environ.get("TAPE", "")
URL = f"http://{HOST}"
SEEN = Path(os.environ.get("TAPE_SEEN", "seen.txt"))
Pairs = list[tuple[str, str]]
Answer = tuple[int, Any, bytes]


def _pieces() -> Iterator[bytes]:
    yield from (b"one", b"two" * 1000, b"three")


REQUESTS: dict[str, tuple[str, str, Pairs, Any]] = {
    "plain": ("GET", "/plain", [], None),
    "repeated": ("GET", "/repeated", [("X-A", "1"), ("X-B", "2"), ("x-a", "3")], None),
    "ordered": ("GET", "/ordered?b=1&a=2", [("zulu", "z"), ("ALPHA", "a"), ("Accept", "*/*;q=0.5")], None),
    "latin": ("GET", "/latin", [("X-Name", "Zo\xeb")], None),
    "posted": ("POST", "/posted", [("Content-Type", "text/plain")], b"a body"),
    "streamed": ("PUT", "/streamed", [("Transfer-Encoding", "chunked")], _pieces),
    "expects": ("PUT", "/expects", [("Expect", "100-continue")], b"when told"),
    "chunked": ("GET", "/chunked", [("X-Wants", "trailers")], None),
    "old": ("GET", "/old", [], None),
    "redirect": ("GET", "/redirect", [], None),
    "gzip": ("GET", "/gzip", [("Accept-Encoding", "gzip")], None),
    "none": ("DELETE", "/none", [], None),
    "forbidden": ("GET", "/forbidden", [("Cookie", "a=1; b=2")], None),
    "early": ("GET", "/early", [], None),
    "large": ("GET", "/large", [], None),
    "head": ("HEAD", "/head", [], None),
    "close": ("GET", "/close", [("Connection", "close")], None),
}


def by_http_client(method: str, path: str, headers: Pairs, body: Any) -> Answer:
    """Send each header separately, so that a name may occur twice."""
    connection = http.client.HTTPConnection(HOST, timeout=10)
    connection.putrequest(method, path)
    for name, value in headers:
        connection.putheader(name, value)
    if isinstance(body, bytes):
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body() if callable(body) else body, encode_chunked=callable(body))
    answer = connection.getresponse()
    found = answer.status, answer.getheaders(), answer.read()
    connection.close()
    return found


def by_urllib(method: str, path: str, headers: Pairs, body: Any) -> Answer:
    """Send with an opener of the standard library."""
    request = urllib.request.Request(URL + path, body() if callable(body) else body, dict(headers), method=method)  # noqa: S310 - loopback
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, answer.getheaders(), answer.read()
    except urllib.request.HTTPError as error:
        return error.code, error.headers.items(), error.read()


def by_urllib3(method: str, path: str, headers: Pairs, body: Any) -> Answer:
    """Send headers as urllib3's HTTPHeaderDict, which keeps repeated names."""
    kept = urllib3.HTTPHeaderDict()
    for name, value in headers:
        kept.add(name, value)
    given = body() if callable(body) else body
    with urllib3.PoolManager(retries=False, timeout=10) as pool:
        answer = pool.request(method, URL + path, headers=kept, body=given, redirect=False)
        return answer.status, list(answer.headers.iteritems()), answer.data


def by_requests(method: str, path: str, headers: Pairs, body: Any) -> Answer:
    """Send the request twice in one session, so that its connection is reused."""
    with requests.Session() as session:
        session.trust_env = False
        encoded = {name: value.encode("latin-1") for name, value in headers if name != "Transfer-Encoding"}
        given: Any = {"headers": encoded, "timeout": 10, "stream": True}
        for _ in range(2):
            answer = session.request(method, URL + path, data=body() if callable(body) else body, **given)
            found = answer.status_code, list(answer.raw.headers.iteritems()), answer.content
        return found


def by_httpx(method: str, path: str, headers: Pairs, body: Any) -> Answer:
    """Send the request twice with one client, so that its connection is reused."""
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    with httpx.Client(trust_env=False, timeout=10, follow_redirects=True) as client:
        for _ in range(2):
            given = body() if callable(body) else body
            answer = client.request(method, URL + path, headers=raw, content=given)
        return answer.status_code, answer.headers.raw, answer.content


def by_httpx_async(method: str, path: str, headers: Pairs, body: Any) -> Answer:
    """Send with httpx on asyncio."""

    async def pieces() -> Any:
        for piece in body():
            yield piece

    async def ask() -> Answer:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            given = pieces() if callable(body) else body
            answer = await client.request(method, URL + path, headers=raw, content=given)
            return answer.status_code, answer.headers.raw, answer.content

    return asyncio.run(ask())


def by_aiohttp(method: str, path: str, headers: Pairs, body: Any) -> Answer:
    """Send headers as a CIMultiDict, which keeps repeated names."""

    async def pieces() -> Any:
        for piece in body():
            yield piece

    async def ask() -> Answer:
        kept = multidict.CIMultiDict(pair for pair in headers if pair[0] not in {"Transfer-Encoding", "Expect"})
        expects = any(name == "Expect" for name, _ in headers)
        async with aiohttp.ClientSession() as session:
            given = pieces() if callable(body) else body
            async with session.request(method, URL + path, headers=kept, data=given, expect100=expects) as answer:
                return answer.status, answer.raw_headers, await answer.read()

    return asyncio.run(ask())


def by_hand(method: str, path: str, headers: Pairs, body: Any) -> Answer:
    """Send over a bare socket; the answer is its bytes alone."""
    given = b"".join(body()) if callable(body) else body or b""
    kept = [pair for pair in headers if pair[0] not in {"Transfer-Encoding", "Expect"}]
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", *(f"{name}: {value}" for name, value in kept)]
    lines += [f"Content-Length: {len(given)}", "", ""]
    host, _, port = HOST.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as opened, opened.makefile("rb") as file:
        opened.sendall("\r\n".join(lines).encode("latin-1") + given)
        opened.shutdown(socket.SHUT_WR)
        return 0, [], file.read()


CLIENTS: list[Callable[[str, str, Pairs, Any], Answer]] = [
    by_http_client,
    by_urllib,
    by_urllib3,
    by_requests,
    by_httpx,
    by_httpx_async,
    by_aiohttp,
    by_hand,
]


@pytest.mark.parametrize("ask", CLIENTS)
@pytest.mark.parametrize("name", REQUESTS)
def test_request(ask: Callable[[str, str, Pairs, Any], Answer], name: str) -> None:
    """Send the request and append the client's answer to the file SEEN."""
    answer = ask(*REQUESTS[name])
    with SEEN.open("a") as file:
        file.write(f"{ask.__name__} {name} {answer!r}\n")
    assert answer[0] < 500


@pytest.fixture
def _no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace random keys and masks by constants."""
    monkeypatch.setattr(secrets, "token_bytes", lambda size=32: b"k" * size)
    monkeypatch.setattr(os, "urandom", lambda size: b"k" * size)
    monkeypatch.setattr(random.Random, "getrandbits", lambda _self, size: (1 << size) - 1)


@pytest.mark.usefixtures("_no_chance")
@pytest.mark.parametrize("compression", ["deflate", None])
def test_websockets_in_threads(compression: str | None) -> None:
    """Open a WebSocket with repeated headers, with and without an extension."""
    headers = [("X-A", "1"), ("X-B", "2"), ("X-A", "3")]
    with connect(f"ws://{HOST}/ws", additional_headers=headers, compression=compression, proxy=None) as ws:
        ws.send("a" * 200)
        assert ws.recv() == "ok"


@pytest.mark.usefixtures("_no_chance")
def test_websockets_in_asyncio() -> None:
    """Open a WebSocket with headers in a dict, on asyncio."""

    async def ask() -> Any:
        async with websockets.connect(f"ws://{HOST}/ws", additional_headers={"X-A": "1"}, proxy=None) as ws:
            await ws.send(b"bytes")
            return await ws.recv()

    assert asyncio.run(ask()) == "ok"


@pytest.mark.usefixtures("_no_chance")
def test_websocket_of_aiohttp() -> None:
    """Open a WebSocket with an extension by aiohttp."""

    async def ask() -> Any:
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{URL}/ws", compress=15) as ws:
            await ws.send_str("text")
            return (await ws.receive()).data

    assert asyncio.run(ask()) == "ok"
