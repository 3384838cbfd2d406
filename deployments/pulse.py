"""Health checks of the Prefect server, without Prefect: importing it would itself call the server."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import httpx

SILENT_S: Final = 60.0  # with one round and one delivery the alert arrives within 120 s
CALL_S: Final = 10.0  # a busy machine is not a dead one


@dataclass(frozen=True, slots=True)
class Trouble:
    """A sentence for an alert; its key stays the same while the trouble lasts."""

    key: str
    sentence: str


class Pulse:
    """Requests the server's health and remembers since when it has been silent."""

    def __init__(self, api: str, silent_s: float = SILENT_S) -> None:
        self._url = f"{api}/health"
        # One client for all rounds: building one costs more than the request. Each check must connect anew.
        self._client = httpx.Client(timeout=CALL_S, limits=httpx.Limits(max_keepalive_connections=0))
        self._silent_s = silent_s
        self._since = 0.0
        self.is_there = True

    def check(self) -> Trouble | None:
        """Request the health once (10 s at most); return a trouble once the silence reaches the limit, else None."""
        try:
            self.is_there = self._client.get(self._url).status_code == httpx.codes.OK
        except httpx.HTTPError:
            self.is_there = False
        if self.is_there:
            self._since = 0.0
            return None
        self._since = self._since or time.monotonic()
        lasted_s = time.monotonic() - self._since
        if lasted_s < self._silent_s:
            return None
        sentence = (
            f"The Prefect server at {self._url} has not answered for {lasted_s:.0f} s; nights do not start or end."
        )
        return Trouble(f"server-silent-{self._since:.0f}", sentence)
