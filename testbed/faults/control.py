"""What both services offer under `/_nightproof/`: what they were asked, and switches that make them misbehave.

No system decides an answer by the id it logs; the id is written down and nothing else.
"""

from __future__ import annotations

import hmac
import json
import threading
import time
from collections import OrderedDict
from dataclasses import asdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from starlette.responses import JSONResponse
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.requests import Request

PREFIX: Final = "/_nightproof"
KEPT_CALLS: Final = 100_000  # a night asks about 20,000 times; the file keeps everything
FIELDS: Final = 5


@dataclass(frozen=True, slots=True)
class Call:
    """One request a service answered; `time` in epoch seconds, `ms` the time it took."""

    time: float
    test_id: str
    channel: str
    phase: str
    operation: str
    status: int
    user: str
    ms: float


class CallLog:
    """Requests in the order they were answered, in memory by test and on disk for good."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", buffering=1, encoding="utf-8")
        self._calls: OrderedDict[int, Call] = OrderedDict()
        self._by_test: dict[str, list[Call]] = {}
        self._next = 0
        self._lock = threading.Lock()

    def add(self, test_id: str, operation: str, status: int, user: str, started: float) -> None:
        """Note one request; call it before the last byte of the answer leaves. `started` is `time.time()`."""
        parts = test_id.rsplit(":", 2) if test_id.count(":") == FIELDS - 1 else ["", "", ""]
        call = Call(started, test_id, parts[1], parts[2], operation, status, user, (time.time() - started) * 1000)
        with self._lock:
            self._calls[self._next] = call
            self._next += 1
            self._by_test.setdefault(parts[0], []).append(call)
            if len(self._calls) > KEPT_CALLS:
                _, oldest = self._calls.popitem(last=False)
                self._by_test.pop(oldest.test_id.rsplit(":", 2)[0], None)
            self._file.write(json.dumps(asdict(call)) + "\n")

    def of_test(self, test: str) -> list[Call]:
        """Give the calls of `<run_id>:<attempt>:<16 hex>`."""
        with self._lock:
            return list(self._by_test.get(test, ()))

    def since(self, moment: float) -> list[Call]:
        """Give all kept calls that began at or after a time."""
        with self._lock:
            return [call for call in self._calls.values() if call.time >= moment]


class Faults:
    """Named switches with parameters; a name that nobody declared is refused."""

    def __init__(self, knobs: dict[str, str], defects: dict[str, str]) -> None:
        self.knobs = knobs
        self.defects = defects
        self._active: dict[str, dict[str, Any]] = {}

    def get(self, name: str) -> dict[str, Any] | None:
        """Give the parameters of an active switch, or nothing."""
        return self._active.get(name)

    def is_on(self, name: str) -> bool:
        """Say whether a switch is active."""
        return name in self._active

    def set(self, name: str, parameters: dict[str, Any]) -> None:
        """Turn a switch on, replacing its parameters."""
        if name not in self.knobs and name not in self.defects:
            raise KeyError(name)
        self._active[name] = parameters

    def reset(self, name: str) -> None:
        """Turn a switch off; off already is fine."""
        self._active.pop(name, None)

    def active(self) -> dict[str, dict[str, Any]]:
        """Give every active switch with its parameters."""
        return dict(self._active)

    def active_defects(self) -> list[str]:
        """Name the active defects."""
        return sorted(self._active.keys() & self.defects.keys())

    def known(self) -> dict[str, str]:
        """Give every switch with what it does."""
        return self.knobs | self.defects


def control_routes(token: str, calls: CallLog, faults: Faults) -> list[Route]:
    """Give the routes of the control surface; every one asks for the token."""

    def guarded(answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def route(request: Request) -> Response:
            given = request.headers.get("authorization", "")
            if not hmac.compare_digest(given, f"Bearer {token}"):
                return JSONResponse({"message": "The control token is missing or wrong."}, 401)
            return JSONResponse(await answer(request))

        return route

    async def health(_request: Request) -> Any:
        return {"ok": True}

    async def get_calls(request: Request) -> Any:
        query = request.query_params
        found = calls.of_test(query["test"]) if "test" in query else calls.since(float(query.get("since", 0)))
        return [asdict(call) for call in found]

    async def get_defects(_request: Request) -> Any:
        return faults.active_defects()

    async def get_faults(_request: Request) -> Any:
        return {"active": faults.active(), "known": faults.known()}

    async def put_fault(request: Request) -> Any:
        name = request.path_params["name"]
        faults.set(name, json.loads(await request.body() or b"{}"))
        return {"active": faults.active()}

    async def delete_fault(request: Request) -> Any:
        faults.reset(request.path_params["name"])
        return {"active": faults.active()}

    return [
        Route(f"{PREFIX}/health", guarded(health)),
        Route(f"{PREFIX}/calls", guarded(get_calls)),
        Route(f"{PREFIX}/defects", guarded(get_defects)),
        Route(f"{PREFIX}/faults", guarded(get_faults)),
        Route(f"{PREFIX}/faults/{{name}}", guarded(put_fault), methods=["PUT"]),
        Route(f"{PREFIX}/faults/{{name}}", guarded(delete_fault), methods=["DELETE"]),
    ]
