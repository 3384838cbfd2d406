"""An exchange of values between two concurrent requests, for defects of concurrency."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any
from typing import Final

MOMENT_S: Final = 1.0  # long enough for two concurrent requests to meet, even on a busy machine


@dataclass(slots=True)
class _Waiting:
    """A caller that waits to be paired, and its value."""

    holds: Any
    is_met: bool = False


class Crossing:
    """Exchanges the values of two threads that call `swap` with the same kind within a moment."""

    def __init__(self, moment_s: float = MOMENT_S) -> None:
        self._moment_s = moment_s
        self._turn = threading.Condition()
        self._waiting: dict[str, _Waiting] = {}

    def swap(self, kind: str, mine: Any) -> Any:
        """Return the partner's value, or `mine` if none came within `moment_s` seconds."""
        with self._turn:
            partner = self._waiting.pop(kind, None)
            if partner is not None:
                partner.holds, mine, partner.is_met = mine, partner.holds, True
                self._turn.notify_all()
                return mine
            me = self._waiting[kind] = _Waiting(mine)
            if not self._turn.wait_for(lambda: me.is_met, self._moment_s):
                del self._waiting[kind]
            return me.holds
