"""Recorder of aiohttp through its own tracing, WebSocket handshakes and each redirect included."""

from __future__ import annotations

import functools
from typing import Any
from urllib.parse import urljoin

from nightproof.evidence.exchange import HEADER
from nightproof.evidence.exchange import Exchange


def install(module: Any) -> None:
    """Add our trace to every session that is created from now on."""
    session = module.ClientSession
    original = session.__init__

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        kwargs["trace_configs"] = [*(kwargs.get("trace_configs") or ()), _trace()]
        original(self, *args, **kwargs)

    session.__init__ = init


def _trace() -> Any:
    import aiohttp  # noqa: PLC0415 - only where aiohttp is already imported

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(_start)
    trace.on_request_headers_sent.append(_sent)
    trace.on_request_redirect.append(_redirect)
    trace.on_request_end.append(_end)
    trace.on_request_exception.append(_exception)
    return trace


async def _start(_session: Any, context: Any, params: Any) -> None:
    protocol = "ws" if params.headers.get("Upgrade", "").lower() == "websocket" else "http"
    _begin(context, params.method, str(params.url), protocol, params.headers)
    for name, value in context.exchange.header.items():
        params.headers.setdefault(name, value)


async def _sent(_session: Any, context: Any, _params: Any) -> None:
    if context.was_sent:  # aiohttp repeats an idempotent request by itself when the connection was lost
        before: Exchange = context.exchange
        before.failed(ConnectionError("the connection was lost, aiohttp sent the request again"))
        _begin(context, before.method, before.url, before.protocol, before.request_headers)
    context.was_sent = True


async def _redirect(_session: Any, context: Any, params: Any) -> None:
    context.exchange.answered(params.response.status, params.response.headers)
    address = urljoin(context.exchange.url, params.response.headers.get("Location", ""))
    _begin(context, params.method, address, "http", params.headers)


async def _end(_session: Any, context: Any, params: Any) -> None:
    context.exchange.answered(params.response.status, params.response.headers)


async def _exception(_session: Any, context: Any, params: Any) -> None:
    context.exchange.failed(params.exception)


def _begin(context: Any, method: str, url: str, protocol: str, headers: Any) -> None:
    pairs = headers.items() if hasattr(headers, "items") else headers
    sent = [pair for pair in pairs if pair[0] != HEADER]
    context.exchange = Exchange(method, url, protocol, sent)
    context.was_sent = False
