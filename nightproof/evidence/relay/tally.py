"""The running test, as its process reports it, and the answers counted for it since the last collection."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from nightproof.evidence.counting import NOBODY
from nightproof.evidence.counting import Asker
from nightproof.evidence.relay.turns import Turns


class Tally:
    """A thread-safe counter of answers by test, phase, channel, protocol and endpoint."""

    def __init__(self) -> None:
        self.asker = NOBODY
        self._lock = threading.Lock()
        self._counts: Counter[tuple[Asker, str, str]] = Counter()

    def count(self, asker: Asker, protocol: str, endpoint: str) -> None:
        """Count one answer."""
        with self._lock:
            self._counts[asker, protocol, endpoint] += 1

    def take(self) -> list[dict[str, Any]]:
        """Return what was counted since the last call."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        return [
            {**asker._asdict(), "protocol": protocol, "endpoint": endpoint, "number": number}
            for (asker, protocol, endpoint), number in counts.items()
        ]


class Meter:
    """The observer of one connection for a tally; `tally` is None if the other end is not declared."""

    def __init__(self, tally: Tally | None, protocol: str, endpoint: str) -> None:
        self._tally = tally
        self._protocol = protocol
        self._endpoint = endpoint
        self._turns = Turns()
        self._asker: Asker | None = None  # of a question that waits for its answer
        self.has_answered = False

    def asks(self, data: bytes) -> None:
        """Note data that is about to be passed on to the endpoint."""
        if self._tally is not None and self._turns.asks(data):
            self._asker = self._tally.asker

    def answers(self, data: bytes) -> None:
        """Count data from the endpoint, if it follows a question."""
        self.has_answered = True
        if self._tally is not None and self._turns.answers(data) and self._asker is not None:
            self._tally.count(self._asker, self._protocol, self._endpoint)
            self._asker = None
