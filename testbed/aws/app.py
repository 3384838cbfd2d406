"""The ASGI app of the AWS service: control surface, then log and faults, then corrections, then ministack."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING
from typing import Final

from starlette.routing import Router

from testbed.aws.asgi import Answer
from testbed.aws.asgi import App
from testbed.aws.asgi import Message
from testbed.aws.asgi import Receive
from testbed.aws.asgi import Scope
from testbed.aws.asgi import Send
from testbed.aws.asgi import collect
from testbed.aws.asgi import deliver
from testbed.aws.asgi import headers_of
from testbed.aws.asgi import s3_error
from testbed.aws.corrections import Corrections
from testbed.aws.defects import DEFECTS
from testbed.aws.defects import Defects
from testbed.aws.operations import Operation
from testbed.aws.operations import identify
from testbed.faults.control import PREFIX
from testbed.faults.control import CallLog
from testbed.faults.control import Faults
from testbed.faults.control import control_routes

if TYPE_CHECKING:
    from collections.abc import Callable

KNOBS: Final = {
    "latency": "delays an operation: {operation, seconds}; operation * means all",
    "error": "answers an operation with an error: {operation, status, code}",
}


def new_faults() -> Faults:
    """Give the switches of this service, all off."""
    return Faults(KNOBS, DEFECTS)


def build(ministack: App, token: str, calls: CallLog, faults: Faults, user_of: Callable[[str], str]) -> App:
    """Put the layers around ministack; `user_of` names the owner of an access key for the log."""
    control = Router(control_routes(token, calls, faults))
    corrections = Corrections(ministack)
    defects = Defects(faults, ministack)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await ministack(scope, receive, send)
            return
        if scope["path"].startswith(PREFIX):
            await control(scope, receive, send)
            return
        headers = headers_of(scope)
        operation = identify(scope["method"], scope["path"], scope["query_string"].decode(), headers)
        started = time.time()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                test = headers.get("x-test-id", "")
                calls.add(test, operation.name, message["status"], user_of(operation.access_key), started)
            await send(message)

        await _delay(faults, operation)
        if refused := _refusal(faults, operation):
            await deliver(refused, noting)
        elif changed := await defects.answer(scope, receive, operation):
            await deliver(changed, noting)
        elif corrections.wants(scope, operation):
            await deliver(await corrections.answer(scope, receive, operation), noting)
        elif defects.wants(operation):
            await deliver(defects.spoil(await collect(ministack, scope, receive), operation), noting)
        else:
            await ministack(scope, receive, noting)

    return app


async def _delay(faults: Faults, operation: Operation) -> None:
    latency = faults.get("latency")
    if latency and latency.get("operation", "*") in {"*", operation.name}:
        await asyncio.sleep(float(latency["seconds"]))


def _refusal(faults: Faults, operation: Operation) -> Answer | None:
    error = faults.get("error")
    if not error or error.get("operation") not in {"*", operation.name}:
        return None
    status, code = int(error.get("status", 503)), str(error.get("code", "SlowDown"))
    if operation.service == "s3":
        return s3_error(status, code, "Injected by the control surface.")
    body = json.dumps({"__type": code, "message": "Injected by the control surface."}).encode()
    return Answer(status, {"content-type": "application/x-amz-json-1.1", "content-length": str(len(body))}, body)
