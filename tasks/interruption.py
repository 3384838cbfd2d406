"""Tell a signal or a cancel from a fault, and keep a second one from cutting the cleanup short."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prefect._internal import control_listener  # the only place where a cancel differs from a plain SIGTERM
from prefect.exceptions import TerminationSignal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nightproof.night import Interruption


def interruption(error: BaseException) -> Interruption | None:
    """Name what ended the night; None when it was a fault and not a signal."""
    if isinstance(error, KeyboardInterrupt):
        return "SIGINT"
    if isinstance(error, TerminationSignal | SystemExit):
        return "cancelled" if control_listener.get_intent() == "cancel" else "SIGTERM"
    return None


@contextmanager
def unhurried() -> Iterator[None]:
    """Ignore further Ctrl-C while the block cleans up; elsewhere than in the main thread there is none to ignore."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
