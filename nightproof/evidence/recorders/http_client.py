"""Record http.client, and with it urllib.request, unless a library above it is recorded itself."""

from __future__ import annotations

import functools
from typing import Any
from typing import Final

from nightproof.evidence.exchange import Exchange
from nightproof.evidence.exchange import is_inside

ATTRIBUTE: Final = "_nightproof_exchange"
HTTPS_PORT: Final = 443


def install(module: Any) -> None:
    """Wrap sending a request, in one call or piece by piece, and reading the head of its answer."""
    _install_request(module.HTTPConnection)
    _install_pieces(module.HTTPConnection)
    _install_getresponse(module.HTTPConnection)


def _install_request(connection: Any) -> None:
    original = connection.request

    @functools.wraps(original)
    def request(self: Any, method: str, url: str, body: Any = None, headers: Any = None, **kwargs: Any) -> None:
        if is_inside():
            original(self, method, url, body, headers or {}, **kwargs)
            return
        exchange = _begin(self, method, url, headers, body)
        try:
            original(self, method, url, body, dict(headers or {}) | exchange.header, **kwargs)
        except BaseException as error:
            self.__dict__.pop(ATTRIBUTE, None)
            exchange.failed(error, was_sent=self.sock is not None)
            raise

    connection.request = request


def _begin(connection: Any, method: str, url: str, headers: Any = None, body: Any = None) -> Exchange:
    scheme = "https" if connection.default_port == HTTPS_PORT else "http"
    address = url if "://" in url else f"{scheme}://{connection.host}:{connection.port}{url}"
    exchange = Exchange(method, address, "http", headers, body)
    setattr(connection, ATTRIBUTE, exchange)
    return exchange


def _install_pieces(connection: Any) -> None:
    putrequest, endheaders = connection.putrequest, connection.endheaders

    @functools.wraps(putrequest)
    def begin(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        is_own = not is_inside() and ATTRIBUTE not in self.__dict__
        putrequest(self, method, url, *args, **kwargs)
        if is_own:
            exchange = _begin(self, method, url)
            for name, value in exchange.header.items():
                self.putheader(name, value)

    @functools.wraps(endheaders)
    def end(self: Any, *args: Any, **kwargs: Any) -> None:
        try:
            endheaders(self, *args, **kwargs)
        except BaseException as error:
            if exchange := self.__dict__.pop(ATTRIBUTE, None):
                exchange.failed(error, was_sent=self.sock is not None)
            raise

    connection.putrequest, connection.endheaders = begin, end


def _install_getresponse(connection: Any) -> None:
    original = connection.getresponse

    @functools.wraps(original)
    def getresponse(self: Any) -> Any:
        exchange: Exchange | None = None if is_inside() else self.__dict__.pop(ATTRIBUTE, None)
        try:
            response = original(self)
        except BaseException as error:
            if exchange:
                exchange.failed(error, was_sent=True)
            raise
        if exchange:
            exchange.answered(response.status, response.headers)
        return response

    connection.getresponse = getresponse
