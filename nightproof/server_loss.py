"""Whether the server that this process reports its run to is gone: noted by who watches, read by who ends the night."""

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
AGAIN_S: Final = 3.0  # a client that still tries to reach the server sleeps between its attempts: it is woken up
_LOSSES: Final[list[str]] = []
_IS_CONCLUDED: Final = threading.Event()


def server_loss() -> str:
    """Return what became of the server as a sentence; empty while it is there."""
    return _LOSSES[-1] if _LOSSES else ""


def note_conclusion() -> None:
    """Note that the night has said all that it has to say: who lost the server needs not be waited for any more."""
    _IS_CONCLUDED.set()


@contextmanager
def ended_with_server(is_gone: Callable[[], bool], sentence: str) -> Iterator[None]:
    """End the night of this process by SIGTERM once its server is gone; once it is concluded, again until it leaves."""
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
