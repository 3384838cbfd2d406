"""The endpoints under `/_nightproof/` of both services: the call log, and switches for faults and defects.

The test id of a request is only logged; no answer depends on it.
"""

from __future__ import annotations

import hmac
import json
import math
import re
import sys
import threading
import time
from collections import deque
from dataclasses import asdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from starlette.responses import JSONResponse
from starlette.responses import Response
from starlette.routing import Route

from testbed.parsing import json_of

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request

PREFIX: Final = "/_nightproof"
KEPT_CALLS: Final = 100_000  # a night makes about 20,000 requests
KEPT_BYTES: Final = 100_000_000  # a larger file is set aside at the next start
FIELDS: Final = 5
MOST_SECONDS: Final = 86_400
CODE: Final = re.compile(r"[A-Za-z0-9._]{1,100}")  # it is also written into XML, unescaped


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST_SECONDS


PARAMETERS: Final[dict[str, Callable[[Any], bool]]] = {
    "operation": _is_text,
    "bucket": _is_text,
    "seconds": _is_seconds,
    "status": lambda value: _is_count(value, 400, 599),
    "code": lambda value: _is_text(value) and CODE.fullmatch(value) is not None,
    "prefix": _is_text,
    "times": lambda value: _is_count(value, 1, sys.maxsize),
    "user": _is_text,
    "token": _is_text,
    "tokens": lambda value: isinstance(value, list) and all(map(_is_text, value)),
}
_SECONDS: Final = frozenset({"seconds"})
REQUIRED: Final = dict.fromkeys(("latency", "key-life", "token-life", "rotation-grace"), _SECONDS)
# The aim of a switch. Switches of one name with different aims coexist, so that one client's faults spare the others.
AIMED: Final = ("user", "token", "operation", "bucket", "prefix")
KEPT: Final = frozenset({"revoke-token"})  # an acknowledged revocation survives a kill of the service


@dataclass(frozen=True, slots=True)
class Call:
    """One answered request; `time` is in epoch seconds, `ms` is its duration."""

    time: float
    test_id: str
    channel: str
    phase: str
    operation: str
    status: int
    user: str
    ms: float


class CallLog:
    """The requests in the order of their answers: the newest in memory, all of them on disk."""

    def __init__(self, path: Path, kept: int = KEPT_CALLS, kept_bytes: int = KEPT_BYTES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file() and path.stat().st_size > kept_bytes:
            path.replace(path.with_suffix(".old.jsonl"))
        self._path = path
        self._kept = kept
        self._calls: deque[Call] = deque()
        self._by_test: dict[str, deque[Call]] = {}
        self._evicted_until = float("-inf")
        self._lock = threading.Lock()

    def add(self, test_id: str, operation: str, status: int, user: str, started: float) -> None:
        """Log one request; call it before the last byte of the answer is sent.

        `started` is from `time.time()`.
        """
        test, channel, phase = _parts(test_id)
        call = Call(started, test_id, channel, phase, operation, status, user, (time.time() - started) * 1000)
        with self._lock:
            self._calls.append(call)
            self._by_test.setdefault(test, deque()).append(call)
            if len(self._calls) > self._kept:
                self._evict()
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(call)) + "\n")

    def _evict(self) -> None:
        """Drop the oldest call from memory; it is also the oldest of its test."""
        oldest = self._calls.popleft()
        self._evicted_until = max(self._evicted_until, oldest.time)
        test = _parts(oldest.test_id)[0]
        self._by_test[test].popleft()
        if not self._by_test[test]:
            del self._by_test[test]

    def of_test(self, test: str) -> list[Call]:
        """Return the calls of `<run_id>:<attempt>:<16 hex>` that are still in memory."""
        with self._lock:
            return list(self._by_test.get(test, ()))

    def since(self, moment: float) -> list[Call]:
        """Return all calls that began at or after a time, from the file if memory no longer holds them all."""
        with self._lock:
            known = self._calls if moment > self._evicted_until else self._on_disk()
            return [call for call in known if call.time >= moment]

    def _on_disk(self) -> Iterator[Call]:
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                yield Call(**json.loads(line))


def _parts(test_id: str) -> tuple[str, str, str]:
    """Return test, channel and phase of a test header; all empty if it is malformed."""
    if test_id.count(":") != FIELDS - 1:
        return "", "", ""
    test, channel, phase = test_id.rsplit(":", 2)
    return test, channel, phase


class Faults:
    """Named switches with parameters; an undeclared name is refused."""

    def __init__(self, knobs: dict[str, str], defects: dict[str, str], kept: Path | None = None) -> None:
        self.knobs = knobs
        self.defects = defects
        self._kept = kept
        is_there = kept is not None and kept.is_file()
        self._active: dict[str, list[dict[str, Any]]] = json.loads(kept.read_text("utf-8")) if kept and is_there else {}

    def get(self, name: str) -> dict[str, Any] | None:
        """Return the parameters of the newest active switch of a name, or None."""
        return next(iter(self.each(name)), None)

    def each(self, name: str) -> list[dict[str, Any]]:
        """Return the parameters of every active switch of a name, newest first."""
        return self._active.get(name, [])

    def is_on(self, name: str) -> bool:
        """Return whether any switch of a name is active."""
        return name in self._active

    def of(self, name: str, user: str) -> dict[str, Any] | None:
        """Return the parameters of the newest active switch of a name for this user, or None."""
        return next(iter(self.all_of(name, user)), None)

    def all_of(self, name: str, user: str) -> list[dict[str, Any]]:
        """Return every active switch of a name for this user: those that name the user, or no user."""
        return [found for found in self.each(name) if found.get("user", user) == user]

    @staticmethod
    def spend(found: dict[str, Any]) -> bool:
        """Use a switch once; return whether any of its `times` was left.

        A switch without `times` never runs out.
        """
        left = int(found.get("times", 1))
        if "times" in found:
            found["times"] = left - 1
        return left > 0

    def set(self, name: str, parameters: dict[str, Any]) -> None:
        """Turn a switch on; it replaces one with the same aim."""
        others = [found for found in self.each(name) if _aim(found) != _aim(parameters)]
        self._active[name] = [parameters, *others]
        self._keep(name)

    def reset(self, name: str, parameters: dict[str, Any] | None = None) -> None:
        """Turn off the switch with the aim of these parameters, or all of this name without parameters.

        A switch that is off already is no error.
        """
        left = [found for found in self.each(name) if parameters and _aim(found) != _aim(parameters)]
        self._active.pop(name, None)
        if left:
            self._active[name] = left
        self._keep(name)

    def _keep(self, name: str) -> None:
        if self._kept and name in KEPT:
            fresh = self._kept.with_suffix(".new")
            fresh.write_text(json.dumps({n: p for n, p in self._active.items() if n in KEPT}), encoding="utf-8")
            fresh.replace(self._kept)

    def active(self) -> dict[str, list[dict[str, Any]]]:
        """Return the active switches: parameters by name."""
        return dict(self._active)

    def active_defects(self) -> list[str]:
        """Return the names of the active defects, sorted."""
        return sorted(self._active.keys() & self.defects.keys())

    def known(self) -> dict[str, str]:
        """Return all switches, with a sentence each."""
        return self.knobs | self.defects


def _aim(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: parameters[name] for name in AIMED if name in parameters}


class RefusedError(Exception):
    """A control request that cannot be served; the message is one sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _parameters(name: str, body: bytes) -> dict[str, Any]:
    """Return the parameters of a switch.

    Raise RefusedError for an unknown or invalid one: a misspelt parameter must not leave a proof without its fault.
    """
    try:
        given = json_of(body or b"{}")
    except ValueError as error:
        raise RefusedError(400, f"The parameters of `{name}` are not JSON: {error}") from error
    if not isinstance(given, dict):
        raise RefusedError(400, f"The parameters of `{name}` are not a JSON object.")
    for parameter, value in given.items():
        is_right = PARAMETERS.get(parameter)
        if is_right is None:
            raise RefusedError(400, f"The parameter `{parameter}` of `{name}` is none of {', '.join(PARAMETERS)}.")
        if not is_right(value):
            raise RefusedError(400, f"The parameter `{parameter}` of `{name}` cannot be {str(value)[:80]!r}.")
    if missing := sorted(REQUIRED.get(name, frozenset()) - given.keys()):
        raise RefusedError(400, f"The switch `{name}` needs the parameter `{missing[0]}`.")
    return given


def _moment(text: str) -> float:
    try:
        moment = float(text)
    except ValueError:
        moment = math.nan
    if not math.isfinite(moment):
        raise RefusedError(400, f"The time `{text}` of `since` is not a number of seconds.")
    return moment


def is_token(header: str, token: str) -> bool:
    """Return whether an Authorization header has the token; the comparison takes constant time."""
    return hmac.compare_digest(header.encode(), f"Bearer {token}".encode())


class Control:
    """The endpoints of the control surface."""

    def __init__(self, token: str, calls: CallLog, faults: Faults) -> None:
        self._token = token
        self._calls = calls
        self._faults = faults

    def route(self, path: str, answer: Callable[[Request], Awaitable[Any]], method: str = "GET") -> Route:
        """Return a route that requires the token and answers in JSON."""

        async def guarded(request: Request) -> Response:
            if not is_token(request.headers.get("authorization", ""), self._token):
                return JSONResponse({"message": "The control token is missing or wrong."}, 401)
            try:
                return JSONResponse(await answer(request))
            except RefusedError as error:
                return JSONResponse({"message": str(error)}, error.status)

        return Route(f"{PREFIX}/{path}", guarded, methods=[method])

    async def health(self, _request: Request) -> Any:
        """Answer that the service runs."""
        return {"ok": True}

    async def get_calls(self, request: Request) -> Any:
        """Return the calls of one test, or all calls since a time."""
        query = request.query_params
        if "test" in query:
            return [asdict(call) for call in self._calls.of_test(query["test"])]
        return [asdict(call) for call in self._calls.since(_moment(query.get("since", "0")))]

    async def get_defects(self, _request: Request) -> Any:
        """Return the names of the active defects."""
        return self._faults.active_defects()

    async def get_faults(self, _request: Request) -> Any:
        """Return the active switches and all known ones."""
        return {"active": self._faults.active(), "known": self._faults.known()}

    async def put_fault(self, request: Request) -> Any:
        """Turn a switch on."""
        name = self._known(request)
        self._faults.set(name, _parameters(name, await request.body()))
        return {"active": self._faults.active()}

    async def delete_fault(self, request: Request) -> Any:
        """Turn off the switch with the aim of the parameters; without parameters, all of this name."""
        name, body = self._known(request), await request.body()
        self._faults.reset(name, _parameters(name, body) if body else None)
        return {"active": self._faults.active()}

    def _known(self, request: Request) -> str:
        name = str(request.path_params["name"])
        if name not in self._faults.known():
            raise RefusedError(
                404, f"No fault or defect is called `{name}`: GET {PREFIX}/faults names those there are."
            )
        return name


def control_routes(token: str, calls: CallLog, faults: Faults) -> list[Route]:
    """Return the routes of the control surface; each requires the token."""
    control = Control(token, calls, faults)
    return [
        control.route("health", control.health),
        control.route("calls", control.get_calls),
        control.route("defects", control.get_defects),
        control.route("faults", control.get_faults),
        control.route("faults/{name}", control.put_fault, "PUT"),
        control.route("faults/{name}", control.delete_fault, "DELETE"),
    ]
