"""A query speaks of one moment: it reads a package's `latest` once, and the next query reads it anew."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from typing import Any

from testbed.catalog.registry import Registry
from testbed.catalog.registry import one_look


def moment(second: int) -> datetime:
    """Give a time."""
    return datetime.fromtimestamp(second, UTC)


class Counting:
    """An S3 whose `latest` is another revision at each look."""

    def __init__(self) -> None:
        self.looks = 0

    def get_object(self, **_asked: Any) -> Any:
        """Give the next revision."""
        self.looks += 1
        return {"Body": self, "LastModified": moment(self.looks)}

    def read(self) -> bytes:
        """Give a hash that tells the looks apart."""
        return f"hash {self.looks}\n".encode()


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
