"""The loss of this process's Prefect server: recorded by a watcher thread, read at the end of the night."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

POLL_S: Final = 0.5
AGAIN_S: Final = 3.0  # wakes a client that sleeps between its retries against the dead server
_LOSSES: Final[list[str]] = []
_IS_CONCLUDED: Final = threading.Event()


def server_loss() -> str:
    """Return a sentence about the lost server; empty while it runs."""
    return _LOSSES[-1] if _LOSSES else ""


def note_conclusion() -> None:
    """Record that the night is complete: from now on a lost server ends the process without waiting."""
    _IS_CONCLUDED.set()


@contextmanager
def ended_with_server(is_gone: Callable[[], bool], sentence: str) -> Iterator[None]:
    """Send this process SIGTERM once its server has died; after the conclusion again every 3 s until the block ends."""
    left = threading.Event()
    _LOSSES.clear()
    _IS_CONCLUDED.clear()
    thread = threading.Thread(target=_watch, args=(left, is_gone, sentence), name="server watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()


def _watch(left: threading.Event, is_gone: Callable[[], bool], sentence: str) -> None:
    while not left.wait(POLL_S):
        if is_gone():
            _LOSSES.append(sentence)
            os.kill(os.getpid(), signal.SIGTERM)
            break
    while not left.wait(AGAIN_S):
        if _LOSSES and _IS_CONCLUDED.is_set():
            os.kill(os.getpid(), signal.SIGTERM)
