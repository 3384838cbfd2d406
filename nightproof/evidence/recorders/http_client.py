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
    """Wrap sending a request and reading the head of its answer."""
    _install_request(module.HTTPConnection)
    _install_getresponse(module.HTTPConnection)


def _install_request(connection: Any) -> None:
    original = connection.request

    @functools.wraps(original)
    def request(self: Any, method: str, url: str, body: Any = None, headers: Any = None, **kwargs: Any) -> None:
        if is_inside():
            original(self, method, url, body, headers or {}, **kwargs)
            return
        scheme = "https" if self.default_port == HTTPS_PORT else "http"
        address = url if "://" in url else f"{scheme}://{self.host}:{self.port}{url}"
        exchange = Exchange(method, address, "http", headers, body)
        setattr(self, ATTRIBUTE, exchange)
        try:
            original(self, method, url, body, dict(headers or {}) | exchange.header, **kwargs)
        except BaseException as error:
            exchange.failed(error, was_sent=self.sock is not None)
            raise

    connection.request = request


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
