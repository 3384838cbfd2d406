"""Record urllib3, and with it requests: each try on the wire, redirects and retries included."""

from __future__ import annotations

import functools
from typing import Any

from nightproof.evidence.exchange import Exchange
from nightproof.evidence.exchange import inside
from nightproof.evidence.exchange import is_inside


def install(module: Any) -> None:
    """Wrap the one place where urllib3 sends a request."""
    pool = module.HTTPConnectionPool
    original = pool._make_request  # noqa: SLF001 - urlopen repeats and redirects inside, one try is only visible here

    @functools.wraps(original)
    def make_request(self: Any, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        if is_inside():
            return original(self, conn, method, url, *args, **kwargs)
        headers = dict(kwargs.get("headers") or {})
        address = url if "://" in url else f"{self.scheme}://{self.host}:{self.port}{url}"
        exchange = Exchange(method, address, "http", headers, kwargs.get("body"))
        kwargs["headers"] = headers | exchange.header
        try:
            with inside():
                response = original(self, conn, method, url, *args, **kwargs)
        except BaseException as error:
            exchange.failed(error, was_sent=_was_sent(error))
            raise
        exchange.answered(response.status, response.headers)
        _keep_body(response, exchange)
        return response

    pool._make_request = make_request  # noqa: SLF001 - see above


def _was_sent(error: BaseException) -> bool:
    from urllib3 import exceptions  # noqa: PLC0415 - only where urllib3 is already imported

    never = (exceptions.NewConnectionError, exceptions.ConnectTimeoutError, exceptions.SSLError, exceptions.ProxyError)
    return not isinstance(error, never)


def _keep_body(response: Any, exchange: Exchange) -> None:
    """Keep the beginning of the body as it is read, for the evidence folder."""
    original = response.read

    def read(*args: Any, **kwargs: Any) -> Any:
        data = original(*args, **kwargs)
        exchange.add_body(data)
        return data

    response.read = read
