"""The ASGI app of the AWS service: control surface, then call log and faults, then corrections, then ministack."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from starlette.routing import Router

from testbed.athena.defects import SENTENCES as SENTENCES_OF_ATHENA
from testbed.aws.admin import Admin
from testbed.aws.admin import is_admin
from testbed.aws.asgi import Answer
from testbed.aws.asgi import App
from testbed.aws.asgi import Message
from testbed.aws.asgi import Receive
from testbed.aws.asgi import Scope
from testbed.aws.asgi import Send
from testbed.aws.asgi import collect
from testbed.aws.asgi import deliver
from testbed.aws.asgi import headers_of
from testbed.aws.asgi import read_body
from testbed.aws.asgi import replay
from testbed.aws.asgi import s3_error
from testbed.aws.corrections import Corrections
from testbed.aws.defects import SENTENCES
from testbed.aws.defects import Defects
from testbed.aws.exchange import Exchange
from testbed.aws.internal import Internal
from testbed.aws.operations import Operation
from testbed.aws.operations import identify
from testbed.faults.control import PREFIX
from testbed.faults.control import CallLog
from testbed.faults.control import Faults
from testbed.faults.control import control_routes

if TYPE_CHECKING:
    from collections.abc import Callable

INJECTED: Final = "Injected by the control surface."
QUERY_SERVICES: Final = frozenset({"iam", "sts"})  # the services of ours that use the query protocol, with XML errors
QUERY_ERROR: Final = "<ErrorResponse><Error><Code>{}</Code><Message>{}</Message></Error></ErrorResponse>"
KNOBS: Final = {
    "latency": "delays an operation: {operation, bucket, prefix, user, seconds}; operation * is every one",
    "error": "answers an operation with an error: {operation, bucket, prefix, user, status, code, times}",
}


def new_faults() -> Faults:
    """Return the switches of this service, all off."""
    return Faults(KNOBS, SENTENCES | SENTENCES_OF_ATHENA)


class Layers:
    """An ASGI app around ministack; `user_of` returns the owner of an access key for the call log."""

    def __init__(
        self, ministack: App, token: str, calls: CallLog, faults: Faults, user_of: Callable[[str], str]
    ) -> None:
        self._ministack = ministack
        self._control = Router(control_routes(token, calls, faults))
        self._admin = Admin(ministack, token)
        self._calls = calls
        self._faults = faults
        self._user_of = user_of
        self._corrections = Corrections(ministack)
        self._defects = Defects(faults)
        self._internal = Internal(ministack)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route one request; lifespan events go to ministack."""
        if scope["type"] != "http":
            await self._ministack(scope, receive, send)
        elif scope["path"].startswith(f"{PREFIX}/"):
            await self._control(scope, receive, send)
        elif is_admin(scope):
            await self._admin(scope, receive, send)
        else:
            await self._noted(scope, receive, send)

    async def _noted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Identify the request, answer it, and log it before its answer is sent."""
        started, headers = time.time(), headers_of(scope)
        asked = scope["method"], scope["path"], scope["query_string"].decode(), headers
        operation = identify(*asked)
        if operation.service != "s3":
            body = await read_body(receive)
            receive, operation = replay(body), identify(*asked, body)
        user = self._user_of(operation.access_key)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._calls.add(headers.get("x-test-id", ""), operation.name, message["status"], user, started)
                # uvicorn adds its own `Date`: a client that joins repeated headers could not parse the time.
                message["headers"] = [header for header in message["headers"] if header[0].lower() != b"date"]
            await send(message)

        async with self._defects.turn(operation, user):
            await self._answer(scope, receive, noting, operation, user)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, operation: Operation, user: str) -> None:
        await _delay(self._faults, operation, user)
        defects = self._defects.of(operation, user)
        if refused := _refusal(self._faults, operation, user):
            # With `Expect: 100-continue`, an unread body would leave the client's next request in its place.
            await read_body(receive)
            await deliver(self._defects.hide(refused, operation), send)
        elif defects:
            exchange = Exchange(operation, scope, self._internal, self._ministack)
            answer = await self._defects.instead(defects, exchange, receive)
            answer = answer or await self._corrected(scope, receive, operation)
            await deliver(await self._defects.spoil(defects, exchange, answer), send)
        elif self._corrections.wants(scope, operation):
            await deliver(await self._corrections.answer(scope, receive, operation), send)
        else:
            await self._ministack(scope, receive, send)

    async def _corrected(self, scope: Scope, receive: Receive, operation: Operation) -> Answer:
        if self._corrections.wants(scope, operation):
            return await self._corrections.answer(scope, receive, operation)
        return await collect(self._ministack, scope, receive)


def _is_meant(fault: dict[str, Any], operation: Operation) -> bool:
    """Return whether a fault matches this operation, bucket and key prefix; an absent parameter matches all."""
    if fault.get("operation", "*") not in {"*", operation.name} or not operation.key.startswith(
        fault.get("prefix", "")
    ):
        return False
    return str(fault.get("bucket", operation.bucket)) == operation.bucket


async def _delay(faults: Faults, operation: Operation, user: str) -> None:
    meant = [found for found in faults.all_of("latency", user) if _is_meant(found, operation)]
    await asyncio.sleep(sum(found["seconds"] for found in meant))


def _refusal(faults: Faults, operation: Operation, user: str) -> Answer | None:
    meant = (found for found in faults.all_of("error", user) if _is_meant(found, operation))
    error = next(filter(faults.spend, meant), None)
    if error is None:
        return None
    status, code = int(error.get("status", 503)), str(error.get("code", "SlowDown"))
    if operation.service == "s3":
        return s3_error(status, code, INJECTED)
    if operation.service in QUERY_SERVICES:
        return Answer(status, {"content-type": "text/xml"}, QUERY_ERROR.format(code, INJECTED).encode())
    body = json.dumps({"__type": code, "message": INJECTED}).encode()
    return Answer(status, {"content-type": "application/x-amz-json-1.1", "content-length": str(len(body))}, body)
