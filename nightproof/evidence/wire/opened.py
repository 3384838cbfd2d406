"""The exchanges that recorders have begun and that no answer has ended yet, and which of them a connection carries."""

from __future__ import annotations

import itertools
from collections import deque
from contextvars import ContextVar
from typing import Any
from typing import Final
from typing import Protocol

MOST_OPEN: Final = 1000  # of those that are never ended, such as a request whose answer nobody reads


class Carrier(Protocol):
    """A connection; `asked_at` orders what was sent over it last."""

    asked_at: int


class Opened(Protocol):
    """What a recorder has begun."""

    link: Any  # the carrier, or None
    asked_at: int

    def fits(self, target: str) -> bool:
        """Return whether a request line with this target may be that of this exchange."""

    def take(self) -> bool:
        """Claim the exchange; return whether it was still free."""


OPEN: Final[deque[Opened]] = deque(maxlen=MOST_OPEN)
OUTER: Final[ContextVar[Opened | None]] = ContextVar("nightproof_exchange", default=None)
LATEST: Final[ContextVar[Opened | None]] = ContextVar("nightproof_latest_exchange", default=None)
TICKS: Final = itertools.count(1)  # orders what happens on all connections


def claim(link: Carrier, target: str) -> bool:
    """Assign a request that is about to be sent to its exchange; return whether there is one.

    Several exchanges may have the same target; the one that this thread or task began comes first. A request that a
    full socket refused is sent again over the same connection, and stays the same exchange.
    """
    found = OUTER.get()
    if found is None:
        latest = LATEST.get()
        nearest = sorted(OPEN.copy(), key=lambda one: (one.link is not link, one is not latest))
        # `fits` parses two URLs, so it is asked only until the first that can be had.
        found = next((one for one in nearest if one.fits(target) and (one.link is link or one.take())), None)
    else:
        found.take()
    if found is not None:
        found.link, found.asked_at = link, link.asked_at
    return found is not None
