"""Waiting with a deadline: the one place where this project sleeps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from typing import Final
from typing import TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

POLL_S: Final = 0.05

T = TypeVar("T")


def await_value(probe: Callable[[], T | None], deadline_s: float, poll_s: float = POLL_S) -> T:
    """Call a probe until it returns a true value, and return that; raise TimeoutError at the deadline.

    The probe's own errors pass through.
    """
    end = time.monotonic() + deadline_s
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() >= end:
            raise TimeoutError(f"Nothing came within {deadline_s:g} s.")
        time.sleep(poll_s)
