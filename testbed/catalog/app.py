"""The catalog's ASGI app: its routes, each with authentication, injected faults and an entry in the call log."""

from __future__ import annotations

import asyncio
import time
import traceback
from contextlib import nullcontext
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import parse_qs

import anyio
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.responses import RedirectResponse
from starlette.responses import Response
from starlette.routing import Route

from testbed.catalog import graphql_route
from testbed.catalog import limits
from testbed.catalog import order
from testbed.catalog import rest
from testbed.catalog import sso
from testbed.catalog.auth import AuthError
from testbed.catalog.auth import Caller
from testbed.catalog.auth import ForbiddenError
from testbed.catalog.browsing import GoneError
from testbed.catalog.documents import Objects
from testbed.catalog.refusing import Refusals
from testbed.catalog.resolvers import Context
from testbed.catalog.rest_search import RefusedError
from testbed.catalog.rest_search import RestSearch
from testbed.catalog.tabulator import held
from testbed.catalog.users import letters
from testbed.faults.control import Control
from testbed.faults.control import RefusedError as ControlRefusedError
from testbed.faults.control import control_routes
from testbed.parsing import json_of

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from collections.abc import Callable
    from collections.abc import Container

    from sqlalchemy.engine import Engine
    from starlette.requests import Request

    from testbed.catalog.auth import Tokens
    from testbed.catalog.browsing import Browsing
    from testbed.catalog.locks import Locks
    from testbed.catalog.registry import Registry
    from testbed.catalog.roles import Rights
    from testbed.catalog.search import SearchIndex
    from testbed.faults.control import CallLog
    from testbed.faults.control import Faults

KNOBS: Final = {
    "latency": "delays {operation, user, seconds}; operation: *, read, search, construct, a field or an operation name",
    "error": "answers an operation with an error status: {operation, user, status, times}",
    "operation-error": "answers a field with OperationError: {operation, user, code, times}; operation: *, a field,"
    " Type.field or an operation name",
    "revoke-token": "access tokens that no longer count: {token} or {tokens}",
    "key-life": "lent AWS keys end after so many seconds, whatever end they name: {user, seconds}",
    "token-life": "how long access tokens of an exchange count: {user, seconds}",
    "rotation-grace": "how long an exchanged refresh token goes on to count: {user, seconds}",
    "field-order": "members of JSON answers come in the opposite order, which is no defect",
    "introspection": "the schema may be asked by every caller, as it else may by admins only",
    "time-limit": "how long a GraphQL request may take: {seconds}",
    "subscription-ended": "the catalog's subscription is not in force: no bucket can be added",
    "indexing": "a bucket that is being indexed and cannot be removed: {bucket}",
    "index-lag": "how much later a package becomes searchable: {seconds}",
}


FAILED: Final = 500
JSON: Final = frozenset({"application/json", "application/graphql+json"})


class Catalog:
    """The parts that the routes need, and the routes."""

    def __init__(
        self,
        *,
        url: str,
        aws_url: str,
        engine: Engine,
        tokens: Tokens,
        registry: Registry,
        locks: Locks,
        index: SearchIndex,
        browsing: Browsing,
        calls: CallLog,
        faults: Faults,
    ) -> None:
        self.url = url
        self.aws_url = aws_url
        self.engine = engine
        self.tokens = tokens
        self.registry = registry
        self.locks = locks
        self.index = index
        self.browsing = browsing
        self.objects = Objects(registry)
        self.rest_search = RestSearch(registry, index, self.objects)
        self.calls = calls
        self.faults = faults
        self._bend = registry.defects.bend
        self._turn = asyncio.Lock()

    def app(self, control_token: str) -> Starlette:
        """Return the ASGI app."""
        routes = [
            Route("/config.json", self._logged("config.json", self._config)),
            Route("/registry/api/token", self._logged("token", self._token), methods=["POST"]),
            Route("/registry/api/sso/exchange", self._logged("sso_exchange", self._exchange), methods=["POST"]),
            Route("/registry/api/auth/get_credentials", self._logged("get_credentials", self._credentials)),
            Route("/registry/api/search", self._logged("search", self._search)),
            Route("/registry/graphql", self._logged("graphql", self._graphql), methods=["POST"]),
            Route("/browse/{session}/{path:path}", self._logged("browse", self._browse)),
            *control_routes(control_token, self.calls, self.faults),
            Control(control_token, self.calls, self.faults).route("mailbox", self._mailbox),
            Control(control_token, self.calls, self.faults).route("refresh-token", self._issue, "POST"),
            Control(control_token, self.calls, self.faults).route("tabulator", self._tabulator),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: self._unknown})

    async def _unknown(self, request: Request, error: Exception) -> Response:
        """Answer an unknown path or method with a JSON `message`, as all errors are."""
        status = error.status_code if isinstance(error, HTTPException) else 500

        async def refused(_request: Request) -> Response:
            return JSONResponse({"message": str(getattr(error, "detail", error))}, status)

        return await self._logged("unknown", refused)(request)

    def _logged(
        self, name: str, answer: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Wrap a route: map exceptions to statuses, and log the request before its answer is sent."""

        async def route(request: Request) -> Response:
            started = time.time()
            request.state.operation, request.state.user = name, ""
            request.state.labels = frozenset({"*", name, request.url.path})
            try:
                async with self._bend("turn", nullcontext(), lock=self._turn):
                    response = self._bend("every answer", None) or await answer(request)
            except AuthError as error:
                expires = {"expires_at": error.expires_at} if error.expires_at else {}
                response = JSONResponse({"message": self._text(error), "code": error.code} | expires, 401)
            except ForbiddenError as error:
                text = self._text(error)
                listed = [{"message": text, "path": [name], "extensions": error.extensions}]
                response = JSONResponse({"message": text, "errors": listed}, 403)
            except RefusedError as error:
                response = JSONResponse({"message": str(error)}, error.status)
            except GoneError as error:
                response = JSONResponse({"message": self._text(error)}, 410)
            except ValueError as error:
                response = JSONResponse({"message": f"The request cannot be read: {error}"}, 400)
            except Exception:  # noqa: BLE001 - any other error becomes a 500 with a `message`, and is logged
                traceback.print_exc()
                response = JSONResponse({"message": "Internal Server Error"}, 500)
            if self.faults.is_on("field-order"):
                response = order.turned(response)
            test = request.headers.get("x-test-id", "")
            self.calls.add(test, request.state.operation, response.status_code, request.state.user, started)
            response.headers["X-Nightproof-Server-Ms"] = f"{(time.time() - started) * 1000:.1f}"
            return response

        return route

    def _text(self, error: Exception) -> str:
        return str(self._bend("message", str(error)))

    async def _faulty(self, request: Request) -> Response | None:
        """Apply the latency and error faults for this request and user.

        Return the injected error response, or None.
        """
        user, labels = request.state.user, request.state.labels
        latencies = self._meant("latency", user, labels)
        delay = float(sum(latency["seconds"] for latency in latencies))
        await anyio.sleep(self._bend("delay", delay, labels=labels, user=user))
        if spoiled := self._bend("status", 0, labels=labels, user=user):
            return JSONResponse({"message": "Internal Server Error"}, spoiled)
        if error := next(filter(self.faults.spend, self._meant("error", user, labels)), None):
            status = int(error.get("status", 500))
            retry = {"Retry-After": "1"} if status == 503 else {}  # noqa: PLR2004 - the overload status
            answered = status, {"message": "Injected by the control surface."}
            status, body = self._bend("crash", answered) if status == FAILED else answered
            return JSONResponse(body, status, retry)
        return None

    def _meant(self, knob: str, user: str, labels: Container[str]) -> list[dict[str, Any]]:
        return [found for found in self.faults.all_of(knob, user) if found.get("operation", "*") in labels]

    async def _caller(self, request: Request) -> Caller | None:
        caller = await run_in_threadpool(self.tokens.caller, request.headers.get("authorization", ""))
        request.state.user = caller.name if caller else ""
        return caller

    async def _signed_in(self, request: Request) -> Caller:
        caller = await self._caller(request)
        if caller is None:
            raise AuthError("token_missing", "The request carries no token. Sign in first.")
        return caller

    async def _config(self, request: Request) -> Response:
        return await self._faulty(request) or JSONResponse(
            self._bend("configuration", rest.configuration(self.url, self.aws_url))
        )

    async def _token(self, request: Request) -> Response:
        form = parse_qs((await _body(request)).decode())
        given = form.get("refresh_token", [""])[0]
        return await self._faulty(request) or JSONResponse(await run_in_threadpool(self.tokens.exchange, given))

    async def _exchange(self, request: Request) -> Response:
        asked = json_of(await _body(request))
        if not isinstance(asked, dict) or not isinstance(asked.get("claims"), dict):
            raise RefusedError(400, "The body is no object with an object `claims`.")
        try:
            found = await run_in_threadpool(sso.exchange, self.engine, asked["claims"], self._bend)
        except sso.NoRoleError as error:
            raise RefusedError(403, str(error)) from error
        return await self._faulty(request) or JSONResponse(found)

    async def _credentials(self, request: Request) -> Response:
        caller = await self._signed_in(request)
        rights = self._bend("rights of keys", caller.rights, rights_of=self.tokens.rights_of)
        life = (self.faults.of("key-life", caller.name) or {}).get("seconds", rest.KEY_LIFE_S)
        return await self._faulty(request) or JSONResponse(await run_in_threadpool(_keys, caller.name, rights, life))

    async def _search(self, request: Request) -> Response:
        caller = await self._signed_in(request)
        if injected := await self._faulty(request):
            return injected
        return await run_in_threadpool(self.rest_search.answer, caller, dict(request.query_params))

    async def _browse(self, request: Request) -> Response:
        caller = await self._signed_in(request)
        if injected := await self._faulty(request):
            return injected
        session, path = request.path_params["session"], request.path_params["path"]
        life = int(request.query_params.get("expires_in", 3600))
        url = await run_in_threadpool(self.browsing.url, caller, session, path, life)
        if url is None:
            return JSONResponse({"message": f"The revision has no file `{path}`."}, 404)
        return RedirectResponse(url, 302)

    async def _graphql(self, request: Request) -> Response:
        kind = request.headers.get("content-type", "")
        if kind.partition(";")[0].strip().lower() not in JSON:
            # Simple types, such as text/plain, cross origins without a CORS preflight.
            raise RefusedError(415, f"The content type `{kind}` is not supported: send application/json.")
        body = await _body(request)
        asked = graphql_route.Asked(body)
        request.state.operation = asked.operation
        request.state.labels = asked.labels()
        caller = await (self._caller(request) if asked.asks_only_me else self._signed_in(request))
        if injected := await self._faulty(request):
            return injected
        return await run_in_threadpool(graphql_route.answer, asked, self._context(request, caller))

    async def _tabulator(self, _request: Request) -> dict[str, Any]:
        """Return open query's flag and all tables; Athena, in another process, reads them here."""
        return await run_in_threadpool(held, self.engine, self._bend)

    async def _issue(self, request: Request) -> dict[str, Any]:
        user = request.query_params.get("user", "")
        try:
            return {"refresh_token": await run_in_threadpool(self.tokens.issue, user)}
        except AuthError as error:
            raise ControlRefusedError(404, f"The user `{user}` cannot sign in: {error}") from error

    async def _mailbox(self, request: Request) -> list[dict[str, Any]]:
        return await run_in_threadpool(letters, self.engine, request.query_params.get("user", ""))

    def _context(self, request: Request, caller: Caller | None) -> Context:
        headers: dict[str, Any] = dict(request.headers)
        return Context(
            caller=caller,
            headers=headers,
            engine=self.engine,
            registry=self.registry,
            locks=self.locks,
            index=self.index,
            objects=self.objects,
            browsing=self.browsing,
            is_introspectable=self.faults.is_on("introspection"),
            is_unsubscribed=self.faults.is_on("subscription-ended"),
            indexed_now=(self.faults.get("indexing") or {}).get("bucket", ""),
            ends=time.monotonic() + float((self.faults.get("time-limit") or {}).get("seconds", limits.MAX_SECONDS)),
            refusals=Refusals(self.faults, request.state.user, request.state.operation),
        )


def _keys(name: str, rights: Rights, life_s: float) -> dict[str, Any]:
    try:
        return rest.credentials(name, rights, life_s)
    except rest.NoKeysError as error:
        raise RefusedError(403, str(error)) from error


async def _body(request: Request) -> bytes:
    """Return the request's body; raise RefusedError (413) above MAX_BODY."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limits.MAX_BODY:
            raise RefusedError(413, f"The body has more than {limits.MAX_BODY} bytes. Send less.")
        parts.append(part)
    return b"".join(parts)
