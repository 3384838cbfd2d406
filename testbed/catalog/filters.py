"""What a search of packages is narrowed to, and the extents of what it found."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from testbed.catalog import terms
from testbed.catalog.paging import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.catalog.paging import Row

EXTENTS: Final = ("modified", "size", "entries")


def admitted(rows: list[Row], wanted: dict[str, Any] | None) -> list[Row]:
    """Give the packages that meet every predicate of a filter."""
    tests = [
        _TESTS[field](field, predicate) for field, predicate in (wanted or {}).items() if predicate and field in _TESTS
    ]
    return [row for row in rows if all(test(row) for test in tests)]


def stats(rows: list[Row]) -> dict[str, Any]:
    """Give the extents of time, size and number of entries, and the workflows, of what was found."""
    found: dict[str, Any] = {
        field: {"min": min(values), "max": max(values)}
        for field in EXTENTS
        if (values := [SYSTEM[field](row) for row in rows])
    }
    workflows = {workflow["id"] for row in rows if (workflow := json.loads(row["workflow"])) and workflow.get("id")}
    return found | {"workflow": {"values": sorted(workflows)}}


def _number(field: str, bounds: dict[str, Any]) -> Callable[[Row], bool]:
    return _within(bounds, lambda row: float(SYSTEM[field](row)), float)


def _moment(field: str, bounds: dict[str, Any]) -> Callable[[Row], bool]:
    return _within(bounds, lambda row: datetime.fromisoformat(SYSTEM[field](row)), datetime.fromisoformat)


def _within(bounds: dict[str, Any], value: Callable[[Row], Any], read: Callable[[Any], Any]) -> Callable[[Row], bool]:
    low, high = bounds.get("gte"), bounds.get("lte")
    return lambda row: bool((low is None or value(row) >= read(low)) and (high is None or value(row) <= read(high)))


def _keyword(field: str, asked: dict[str, Any]) -> Callable[[Row], bool]:
    names, wildcard = asked.get("terms"), asked.get("wildcard")
    pattern = terms.whole(wildcard) if wildcard is not None else None

    def test(row: Row) -> bool:
        value = str(SYSTEM[field](row))
        return (names is None or value in names) and (pattern is None or bool(pattern.match(value)))

    return test


def _text(field: str, asked: dict[str, Any]) -> Callable[[Row], bool]:
    query = terms.parse(asked["queryString"])
    return lambda row: query.matches(str(row[field] or ""))


_TESTS: Final[dict[str, Callable[[str, dict[str, Any]], Callable[[Row], bool]]]] = {
    "modified": _moment,
    "size": _number,
    "entries": _number,
    "name": _keyword,
    "hash": _keyword,
    "workflow": _keyword,
    "comment": _text,
}
