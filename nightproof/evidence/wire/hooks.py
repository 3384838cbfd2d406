"""Wrappers of the methods that send and receive; each keeps its behaviour and informs the link of its connection."""

from __future__ import annotations

import functools
from typing import Any
from typing import Final

from nightproof.evidence.wire.endpoints import Address
from nightproof.evidence.wire.endpoints import learn
from nightproof.evidence.wire.endpoints import plain_host
from nightproof.evidence.wire.links import LINKS
from nightproof.evidence.wire.links import Link
from nightproof.evidence.wire.links import link_of
from nightproof.evidence.wire.owners import listens

WRAPPED: Final = "__nightproof_socket__"
START_BYTES: Final = 24
HEAD_BYTES: Final = 65536
HELLO_BYTES: Final = 4096
STATUS_BYTES: Final = 16
MOST_BUFFERS: Final = 16
NOT_SENT: Final = (BlockingIOError, InterruptedError)


def wrap(owner: Any, name: str, wrapper: Any) -> None:
    """Replace a method, if the class has it, and keep its name and docstring."""
    original = getattr(owner, name, None)
    if original is not None and not hasattr(original, WRAPPED):
        wrapped = functools.wraps(original)(wrapper(original))
        setattr(wrapped, WRAPPED, True)
        setattr(owner, name, wrapped)


def head_of(data: Any) -> bytes:
    """Return enough of the data to identify it: 24 bytes, 4 KiB of a TLS handshake, 64 KiB if it may be HTTP."""
    try:
        view = memoryview(data).cast("B")
    except TypeError:
        return b""  # not bytes: the method itself raises
    start = bytes(view[:START_BYTES])
    if start.startswith(b"\x16\x03"):
        return bytes(view[:HELLO_BYTES])
    return bytes(view[:HEAD_BYTES]) if b" " in start else start


def sender(original: Any) -> Any:
    """Wrap `send` and `sendall`."""

    def send(self: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        link = link_of(self)
        held = link.asks(head_of(data))
        try:
            return original(self, data, *args, **kwargs)
        except NOT_SENT:
            link.takes_back(held)
            raise

    return send


def sender_to(original: Any) -> Any:
    """Wrap `sendto`, whose address is the peer of a socket without a connection."""

    def sendto(self: Any, data: Any, *args: Any) -> Any:
        __tracebackhide__ = True
        link = link_of(self)
        held = link.asks(head_of(data))
        # The address is the last argument, with or without flags; that of a Unix socket is a text.
        if isinstance(args[-1], tuple):
            link.peer = _plain(args[-1])
        try:
            return original(self, data, *args)
        except NOT_SENT:
            link.takes_back(held)
            raise

    return sendto


def sender_of_many(original: Any) -> Any:
    """Wrap `sendmsg`, whose buffers may be an iterator."""

    def sendmsg(self: Any, buffers: Any, *args: Any) -> Any:
        __tracebackhide__ = True
        kept = list(buffers)
        link = link_of(self)
        held = link.asks(b"".join(map(head_of, kept[:MOST_BUFFERS])))
        try:
            return original(self, kept, *args)
        except NOT_SENT:
            link.takes_back(held)
            raise

    return sendmsg


def sender_of_file(original: Any) -> Any:
    """Wrap `sendfile`, which hands a file to the kernel."""

    def sendfile(self: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        link_of(self).asks(b"")
        return original(self, *args, **kwargs)

    return sendfile


def receiver(original: Any) -> Any:
    """Wrap a method that returns bytes, or a tuple with the bytes first."""

    def receive(self: Any, *args: Any) -> Any:
        __tracebackhide__ = True
        found = original(self, *args)
        link = LINKS.get(self)
        if link is not None and link.is_listening:
            data = found[0] if isinstance(found, tuple) else found
            if data:
                link.receives(self, data[:STATUS_BYTES])
        return found

    return receive


def receiver_into(original: Any) -> Any:
    """Wrap a method that fills one or several buffers and returns a size, or a tuple with the size first."""

    def receive(self: Any, buffer: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        found = original(self, buffer, *args, **kwargs)
        link = LINKS.get(self)
        if link is not None and link.is_listening:
            size = found[0] if isinstance(found, tuple) else found
            if size:
                link.receives(self, filled(buffer, size))
        return found

    return receive


def filled(buffer: Any, size: int) -> bytes:
    """Return the beginning of the data that was received into a buffer."""
    try:
        return bytes(memoryview(buffer).cast("B")[: min(size, STATUS_BYTES)])
    except TypeError:
        return b""  # several buffers


def accepter(original: Any) -> Any:
    """Wrap `accept`: data from an accepted connection is never an answer."""

    def accept(self: Any) -> Any:
        __tracebackhide__ = True
        connection, address = original(self)
        LINKS[connection] = Link(connection, is_server=True)
        return connection, address

    return accept


def listener(original: Any) -> Any:
    """Wrap `listen`: a server at this address belongs to the test itself."""

    def listen(self: Any, *args: Any) -> Any:
        __tracebackhide__ = True
        done = original(self, *args)
        listens(self)
        return done

    return listen


def resolver(original: Any) -> Any:
    """Wrap `getaddrinfo`: an address counts as declared if its name is."""

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        found = original(host, *args, **kwargs)
        learn(host, found)
        return found

    return getaddrinfo


def _plain(address: tuple[Any, ...]) -> Address:
    return plain_host(str(address[0])), int(address[1])


PLAIN: Final = {
    "send": sender, "sendall": sender, "sendto": sender_to, "sendmsg": sender_of_many, "sendfile": sender_of_file,
    "recv": receiver, "recvfrom": receiver, "recvmsg": receiver,
    "recv_into": receiver_into, "recvfrom_into": receiver_into, "recvmsg_into": receiver_into,
    "accept": accepter, "listen": listener,
}  # fmt: skip
# gevent's `sendall` calls its `send`, with a time limit of its own.
GEVENT: Final = {name: wrapper for name, wrapper in PLAIN.items() if name != "sendall"}


def wrap_all(owner: Any, wrappers: dict[str, Any]) -> None:
    """Wrap the methods of a class."""
    for name, wrapper in wrappers.items():
        wrap(owner, name, wrapper)
