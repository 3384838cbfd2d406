"""Questions and answers in the bytes of one connection, in plain text or within TLS that stays closed.

In plain text, a question is what the client sends, and an answer is what comes after it. Within TLS only the type and
size of each record are known. Until TLS 1.2 the handshake has record types of its own. In TLS 1.3 the first protected
record of a client ends its handshake. So a question is any later record, unless it has the size of an alert. What the
server sends after a question is its answer. A session ticket that crosses the question cannot be distinguished from an
answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Iterator

HELLO: Final = b"\x16\x03"
CLIENT_HELLO: Final = 1
HEADER_BYTES: Final = 5
TYPE_AT: Final = 5  # of a handshake message, behind the header of its record
APPLICATION: Final = 23  # every protected record of TLS 1.3, and application data of the versions before
ALERT_BYTES: Final = 19  # of a protected alert in TLS 1.3: two bytes, their kind and a tag
TLS_13: Final = b"\x00\x2b\x00\x02\x03\x04"  # the extension by which a server chooses it
HEAD_BYTES: Final = 512  # of a server's first record, enough for that extension


class Records:
    """One direction of TLS, split into records; only their headers are kept."""

    def __init__(self) -> None:
        self._header = b""
        self._left = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield type and size in bytes of each record that begins in the data."""
        while data:
            if self._left:
                passed = min(self._left, len(data))
                self._left -= passed
                data = data[passed:]
                continue
            missing = HEADER_BYTES - len(self._header)
            self._header, data = self._header + data[:missing], data[missing:]
            if len(self._header) == HEADER_BYTES:
                self._left = int.from_bytes(self._header[3:], "big")
                kind, self._header = self._header[0], b""
                yield kind, self._left


class Turns:
    """The state of one connection."""

    def __init__(self) -> None:
        self._client: Records | None = None  # once the client has begun TLS
        self._server = Records()
        self._head = b""
        self._protected = 0

    def asks(self, data: bytes) -> bool:
        """Return whether what the client sends belongs to a question."""
        if self._client is None and data.startswith(HELLO) and data[TYPE_AT : TYPE_AT + 1] == bytes([CLIENT_HELLO]):
            self._client = Records()
        if self._client is None:
            return True
        found = [size for kind, size in self._client.feed(data) if self._is_data(kind, size)]
        # In TLS 1.3 the client's first protected record is its Finished message, which is no question.
        ends_handshake = bool(found) and self._is_13 and not self._protected
        self._protected += len(found)
        return len(found) > ends_handshake

    def answers(self, data: bytes) -> bool:
        """Return whether what the server sends can be an answer."""
        if self._client is None:
            return True
        self._head += data[: HEAD_BYTES - len(self._head)]
        found = [self._is_data(kind, size) for kind, size in self._server.feed(data)]  # all of them, to stay in step
        return any(found)

    @property
    def _is_13(self) -> bool:
        return TLS_13 in self._head

    def _is_data(self, kind: int, size: int) -> bool:
        return kind == APPLICATION and not (self._is_13 and size == ALERT_BYTES)
