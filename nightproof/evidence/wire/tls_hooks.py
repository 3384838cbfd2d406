"""Wrappers of the methods of TLS: sockets, whose C code reads the descriptor itself, and in-memory engines."""

from __future__ import annotations

import ssl
from typing import Any
from typing import Final

from nightproof.evidence.wire.hooks import STATUS_BYTES
from nightproof.evidence.wire.hooks import filled
from nightproof.evidence.wire.hooks import head_of
from nightproof.evidence.wire.links import LINKS
from nightproof.evidence.wire.links import link_of
from nightproof.evidence.wire.links import pair

WANT: Final = (ssl.SSLWantReadError, ssl.SSLWantWriteError)


def tls_sender(original: Any) -> Any:
    """Wrap `send` and `write` of a TLS socket; before the handshake, the plain socket's own wrapper counts."""

    def send(self: Any, data: Any, *args: Any) -> Any:
        __tracebackhide__ = True
        if self._sslobj is None:
            return original(self, data, *args)
        link = link_of(self)
        held = link.asks(head_of(data))
        try:
            return original(self, data, *args)
        except WANT:
            link.takes_back(held)
            raise

    return send


def tls_reader(original: Any) -> Any:
    """Wrap `read` of a TLS socket."""

    def read(self: Any, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - as the library names it
        __tracebackhide__ = True
        found = original(self, len, buffer)
        link = LINKS.get(self)
        if found and link is not None and link.is_listening:
            link.receives(self, found[:STATUS_BYTES] if buffer is None else filled(buffer, found))
        return found

    return read


def engine_writer(original: Any) -> Any:
    """Wrap `write` of an in-memory TLS engine, such as asyncio's."""

    def write(self: Any, data: Any) -> Any:
        __tracebackhide__ = True
        link = pair(self)
        held = link.asks(head_of(data), is_inside_tls=True) if link else None
        try:
            return original(self, data)
        except WANT:
            if link and held:
                link.takes_back(held)
            raise

    return write


def engine_reader(original: Any) -> Any:
    """Wrap `read` of an in-memory TLS engine."""

    def read(self: Any, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - as the library names it
        __tracebackhide__ = True
        found = original(self, len, buffer)
        link = LINKS.get(self)
        if found and link is not None:
            link.answers(self, found[:STATUS_BYTES] if buffer is None else filled(buffer, found))
        return found

    return read


def handshaker(original: Any) -> Any:
    """Wrap `do_handshake` of a TLS engine: the connection that fed it last is most likely its own."""

    def do_handshake(self: Any) -> Any:
        __tracebackhide__ = True
        done = original(self)
        pair(self)
        return done

    return do_handshake


def tls_wrapper(original: Any) -> Any:
    """Wrap `wrap_socket` of a context: the TLS socket keeps the link of the plain socket."""

    def wrap_socket(self: Any, sock: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        link = LINKS.get(sock)
        wrapped = original(self, sock, *args, **kwargs)
        if link is not None:
            LINKS[wrapped] = link
        return wrapped

    return wrap_socket


TLS: Final = {"send": tls_sender, "write": tls_sender, "read": tls_reader}
ENGINE: Final = {"write": engine_writer, "read": engine_reader, "do_handshake": handshaker}
