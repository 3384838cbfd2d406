"""The testbed's control interface: call logs of the servers, and faults that a test switches on and off."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import requests

from nightproof.evidence import channel
from nightproof.evidence import unobserved
from nightproof.evidence.state import RECORDING
from suites._support.exclusive import alone

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_S: Final = 10
AWS: Final = "aws"
CATALOG: Final = "catalog"
AIMS: Final = ("user", "prefix")  # parameters that limit a fault to some requests
OWN: Final = "np-"  # part of every name that a test makes


class Control:
    """Client of `/_nightproof/` on every embedded service, on the control channel."""

    def __init__(self) -> None:
        pairs = os.environ.get("NIGHTPROOF_CONTROL_URLS", "").split()
        self.urls: dict[str, str] = dict(pair.split("=", 1) for pair in pairs)
        self._headers = {"Authorization": f"Bearer {os.environ.get('NIGHTPROOF_CONTROL_TOKEN', '')}"}

    def request(self, method: str, service: str, path: str, **more: Any) -> Any:
        """Send one control request and return its JSON body, or None if it is empty; raise on an error status."""
        url = f"{self.urls[service]}/_nightproof/{path}"
        with channel("control"):
            answer = requests.request(method, url, headers=self._headers, timeout=TIMEOUT_S, **more)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def refresh_token(self, user: str) -> str:
        """Return a refresh token that the catalog issues to a user, as after a sign-in with a password."""
        return str(self.request("POST", CATALOG, "refresh-token", params={"user": user})["refresh_token"])


@dataclass(frozen=True)
class Call:
    """One request that a service answered."""

    service: str
    operation: str
    status: int
    user: str | None
    ms: float = 0.0
    began: float = 0.0
    """When the service began with it, in epoch seconds of the service's clock."""


def _call(service: str, line: dict[str, Any]) -> Call:
    return Call(
        service, line["operation"], int(line["status"]), line.get("user"), float(line["ms"]), float(line["time"])
    )


class CallLog:
    """The services' logs of the requests that the running test sent on the subject channel."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def calls(self, service: str | None = None, *, phase: str = "call") -> list[Call]:
        """Return the subject requests of one phase, in order of time; raise RuntimeError outside a test."""
        if RECORDING.test is None:
            raise RuntimeError("No test runs: read the call log inside a test.")
        found: list[tuple[float, Call]] = []
        for name in [service] if service else sorted(self._control.urls):
            lines = self._control.request("GET", name, "calls", params={"test": RECORDING.test.prefix})
            found += [
                (float(line["time"]), _call(name, line))
                for line in lines
                if line["channel"] == "subject" and line["phase"] == phase
            ]
        return [call for _, call in sorted(found, key=lambda pair: pair[0])]


class Faults:
    """Sets faults and remembers them, so that every one is reset."""

    def __init__(self, control: Control, placement: Path) -> None:
        self._control = control
        self._placement = placement
        self._held = contextlib.ExitStack()
        self._is_alone = False
        self._active: list[tuple[str, str, dict[str, Any]]] = []

    def set(self, service: str, name: str, **parameters: Any) -> None:
        """Switch a fault on until the test ends.

        A fault affects other cells unless its parameters hold a token or one of the test's own names. Its end would
        also remove another cell's fault with the same parameters. Such a fault is therefore set only under a lock of
        the whole target.
        """
        if not self._active:
            self._held.enter_context(unobserved("the test broke a service, not the same one for every backend"))
        if not _is_own(parameters) and not self._is_alone:
            self._held.enter_context(alone(self._placement, "faults"))
            self._is_alone = True
        self._active.append((service, name, parameters))
        self._control.request("PUT", service, f"faults/{name}", json=parameters)

    def reset(self) -> None:
        """Switch off every fault of this test and release the lock."""
        while self._active:
            service, name, parameters = self._active.pop()
            self._control.request("DELETE", service, f"faults/{name}", json=parameters)
        self._held.close()
        self._is_alone = False


def _is_own(parameters: dict[str, Any]) -> bool:
    """Return whether a fault affects one test only: by token always, by user or prefix if a test named it."""
    return "token" in parameters or any(OWN in str(parameters.get(aim, "")) for aim in AIMS)
