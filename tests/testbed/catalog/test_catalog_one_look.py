"""A query speaks of one moment: it reads a package's `latest` once, and the next query reads it anew."""

from __future__ import annotations

import io
import itertools
import threading
from datetime import UTC
from datetime import datetime
from typing import Any

from testbed.catalog.registry import Registry
from testbed.catalog.registry import one_look


def moment(second: int) -> datetime:
    """Give a time."""
    return datetime.fromtimestamp(second, UTC)


class Counting:
    """An S3 whose `latest` is another revision at each look, with a hash that tells the looks apart."""

    def __init__(self) -> None:
        self.looks = itertools.count(1)

    def get_object(self, **_asked: Any) -> Any:
        """Give the next revision."""
        look = next(self.looks)
        return {"Body": io.BytesIO(f"hash {look}\n".encode()), "LastModified": moment(look)}


def test_a_query_sees_one_revision() -> None:
    """Whatever is written meanwhile, one query gives the hash and the time of one revision; the next sees the next."""
    storage: Any = Counting()
    registry = Registry(storage, None)  # type: ignore[arg-type]  # no defect bends a pointer
    with one_look():
        assert registry.latest("b", "a/b") == registry.latest("b", "a/b") == ("hash 1", moment(1))
        assert registry.latest("b", "c/d") == ("hash 2", moment(2))
    with one_look():
        assert registry.latest("b", "a/b") == ("hash 3", moment(3))
    assert registry.latest("b", "a/b") != registry.latest("b", "a/b")
    registry.pool.shutdown()


def test_what_is_read_ahead_is_of_the_same_look() -> None:
    """Items are read at once, each by a thread of its own, and what they read is known to the query."""
    storage: Any = Counting()
    registry = Registry(storage, None)  # type: ignore[arg-type]  # no defect bends a pointer
    names, all_at_once = ["a/b", "c/d", "e/f"], threading.Barrier(3)

    def read(name: str) -> None:
        all_at_once.wait(timeout=30)
        registry.latest("b", name)

    with one_look():
        registry.side_by_side(read, names)
        assert {registry.latest("b", name) for name in names} == {(f"hash {n}", moment(n)) for n in (1, 2, 3)}
        assert next(storage.looks) == len(names) + 1
    registry.pool.shutdown()
