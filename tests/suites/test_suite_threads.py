"""Calls that a test starts at once: they run concurrently, the first error is raised, and a hanging call times out."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from suites._support.threads import together


def test_all_run_at_the_same_time_and_answer_in_order() -> None:
    """All calls run concurrently, and the results come in the order of the calls."""
    meeting = threading.Barrier(4, timeout=5)

    def meet(number: int) -> int:
        meeting.wait()
        return number

    assert together([partial(meet, number) for number in range(4)]) == [0, 1, 2, 3]


def test_an_error_is_raised() -> None:
    """An exception in a call reaches the test unchanged."""
    with pytest.raises(ZeroDivisionError):
        together([lambda: 1, lambda: 1 // 0])


def test_a_call_that_hangs_ends_the_wait() -> None:
    """A call that hangs raises `TimeoutError` at the deadline."""
    never = threading.Event()
    with pytest.raises(TimeoutError):
        together([never.wait, never.is_set], deadline_s=0.2)
    never.set()
