"""A server that answers every request with the bytes it was given, at the pace it was given, and counts requests."""

from __future__ import annotations

import json
import socket
import struct
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

OK = b'{"ok": true, "channel": "C1", "ts": "17.1"}'
DROP = b""  # closes without a word


def http(status: int, body: bytes, *headers: str) -> bytes:
    """Return a whole answer over HTTP."""
    head = [f"HTTP/1.1 {status} Planned", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def limited(after: str) -> bytes:
    """Return the answer of a rate limit."""
    return http(429, b'{"ok": false, "error": "ratelimited"}', f"Retry-After: {after}")


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer to one request: `pause_s` lies between two bytes, and the end is a close, a reset or a wait."""

    data: bytes
    pause_s: float = 0
    end: str = "close"


ANSWERS = {
    "rate limit, a word": Plan(limited("soon")),
    "rate limit, a date": Plan(limited("Wed, 21 Oct 2026 07:28:00 GMT")),
    "rate limit, huge": Plan(limited("999999999")),
    "rate limit, longer than an integer": Plan(limited("9" * 400)),
    "rate limit, negative": Plan(limited("-5")),
    "rate limit, not a number": Plan(limited("nan")),
    "rate limit, superscript": Plan(limited("\xb2")),
    "rate limit, none": Plan(http(429, b"")),
    "server error": Plan(http(500, b"oops")),
    "refused by word": Plan(http(200, b'{"ok": false, "error": "channel_not_found"}')),
    "refused by a list": Plan(http(200, b'{"ok": false, "error": ["x"]}')),
    "a page": Plan(http(200, b"<html>sign in</html>")),
    "a list": Plan(http(200, b"[]")),
    "a text": Plan(http(200, b'"ok"')),
    "null": Plan(http(200, b"null")),
    "empty": Plan(http(200, b"")),
    "ok as a number": Plan(http(200, b'{"ok": 1}')),
    "deep": Plan(http(200, b"[" * 100_000)),
    "not UTF-8": Plan(http(200, b'{"ok": true, "ts": "1.1", "channel": "\xff\xfe"}')),
    "not HTTP": Plan(b"\x00\x01garbage\r\n\r\n"),
    "truncated": Plan(http(200, OK)[:-9]),
    "reset": Plan(DROP, end="reset"),
    "closed": Plan(DROP),
    "redirect": Plan(http(302, b"", "Location: http://127.0.0.1:9/elsewhere")),
    "body that trickles": Plan(http(200, OK), 0.2),
    "never an answer": Plan(DROP, end="wait"),
    "never an end": Plan(http(200, OK).replace(b"Content-Length: 43", b"X-None: 1"), end="wait"),
    "compressed": Plan(http(200, b"\x1f\x8bnot", "Content-Encoding: gzip")),
    "larger than any answer": Plan(http(200, b"A" * 3_000_000)),
}


@dataclass
class Answering:
    """Where the server listens, what it answers, and the bodies that it got."""

    url: str
    plan: Plan = field(default_factory=lambda: Plan(http(200, OK)))
    got: list[bytes] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def answering() -> Iterator[Answering]:
    """Serve until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Answering(f"http://127.0.0.1:{listener.getsockname()[1]}/api")
        threading.Thread(target=_accept, args=(listener, server), daemon=True).start()
        yield server
        server.is_over.set()
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, server: Answering) -> None:
    while not server.is_over.is_set():
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, server), daemon=True).start()


def _serve(connection: socket.socket, server: Answering) -> None:
    with connection:
        try:
            server.got.append(_body(connection))
            _answer(connection, server.plan, server.is_over)
        except OSError:
            return  # the client has given up, which is what most of these answers are for


def _body(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _received(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(lines.get(b"content-length", b"0")):
        body += _received(connection)
    return body


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the client hung up")
    return data


def _answer(connection: socket.socket, plan: Plan, is_over: threading.Event) -> None:
    pieces = [plan.data[at : at + 1] for at in range(len(plan.data))] if plan.pause_s else [plan.data]
    for piece in pieces:
        connection.sendall(piece)
        if plan.pause_s and is_over.wait(plan.pause_s):
            return
    if plan.end == "wait":
        is_over.wait()
    elif plan.end == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def texts(server: Answering) -> list[str]:
    """Return the texts of what was posted."""
    return [json.loads(body)["text"] for body in server.got]
