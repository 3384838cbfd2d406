"""Filters on search results, and statistics of the results."""

from __future__ import annotations

import json
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from testbed.catalog import query_language
from testbed.catalog import terms
from testbed.catalog.errors import InputError
from testbed.catalog.paging import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.catalog.paging import Row

    Read = Callable[[Row], Any]

EXTENTS: Final = ("modified", "size", "entries")
OBJECT: Final[dict[str, Callable[[Row], Any]]] = {
    "modified": lambda row: row["modified"],
    "size": lambda row: row["document"].source["size"],
    "ext": lambda row: row["document"].source["ext"],
    "key": lambda row: row["document"].source["key"],
}


def objects_admitted(rows: list[Row], wanted: dict[str, Any] | None) -> list[Row]:
    """Return the objects that meet every predicate of a filter.

    Raise InputError for a predicate that cannot be answered, such as one on contents, which are not indexed.
    """
    asked = {field: predicate for field, predicate in (wanted or {}).items() if predicate}
    if "content" in asked:
        raise InputError("filter.content", "NotIndexed", "The contents of objects are not indexed here.")
    if (deleted := asked.pop("deleted", None)) and not deleted["false"]:
        return []  # deleted objects are not indexed
    tests = [_TESTS[field](OBJECT[field], predicate) for field, predicate in asked.items() if field in OBJECT]
    return [row for row in rows if all(test(row) for test in tests)]


def object_stats(rows: list[Row]) -> dict[str, Any]:
    """Return the extents of time and size, and the extensions, of objects."""
    found: dict[str, Any] = {
        field: {"min": min(values), "max": max(values)}
        for field in ("modified", "size")
        if (values := [OBJECT[field](row) for row in rows])
    }
    return found | {"ext": {"values": sorted({OBJECT["ext"](row) for row in rows})}}


def admitted(rows: list[Row], wanted: dict[str, Any] | None) -> list[Row]:
    """Return the packages that meet every predicate of a filter."""
    asked = {field: predicate for field, predicate in (wanted or {}).items() if predicate}
    tests = [_TESTS[field](PACKAGE[field], predicate) for field, predicate in asked.items() if field in PACKAGE]
    return [row for row in rows if all(test(row) for test in tests)]


def stats(rows: list[Row]) -> dict[str, Any]:
    """Return the extents of time, size and number of entries, and the workflows, of packages."""
    found: dict[str, Any] = {
        field: {"min": min(values), "max": max(values)}
        for field in EXTENTS
        if (values := [SYSTEM[field](row) for row in rows])
    }
    workflows = {workflow["id"] for row in rows if (workflow := json.loads(row["workflow"])) and workflow.get("id")}
    return found | {"workflow": {"values": sorted(workflows)}}


def _number(read: Read, bounds: dict[str, Any]) -> Callable[[Row], bool]:
    return _within(bounds, lambda row: float(read(row)), float)


def _moment(read: Read, bounds: dict[str, Any]) -> Callable[[Row], bool]:
    return _within(bounds, lambda row: datetime.fromisoformat(read(row)), _instant)


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError("filter.modified", "InvalidDatetime", f"`{text}` is no time such as 2024-02-20.") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _within(bounds: dict[str, Any], value: Callable[[Row], Any], read: Callable[[Any], Any]) -> Callable[[Row], bool]:
    low, high = bounds.get("gte"), bounds.get("lte")
    return lambda row: bool((low is None or value(row) >= read(low)) and (high is None or value(row) <= read(high)))


def _keyword(read: Read, asked: dict[str, Any]) -> Callable[[Row], bool]:
    names, wildcard = asked.get("terms"), asked.get("wildcard")
    pattern = terms.whole(wildcard) if wildcard is not None else None

    def test(row: Row) -> bool:
        value = str(read(row))
        return (names is None or value in names) and (pattern is None or bool(pattern.match(value)))

    return test


def _text(read: Read, asked: dict[str, Any]) -> Callable[[Row], bool]:
    query = query_language.parse(asked["queryString"])
    return lambda row: query.matches(str(read(row) or ""))


PACKAGE: Final[dict[str, Callable[[Row], Any]]] = SYSTEM | {"comment": lambda row: row["comment"]}
_TESTS: Final[dict[str, Callable[[Read, dict[str, Any]], Callable[[Row], bool]]]] = {
    "modified": _moment,
    "size": _number,
    "entries": _number,
    "name": _keyword,
    "hash": _keyword,
    "workflow": _keyword,
    "comment": _text,
    "ext": _keyword,
    "key": _keyword,
}
