"""Record httpx, sync and async, where a request leaves for the network; mock and ASGI transports are no wire."""

from __future__ import annotations

import functools
from typing import Any

from nightproof.evidence.exchange import Exchange
from nightproof.evidence.exchange import inside


def install(module: Any) -> None:
    """Wrap both network transports."""
    _install_sync(module.HTTPTransport)
    _install_async(module.AsyncHTTPTransport)


def _install_sync(transport: Any) -> None:
    original = transport.handle_request

    @functools.wraps(original)
    def handle_request(self: Any, request: Any) -> Any:
        exchange = _begin(request)
        try:
            with inside():
                response = original(self, request)
        except BaseException as error:
            exchange.failed(error, was_sent=_was_sent(error))
            raise
        exchange.answered(response.status_code, response.headers)
        return response

    transport.handle_request = handle_request


def _install_async(transport: Any) -> None:
    original = transport.handle_async_request

    @functools.wraps(original)
    async def handle_async_request(self: Any, request: Any) -> Any:
        exchange = _begin(request)
        try:
            with inside():
                response = await original(self, request)
        except BaseException as error:
            exchange.failed(error, was_sent=_was_sent(error))
            raise
        exchange.answered(response.status_code, response.headers)
        return response

    transport.handle_async_request = handle_async_request


def _begin(request: Any) -> Exchange:
    body = getattr(request, "_content", None)  # absent while the body is a stream
    exchange = Exchange(request.method, str(request.url), "http", request.headers, body)
    request.headers.update(exchange.header)
    return exchange


def _was_sent(error: BaseException) -> bool:
    import httpx  # noqa: PLC0415 - only where httpx is already imported

    never = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
    return not isinstance(error, never)
