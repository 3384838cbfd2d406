"""One connection: its peer, what was sent last, and whether an answer came.

An answer is what is received after something was sent. What is sent until then belongs to the same question, and what
is received after it to the same answer. A TLS handshake answers no question of ours, nor does a proxy's reply about a
tunnel.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from typing import Any
from typing import Final
from weakref import WeakKeyDictionary

from nightproof.evidence.counting import Asker
from nightproof.evidence.counting import asker
from nightproof.evidence.counting import count
from nightproof.evidence.wire.endpoints import UNIX
from nightproof.evidence.wire.endpoints import Address
from nightproof.evidence.wire.endpoints import declared
from nightproof.evidence.wire.endpoints import endpoint_of
from nightproof.evidence.wire.endpoints import is_relay
from nightproof.evidence.wire.endpoints import parse_endpoint
from nightproof.evidence.wire.endpoints import plain_host
from nightproof.evidence.wire.opened import OPEN
from nightproof.evidence.wire.opened import TICKS
from nightproof.evidence.wire.opened import claim
from nightproof.evidence.wire.owners import is_own

HELLO: Final = b"\x16\x03"  # a TLS record of the handshake
H2: Final = b"PRI * HTTP/2.0"
REQUEST: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/1\.[01]\r\n")
UPGRADE: Final = re.compile(rb"(?i)\r\nupgrade: *websocket")
SWITCHED: Final = re.compile(rb"HTTP/1\.1 101")
OPCODE: Final = 0x0F  # of a frame of RFC 6455, in its first byte
FIRST_CONTROL: Final = 0x08
STATUS_BYTES: Final = 12
DNS_PORT: Final = 53
Held = tuple[bool, int, Asker, bool]


class Link:
    """The state of one connection; threads may share it."""

    def __init__(self, sock: Any, *, is_server: bool = False) -> None:
        self.is_server = is_server
        self.peer, self.local = (None, None) if is_server else (_peer(sock), _local(sock))
        self.target: Address | None = None  # behind a proxy
        self.asker = Asker("", "", "")
        self.asked_at = self.answered_at = self.received_at = 0
        self.is_waiting = self.is_named = self.is_tls = self.is_h2 = self.is_paired = self.is_websocket = False
        self.hello = b""
        self._awaits_upgrade = False
        self._status = b""
        self._judged: dict[Address | None, bool] = {}

    @property
    def is_listening(self) -> bool:
        """Whether the data that comes next can matter."""
        return self.is_waiting or self.is_tls or self._awaits_upgrade

    def asks(self, head: bytes, *, is_inside_tls: bool = False) -> Held:
        """Note data that is about to be sent; return what `takes_back` needs if it is not."""
        held = self.is_waiting, self.asked_at, self.asker, self.is_named
        if not is_inside_tls and (self.is_tls or head.startswith(HELLO)):
            self._shake_hands(head)
            return held
        if self.is_websocket and head and head[0] & OPCODE >= FIRST_CONTROL:
            return held  # a close, ping or pong frame: not a message
        self.asker, self.asked_at, self.is_waiting = asker(), next(TICKS), True
        if head.startswith(H2):
            self.is_h2 = True
            H2_LINKS.append(self)
        request = None if self.is_websocket or self.is_h2 else REQUEST.match(head)
        if request:
            self._asks_http(request[1].decode(), request[2].decode("latin-1"), head)
        elif self.is_h2:
            self.is_named = bool(OPEN)  # compressed headers do not tell to which open exchange it belongs
        return held

    def takes_back(self, held: Held) -> None:
        """Restore the state before a question that could not be sent; it will be tried again."""
        self.is_waiting, self.asked_at, self.asker, self.is_named = held

    def _shake_hands(self, head: bytes) -> None:
        if not self.is_tls:
            self.is_tls, self.hello = True, head
            TLS_LINKS.append(self)

    def _asks_http(self, method: str, target: str, head: bytes) -> None:
        self._awaits_upgrade, self._status = UPGRADE.search(head) is not None, b""
        if method == "CONNECT" or "://" in target:
            self.target = _target(target)
        if method == "CONNECT":
            self.is_waiting = False
            return
        self.is_named = claim(self, target)

    def receives(self, sock: Any, head: bytes) -> None:
        """Note received data, and count it if it is an answer without a recorder; within TLS only note its time."""
        if self.is_tls:
            self.received_at, _latest.link = next(TICKS), self
            return
        self.answers(sock, head)

    def answers(self, sock: Any, head: bytes) -> None:
        """Note data that the application reads, and count it if it is an answer without a recorder."""
        is_answer, is_message = self.is_waiting, self.is_websocket
        self.is_waiting = False
        if self._awaits_upgrade:
            self._notice_upgrade(head)
        if not is_answer:
            return
        self.answered_at = next(TICKS)
        # The link may have been created before its socket was connected.
        if self.peer is None:
            self.peer, self.local = _peer(sock), _local(sock)
        if (is_message or not self.is_named) and self.is_evidence():
            count(self.asker, "ws" if is_message else "tcp", answered=True, recorded=False)

    def _notice_upgrade(self, head: bytes) -> None:
        self._status += head[:STATUS_BYTES]
        if len(self._status) >= STATUS_BYTES:
            self._awaits_upgrade = False
            self.is_websocket = SWITCHED.match(self._status) is not None

    def is_evidence(self) -> bool:
        """Return whether the system under test is the peer, or is behind the proxy there."""
        if self.target not in self._judged:
            self._judged[self.target] = self._judge()
        return self._judged[self.target]

    def _judge(self) -> bool:
        if self.is_server or self.peer is None or is_relay(self.peer) or is_own(self.peer, self.local):
            return False
        endpoints = declared()
        if not endpoints.entries:
            # Nothing is declared: every server counts that is not the test's own, except name servers.
            return self.peer[1] != DNS_PORT
        return endpoints.covers(self.peer) or (self.target is not None and endpoints.covers(self.target))


LINKS: Final[WeakKeyDictionary[Any, Link]] = WeakKeyDictionary()
TLS_LINKS: Final[deque[Link]] = deque(maxlen=256)
H2_LINKS: Final[deque[Link]] = deque(maxlen=64)
_latest = threading.local()


def link_of(sock: Any) -> Link:
    """Return the link of a socket, created on first use."""
    link = LINKS.get(sock)
    if link is None:
        link = LINKS[sock] = Link(sock)
    return link


def pair(engine: Any) -> Link | None:
    """Return the connection of an in-memory TLS engine: the latest to the host that it names, or None.

    The first record of a connection names its host; for an address it names none.
    """
    link = LINKS.get(engine)
    if link is None and not engine.server_side:
        host = engine.server_hostname
        free = [one for one in TLS_LINKS if not one.is_paired and _is_for(one, host)]
        latest = getattr(_latest, "link", None)
        link = latest if latest in free else max(free, key=lambda one: one.received_at, default=None)
        if link is not None:
            link.is_paired = True
            LINKS[engine] = link
    return link


def _target(text: str) -> Address | None:
    """Return the target of a proxy request, a URL or host and port; None if it is neither."""
    try:
        host, port = parse_endpoint(endpoint_of(text))
    except ValueError:
        return None
    return host, port or 0


def _is_for(link: Link, host: str | None) -> bool:
    if not host:
        return True
    ends = {end[0] for end in (link.peer, link.target) if end}
    return host in ends or host.encode("ascii", "replace") in link.hello


def _peer(sock: Any) -> Address | None:
    return _end(sock.getpeername)


def _local(sock: Any) -> Address | None:
    return _end(sock.getsockname)


def _end(ask: Any) -> Address | None:
    try:
        name = ask()
    except (OSError, AttributeError):
        return None  # not connected yet, or no more
    if isinstance(name, tuple):
        is_internet = len(name) > 1 and isinstance(name[0], str) and isinstance(name[1], int)
        return (plain_host(name[0]), name[1]) if is_internet else None
    text = name.decode("utf-8", "surrogateescape") if isinstance(name, bytes) else str(name)
    return (UNIX + text.replace("\0", "@", 1), 0) if text else None
