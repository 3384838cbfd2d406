"""Recorder of urllib3, and with it requests: each try on the wire, redirects and retries included."""

from __future__ import annotations

import functools
from typing import Any
from typing import Final

from nightproof.evidence.exchange import Exchange
from nightproof.evidence.exchange import inside
from nightproof.evidence.exchange import is_inside

ATTRIBUTE: Final = "_nightproof_exchange"


def install(module: Any) -> None:
    """Wrap the one place where urllib3 sends a request."""
    pool = module.HTTPConnectionPool
    original = pool._make_request  # noqa: SLF001 - urlopen repeats and redirects inside, one try is only visible here

    @functools.wraps(original)
    def make_request(self: Any, conn: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        if is_inside():
            return original(self, conn, method, url, *args, **kwargs)
        address = url if "://" in url else f"{self.scheme}://{self.host}:{self.port}{url}"
        exchange = Exchange(method, address, "http", kwargs.get("headers"), kwargs.get("body"))
        try:
            with inside(exchange):
                response = original(self, conn, method, url, *args, **kwargs)
        except BaseException as error:
            exchange.failed(error)
            raise
        exchange.answered(response.status, response.headers)
        setattr(response, ATTRIBUTE, exchange)
        return response

    pool._make_request = make_request  # noqa: SLF001 - see above
    _install_read()


def _install_read() -> None:
    """Keep the beginning of a body as it is read, for the evidence folder."""
    from urllib3.response import HTTPResponse  # noqa: PLC0415 - only where urllib3 is already imported

    original = HTTPResponse.read

    @functools.wraps(original)
    def read(self: Any, *args: Any, **kwargs: Any) -> Any:
        data = original(self, *args, **kwargs)
        exchange = getattr(self, ATTRIBUTE, None)
        if exchange:
            exchange.add_body(data)
        return data

    HTTPResponse.read = read  # type: ignore[method-assign]
