"""Waits for state that becomes true later: always by polling, always with a deadline."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING
from typing import TypeVar

from nightproof.evidence import polling

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")


def wait_for(what: str, ask: Callable[[], Found | None], *, deadline_s: float, every_s: float = 0.5) -> Found:
    """Poll until the answer is neither None nor False and return it; raise TimeoutError with `what` if too late."""
    end = time.monotonic() + deadline_s
    pause = threading.Event()
    with polling() as again:
        while True:
            again()
            found = ask()
            if found is not None and found is not False:
                return found
            if time.monotonic() >= end:
                raise TimeoutError(f"Waited {deadline_s} s for {what}, and it did not come.")
            pause.wait(every_s)
