"""The functions that both recorders of websockets share."""

from __future__ import annotations

from typing import Any

from nightproof.evidence.exchange import Exchange


def begin(connection: Any) -> Exchange:
    """Begin the exchange of a handshake on an open connection."""
    uri = connection.protocol.uri
    scheme = "wss" if uri.secure else "ws"
    return Exchange("GET", f"{scheme}://{uri.host}:{uri.port}{uri.resource_name}", "ws")


def with_header(headers: Any, exchange: Exchange) -> Any:
    """Return the caller's headers followed by ours."""
    if not exchange.header:
        return headers
    items = headers.raw_items() if hasattr(headers, "raw_items") else getattr(headers, "items", lambda: headers or ())()
    return [*items, *exchange.header.items()]


def settle(exchange: Exchange, connection: Any, error: BaseException | None) -> None:
    """Record the handshake as answered if the server sent any response, else as failed."""
    response = connection.response
    if response is not None:
        exchange.answered(response.status_code, response.headers, response.body)
    elif error is not None:
        exchange.failed(error)
