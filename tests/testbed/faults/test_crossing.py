"""Two concurrent callers of one kind exchange their values. A caller without a partner keeps its own."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from testbed.faults.crossing import Crossing


def test_two_of_a_kind_exchange_and_others_do_not() -> None:
    """Two concurrent callers of one kind each get the other's value."""
    crossing = Crossing(moment_s=5)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda mine: crossing.swap("read", mine), ["first", "second"])
    assert (first, second) == ("second", "first")


def test_who_stays_alone_keeps_his_own() -> None:
    """A caller without a partner gets its own value back after the wait, and does not meet a later caller."""
    crossing = Crossing(moment_s=0.01)
    began = time.monotonic()
    assert crossing.swap("read", "mine") == "mine"
    assert time.monotonic() - began < 1
    assert crossing.swap("read", "later") == "later"


def test_kinds_do_not_meet() -> None:
    """Callers of different kinds do not exchange values."""
    crossing = Crossing(moment_s=0.05)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(crossing.swap, ["read", "write"], ["first", "second"]))
    assert found == ["first", "second"]
