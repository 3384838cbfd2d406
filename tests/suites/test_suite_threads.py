"""Calls of a test that begin at once: all run side by side, the first error is raised, and none hangs for ever."""

from __future__ import annotations

import threading
from functools import partial

import pytest

from suites._support.threads import together


def test_all_run_at_the_same_time_and_answer_in_order() -> None:
    """Each call meets all the others, which it could not one after the other."""
    meeting = threading.Barrier(4, timeout=5)

    def meet(number: int) -> int:
        meeting.wait()
        return number

    assert together([partial(meet, number) for number in range(4)]) == [0, 1, 2, 3]


def test_an_error_is_raised() -> None:
    """What a call raises reaches the test as it is."""
    with pytest.raises(ZeroDivisionError):
        together([lambda: 1, lambda: 1 // 0])


def test_a_call_that_hangs_ends_the_wait() -> None:
    """A deadlock is an error within the bound."""
    never = threading.Event()
    with pytest.raises(TimeoutError):
        together([never.wait, never.is_set], deadline_s=0.2)
    never.set()
