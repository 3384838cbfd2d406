"""A server that records every byte of each connection, and whose answers are constants of this file."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import socket
import threading
from contextlib import contextmanager
from contextlib import suppress
from typing import TYPE_CHECKING
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Iterator

GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
PACKED: Final = gzip.compress(b"packed" * 100, mtime=0)
OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ANSWERS: Final[dict[bytes, bytes]] = {
    b"/repeated": b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nx-LOW: \xe9\r\nContent-Length: 0\r\n\r\n",
    b"/chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\n\r\n"
    b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: v\r\n\r\n",
    b"/old": b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end",
    b"/redirect": b"HTTP/1.1 302 Found\r\nLocation: /landed\r\nContent-Length: 0\r\n\r\n",
    b"/gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(PACKED), PACKED),
    b"/none": b"HTTP/1.1 204 No Content\r\n\r\n",
    b"/forbidden": b"HTTP/1.1 403 Keep out\r\nContent-Length: 4\r\n\r\nnope",
    b"/early": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,
    b"/large": b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000,
    b"/close": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
}


class Tape:
    """A server with the bytes received and sent, one entry per connection in the order of opening."""

    def __init__(self) -> None:
        self.received: list[bytearray] = []
        self.sent: list[bytearray] = []
        self.seen = ""
        self._untaken: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed: the test is over
            while True:
                connection, _ = self._listener.accept()
                self.received.append(bytearray())
                self.sent.append(bytearray())
                self._untaken.append(b"")
                number = len(self.received) - 1
                threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with connection, suppress(ConnectionError):
            while head := self._read(connection, number, rb"(?s).*?\r\n\r\n"):
                if b"100-continue" in head.lower():
                    self._send(connection, number, b"HTTP/1.1 100 Continue\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                if length:
                    self._read(connection, number, rb"(?s).{%s}" % length[1])
                elif b"encoding: chunked" in head.lower():
                    self._read(connection, number, rb"(?s).*?(?<=\n)0\r\n\r\n")
                if key := re.search(rb"(?i)sec-websocket-key: (\S+)", head):
                    self._talk(connection, number, key[1], extends=b"permessage-deflate" in head)
                    return
                self._answer(connection, number, head)
                if b"/old" in head or b"/close" in head:
                    return

    def _answer(self, connection: socket.socket, number: int, head: bytes) -> None:
        method, path = head.split(b" ", 2)[:2]
        answer = ANSWERS.get(path.partition(b"?")[0], OK)
        self._send(connection, number, answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == b"HEAD" else answer)

    def _talk(self, connection: socket.socket, number: int, key: bytes, *, extends: bool) -> None:
        """Accept a WebSocket, answer its first message with a ping and a text, and close when the client does."""
        accept = base64.b64encode(hashlib.sha1(GUID.join([key, b""]), usedforsecurity=False).digest())
        extension = b"Sec-WebSocket-Extensions: permessage-deflate\r\n" if extends else b""
        upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self._send(connection, number, upgrade + b"Sec-WebSocket-Accept: " + accept + b"\r\n" + extension + b"\r\n")
        self._read(connection, number, rb"(?s).+")
        self._send(connection, number, b"\x89\x01p\x81\x02ok")
        self._read(connection, number, rb"(?s).*\x88.{7}")  # a closing frame: its code, masked
        self._send(connection, number, b"\x88\x02\x03\xe8")

    def _read(self, connection: socket.socket, number: int, pattern: bytes) -> bytes:
        """Read until the pending bytes begin with the pattern; return that match, or b"" at the end of the stream."""
        while not (found := re.match(pattern, self._untaken[number])):
            data = connection.recv(65536)
            if not data:
                return b""
            self._untaken[number] += data
            self.received[number] += data
        taken = found[0]
        self._untaken[number] = self._untaken[number][len(taken) :]
        return taken

    def _send(self, connection: socket.socket, number: int, data: bytes) -> None:
        self.sent[number] += data
        connection.sendall(data)

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()


@contextmanager
def taping() -> Iterator[Tape]:
    """Yield a recording server until the block ends."""
    tape = Tape()
    try:
        yield tape
    finally:
        tape.close()
