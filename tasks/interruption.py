"""Signals and cancellations, distinguished from faults; a second Ctrl-C must not cut the cleanup short."""

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
    """Return the signal or cancel that ended the night, or None if it was a fault."""
    if isinstance(error, KeyboardInterrupt):
        return "SIGINT"
    if isinstance(error, TerminationSignal | SystemExit):
        return "cancelled" if control_listener.get_intent() == "cancel" else "SIGTERM"
    return None


@contextmanager
def unhurried() -> Iterator[None]:
    """Ignore SIGINT while the block runs; only the main thread receives signals, so elsewhere nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
