"""Recorder of botocore. http.client adds our header below it, so that presigned URLs and signatures stay valid."""

from __future__ import annotations

import functools
from typing import Any

from nightproof.evidence.exchange import Exchange
from nightproof.evidence.exchange import inside


def install(module: Any) -> None:
    """Wrap the HTTP session that every client uses."""
    session = module.URLLib3Session
    original = session.send

    @functools.wraps(original)
    def send(self: Any, request: Any) -> Any:
        exchange = Exchange(request.method, request.url, _protocol(request), request.headers, request.body)
        try:
            with inside(exchange):
                response = original(self, request)
        except BaseException as error:
            exchange.failed(error)
            raise
        body = None if request.stream_output else response.content
        exchange.answered(response.status_code, response.headers, body)
        return response

    session.send = send


def _protocol(request: Any) -> str:
    """Return `s3` or `aws`, by the scope of the signature, or by the form of an unsigned request."""
    signature = _text(request.headers.get("Authorization", ""))
    if signature:
        return "s3" if "/s3/" in signature or "/s3express/" in signature else "aws"
    is_query = "x-www-form-urlencoded" in _text(request.headers.get("Content-Type", ""))
    return "aws" if is_query or "X-Amz-Target" in request.headers else "s3"


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)
