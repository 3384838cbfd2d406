"""Whether the Prefect server answers at all; this module imports no Prefect, which would ask the server itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import httpx

SILENT_S: Final = 60.0  # an alert within 120 s has room for a round and a delivery
CALL_S: Final = 10.0  # a busy machine is not a dead one


@dataclass(frozen=True, slots=True)
class Trouble:
    """What somebody should be told; the key stays the same while it lasts."""

    key: str
    sentence: str


class Pulse:
    """Asks the server for its health, and remembers since when it has been silent."""

    def __init__(self, api: str, silent_s: float = SILENT_S) -> None:
        self._url = f"{api}/health"
        # One client for all rounds: making one costs more than the question. A new connection each time is the point.
        self._client = httpx.Client(timeout=CALL_S, limits=httpx.Limits(max_keepalive_connections=0))
        self._silent_s = silent_s
        self._since = 0.0
        self.is_there = True

    def check(self) -> Trouble | None:
        """Ask once, for a few seconds; return a trouble once the silence lasts too long."""
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
