"""A query reads a package's `latest` once, so its response describes one moment. The next query reads it anew."""

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
    """Return the UTC time of a second."""
    return datetime.fromtimestamp(second, UTC)


class Counting:
    """An S3 client whose `latest` is another revision at each read."""

    def __init__(self) -> None:
        self.looks = itertools.count(1)

    def get_object(self, **_asked: Any) -> Any:
        """Return the next revision, with the number of the read as hash and time."""
        look = next(self.looks)
        return {"Body": io.BytesIO(f"hash {look}\n".encode()), "LastModified": moment(look)}


def test_a_query_sees_one_revision() -> None:
    """One query returns hash and time of one revision, whatever is written meanwhile. The next query sees the next."""
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
    """Pointers that are read ahead by concurrent threads belong to the same query and are not read again."""
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
