"""What two requests in flight at the same time mix up, for defects of concurrency."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any
from typing import Final

MOMENT_S: Final = 1.0  # long enough to meet, on a busy machine too, whoever started with us


@dataclass(slots=True)
class _Waiting:
    """One who waits for a partner, and what is in his hands."""

    holds: Any
    is_met: bool = False


class Crossing:
    """Exchanges what two callers of one kind bring within a moment; who stays alone keeps his own. For threads."""

    def __init__(self, moment_s: float = MOMENT_S) -> None:
        self._moment_s = moment_s
        self._turn = threading.Condition()
        self._waiting: dict[str, _Waiting] = {}

    def swap(self, kind: str, mine: Any) -> Any:
        """Give what the partner brought, or one's own when none came."""
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
