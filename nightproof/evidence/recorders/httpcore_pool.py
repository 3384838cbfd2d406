"""Recorder of httpcore, and with it httpx, sync and async; mock and ASGI transports of httpx do not reach it."""

from __future__ import annotations

import functools
from typing import Any

from nightproof.evidence.exchange import HEADER
from nightproof.evidence.exchange import Exchange
from nightproof.evidence.exchange import inside


def install(module: Any) -> None:
    """Wrap both pools; those of proxies are subclasses."""
    _install_sync(module.ConnectionPool)
    _install_async(module.AsyncConnectionPool)


def _install_sync(pool: Any) -> None:
    original = pool.handle_request

    @functools.wraps(original)
    def handle_request(self: Any, request: Any) -> Any:
        exchange = _begin(request)
        try:
            with inside(exchange):
                response = original(self, request)
        except BaseException as error:
            exchange.failed(error)
            raise
        exchange.answered(response.status, response.headers)
        return response

    pool.handle_request = handle_request


def _install_async(pool: Any) -> None:
    original = pool.handle_async_request

    @functools.wraps(original)
    async def handle_async_request(self: Any, request: Any) -> Any:
        exchange = _begin(request)
        try:
            with inside(exchange):
                response = await original(self, request)
        except BaseException as error:
            exchange.failed(error)
            raise
        exchange.answered(response.status, response.headers)
        return response

    pool.handle_async_request = handle_async_request


def _begin(request: Any) -> Exchange:
    body = next((found for name in ("_content", "_stream") if (found := getattr(request.stream, name, None))), None)
    url = request.url
    port = f":{url.port}" if url.port else ""
    address = f"{url.scheme.decode()}://{url.host.decode()}{port}{url.target.decode()}"
    exchange = Exchange(request.method.decode(), address, "http", request.headers, body)
    if HEADER.lower().encode() not in {name.lower() for name, _ in request.headers}:
        added = [(name.encode(), value.encode()) for name, value in exchange.header.items()]
        request.headers = [*request.headers, *added]
    return exchange
