"""Polling with a deadline, as the suites use it."""

from __future__ import annotations

import pytest

from suites._support.waiting import wait_for


def test_waiting_ends_with_the_first_answer() -> None:
    """`wait_for` polls on while it gets None or False, and returns any other value, even zero."""
    answers = iter([None, False, 0])
    assert wait_for("a number", lambda: next(answers), deadline_s=5, every_s=0.001) == 0


def test_waiting_names_what_did_not_come() -> None:
    """At its deadline `wait_for` raises `TimeoutError` with the name of the thing awaited."""
    with pytest.raises(TimeoutError, match=r"Waited 0\.01 s for the index"):
        wait_for("the index", lambda: None, deadline_s=0.01, every_s=0.001)
