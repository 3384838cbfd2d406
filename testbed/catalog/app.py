"""The catalog's ASGI app: routes, and around each request its token, its faults and its line in the call log."""

from __future__ import annotations

import time
import traceback
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
from testbed.catalog import rest
from testbed.catalog.auth import AuthError
from testbed.catalog.auth import Caller
from testbed.catalog.auth import ForbiddenError
from testbed.catalog.browsing import GoneError
from testbed.catalog.resolvers import Context
from testbed.faults.control import control_routes

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from collections.abc import Callable

    from sqlalchemy.engine import Engine
    from starlette.requests import Request

    from testbed.catalog.auth import Tokens
    from testbed.catalog.browsing import Browsing
    from testbed.catalog.registry import Registry
    from testbed.catalog.search import SearchIndex
    from testbed.faults.control import CallLog
    from testbed.faults.control import Faults

KNOBS: Final = {
    "latency": "delays {operation, seconds}; operation: *, read, search, construct, a field or an operation name",
    "error": "answers an operation with an error status: {operation, status}",
    "revoke-token": "access tokens that no longer count: {token} or {tokens}",
    "index-lag": "how much later a package becomes searchable: {seconds}",
}


class Catalog:
    """Everything the routes need, and the routes."""

    def __init__(
        self,
        *,
        url: str,
        aws_url: str,
        engine: Engine,
        tokens: Tokens,
        registry: Registry,
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
        self.index = index
        self.browsing = browsing
        self.calls = calls
        self.faults = faults

    def app(self, control_token: str) -> Starlette:
        """Build the app."""
        routes = [
            Route("/config.json", self._logged("config.json", self._config)),
            Route("/registry/api/token", self._logged("token", self._token), methods=["POST"]),
            Route("/registry/api/auth/get_credentials", self._logged("get_credentials", self._credentials)),
            Route("/registry/api/search", self._logged("search", self._search)),
            Route("/registry/graphql", self._logged("graphql", self._graphql), methods=["POST"]),
            Route("/browse/{session}/{path:path}", self._logged("browse", self._browse)),
            *control_routes(control_token, self.calls, self.faults),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _refused})

    def _logged(
        self, name: str, answer: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Answer with the status rules of the wire, and note the request before its answer leaves."""

        async def route(request: Request) -> Response:
            started = time.time()
            request.state.operation, request.state.labels, request.state.user = name, frozenset({"*", name}), ""
            try:
                response = await answer(request)
            except AuthError as error:
                expires = {"expires_at": error.expires_at} if error.expires_at else {}
                response = JSONResponse({"message": str(error), "code": error.code} | expires, 401)
            except ForbiddenError as error:
                listed = [{"message": str(error), "path": [name], "extensions": error.extensions}]
                response = JSONResponse({"message": str(error), "errors": listed}, 403)
            except GoneError as error:
                response = JSONResponse({"message": str(error)}, 410)
            except ValueError as error:
                response = JSONResponse({"message": f"The request cannot be read: {error}"}, 400)
            except Exception:  # noqa: BLE001 - whatever a route meets, the client gets its `message` and the log its line
                traceback.print_exc()
                response = JSONResponse({"message": "Internal Server Error"}, 500)
            test = request.headers.get("x-test-id", "")
            self.calls.add(test, request.state.operation, response.status_code, request.state.user, started)
            response.headers["X-Nightproof-Server-Ms"] = f"{(time.time() - started) * 1000:.1f}"
            return response

        return route

    async def _faulty(self, request: Request) -> Response | None:
        """Apply the latency and error knobs that name this request."""
        latency, error = self.faults.get("latency"), self.faults.get("error")
        if latency and latency.get("operation", "*") in request.state.labels:
            await anyio.sleep(float(latency["seconds"]))
        if error and error.get("operation", "*") in request.state.labels:
            status = int(error.get("status", 500))
            retry = {"Retry-After": "1"} if status == 503 else {}  # noqa: PLR2004 - the overload status
            return JSONResponse({"message": "Injected by the control surface."}, status, retry)
        return None

    async def _caller(self, request: Request, *, required: bool = True) -> Caller | None:
        caller = await run_in_threadpool(self.tokens.caller, request.headers.get("authorization", ""))
        if caller is None and required:
            raise AuthError("token_missing", "The request carries no token. Sign in first.")
        request.state.user = caller.name if caller else ""
        return caller

    async def _signed_in(self, request: Request) -> Caller:
        caller = await self._caller(request)
        if caller is None:
            raise AuthError("token_missing", "The request carries no token. Sign in first.")
        return caller

    async def _config(self, request: Request) -> Response:
        return await self._faulty(request) or JSONResponse(rest.configuration(self.url, self.aws_url))

    async def _token(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        given = form.get("refresh_token", [""])[0]
        return await self._faulty(request) or JSONResponse(await run_in_threadpool(self.tokens.exchange, given))

    async def _credentials(self, request: Request) -> Response:
        caller = await self._signed_in(request)
        return await self._faulty(request) or JSONResponse(await run_in_threadpool(rest.credentials, caller))

    async def _search(self, request: Request) -> Response:
        caller = await self._signed_in(request)
        if injected := await self._faulty(request):
            return injected
        return await run_in_threadpool(rest.search, caller, self.index, dict(request.query_params))

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
        body = await request.body()
        if len(body) > graphql_route.MAX_BODY:
            return JSONResponse(
                {"message": f"The body has {len(body)} bytes, {graphql_route.MAX_BODY} are allowed."}, 413
            )
        asked = graphql_route.Asked(body)
        request.state.operation = asked.operation
        request.state.labels = asked.labels()
        caller = await self._caller(request, required=not asked.asks_only_me)
        if injected := await self._faulty(request):
            return injected
        return await run_in_threadpool(graphql_route.answer, asked, self._context(request, caller))

    def _context(self, request: Request, caller: Caller | None) -> Context:
        headers: dict[str, Any] = dict(request.headers)
        return Context(caller, headers, self.engine, self.registry, self.index, self.browsing)


async def _refused(_request: Request, error: Exception) -> Response:
    """Answer an unknown path or method in the shape that clients read."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return JSONResponse({"message": str(getattr(error, "detail", error))}, status)
