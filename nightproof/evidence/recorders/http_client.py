"""Recorder of http.client, and with it urllib.request, unless a library above it is recorded itself."""

from __future__ import annotations

import functools
from typing import Any
from typing import Final

from nightproof.evidence.exchange import HEADER
from nightproof.evidence.exchange import Exchange
from nightproof.evidence.exchange import inside
from nightproof.evidence.exchange import is_inside
from nightproof.evidence.exchange import outer_exchange

ATTRIBUTE: Final = "_nightproof_exchange"
HTTPS_PORT: Final = 443


def install(module: Any) -> None:
    """Wrap sending a request, in one call or piece by piece, and reading the head of its response."""
    _install_request(module.HTTPConnection)
    _install_pieces(module.HTTPConnection)
    _install_getresponse(module.HTTPConnection)


def _install_request(connection: Any) -> None:
    """Keep body and headers for the evidence folder; they are passed on unchanged."""
    original = connection.request

    @functools.wraps(original)
    def request(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        if is_inside():
            original(self, method, url, *args, **kwargs)
            return
        body, headers = (*args, *(kwargs.get(name) for name in ("body", "headers")[len(args) :]))[:2]
        exchange = _begin(self, method, url, headers, body)
        try:
            original(self, method, url, *args, **kwargs)
        except BaseException as error:
            self.__dict__.pop(ATTRIBUTE, None)
            exchange.failed(error)
            raise

    connection.request = request


def _begin(connection: Any, method: str, url: str, headers: Any = None, body: Any = None) -> Exchange:
    scheme = "https" if connection.default_port == HTTPS_PORT else "http"
    address = url if "://" in url else f"{scheme}://{connection.host}:{connection.port}{url}"
    exchange = Exchange(method, address, "http", headers, body)
    setattr(connection, ATTRIBUTE, exchange)
    return exchange


def _install_pieces(connection: Any) -> None:
    """Add our header after the caller's own, whichever recorder began the exchange; the caller's stay unchanged."""
    putrequest, endheaders = connection.putrequest, connection.endheaders

    @functools.wraps(putrequest)
    def begin(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        is_own = not is_inside() and ATTRIBUTE not in self.__dict__
        putrequest(self, method, url, *args, **kwargs)
        if is_own:
            _begin(self, method, url)

    @functools.wraps(endheaders)
    def end(self: Any, *args: Any, **kwargs: Any) -> None:
        exchange = outer_exchange() or self.__dict__.get(ATTRIBUTE)
        try:
            if exchange:
                _put_header(self, exchange)
            with inside(exchange):
                endheaders(self, *args, **kwargs)
        except BaseException as error:
            if own := self.__dict__.pop(ATTRIBUTE, None):
                own.failed(error)
            raise

    connection.putrequest, connection.endheaders = begin, end


def _put_header(connection: Any, exchange: Exchange) -> None:
    names = (line.partition(b":")[0].lower() for line in connection._buffer)  # noqa: SLF001 - only here are they all
    if HEADER.lower().encode() not in names:
        for name, value in exchange.header.items():
            connection.putheader(name, value)


def _install_getresponse(connection: Any) -> None:
    original = connection.getresponse

    @functools.wraps(original)
    def getresponse(self: Any) -> Any:
        exchange: Exchange | None = None if is_inside() else self.__dict__.pop(ATTRIBUTE, None)
        try:
            response = original(self)
        except BaseException as error:
            if exchange:
                exchange.failed(error)
            raise
        if exchange:
            exchange.answered(response.status, response.headers)
        return response

    connection.getresponse = getresponse
