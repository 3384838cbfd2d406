"""Facets of package metadata: its paths by type, the extents of their values, and filters on them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from testbed.catalog import query_language
from testbed.catalog import terms
from testbed.catalog.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from testbed.catalog.paging import Row

LONGEST_KEYWORD: Final = 256
MOST: Final = 100
NOT_SORTABLE: Final = "TEXT"
DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?")
STRINGS: Final = ("KEYWORD", "TEXT", "DATETIME")


def leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield path (a JSON pointer), type and value of every leaf; list items share the list's path."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield from leaves(below, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item, pointer)
    elif value is not None:
        yield pointer, _kind(value), value


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int | float):
        return "NUMBER"
    if _moment(value) is not None:
        return "DATETIME"
    return "KEYWORD" if len(value) <= LONGEST_KEYWORD else "TEXT"


def _moment(value: str) -> datetime | None:
    if not DATE.fullmatch(value):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _leaves_of(row: Row) -> Iterator[tuple[str, str, Any]]:
    return leaves(json.loads(row["meta"]) if row["meta"] else None)


def facets(rows: list[Row], path: str = "", kind: str | None = None) -> list[dict[str, Any]]:
    """Return a facet per path that contains `path`, with type and extents; the exact path comes first."""
    values: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in rows:
        for pointer, found, value in _leaves_of(row):
            if path.lower() in pointer.lower() and kind in {None, found}:
                values[pointer, found].append(value)
    ranked = sorted(values, key=lambda facet: (facet[0] != path, facet))
    return [_facet(pointer, found, values[pointer, found]) for pointer, found in ranked]


def _facet(pointer: str, kind: str, values: list[Any]) -> dict[str, Any]:
    facet: dict[str, Any] = {"__typename": f"{kind.title()}PackageUserMetaFacet", "path": pointer}
    facet["sortable"] = kind != NOT_SORTABLE
    if kind in _ORDERS:
        order = _ORDERS[kind]
        facet["extents"] = {"min": min(values, key=order), "max": max(values, key=order)}
    elif kind == "KEYWORD":
        facet["extents"] = {"values": sorted(set(values))}
    return facet


_ORDERS: Final[dict[str, Callable[[Any], Any]]] = {"NUMBER": float, "DATETIME": _moment}


def admitted(rows: list[Row], wanted: list[dict[str, Any]] | None) -> list[Row]:
    """Return the packages whose metadata meets every predicate."""
    tests = [_test(predicate) for predicate in wanted or ()]
    return [row for row in rows if all(test(row) for test in tests)]


def _test(predicate: dict[str, Any]) -> Callable[[Row], bool]:
    asked = [(kinds, meets(predicate[name])) for name, (kinds, meets) in _PREDICATES.items() if predicate.get(name)]

    def test(row: Row) -> bool:
        found = [(kind, value) for pointer, kind, value in _leaves_of(row) if pointer == predicate["path"]]
        met = (any(kind in kinds and meets(value) for kind, value in found) for kinds, meets in asked)
        return bool(found) and all(met)

    return test


def _within(bounds: dict[str, Any], read: Callable[[Any], Any]) -> Callable[[Any], bool]:
    low, high = bounds.get("gte"), bounds.get("lte")
    return lambda value: (low is None or read(value) >= read(low)) and (high is None or read(value) <= read(high))


def _between(bounds: dict[str, Any]) -> Callable[[Any], bool]:
    for bound in bounds.values():
        if bound is not None and _moment(str(bound)) is None:
            raise InputError("userMetaFilters", "InvalidDatetime", f"`{bound}` is no time such as 2024-02-20.")
    return _within(bounds, _moment)


def _keyword(asked: dict[str, Any]) -> Callable[[Any], bool]:
    names, wildcard = asked.get("terms"), asked.get("wildcard")
    pattern = terms.whole(wildcard) if wildcard is not None else None
    return lambda value: (names is None or value in names) and (pattern is None or bool(pattern.match(value)))


_PREDICATES: Final[dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any]], Callable[[Any], bool]]]]] = {
    "number": (("NUMBER",), lambda bounds: _within(bounds, float)),
    "datetime": (("DATETIME",), _between),
    "keyword": (STRINGS, _keyword),
    "text": (STRINGS, lambda asked: query_language.parse(asked["queryString"]).matches),
    "boolean": (("BOOLEAN",), lambda asked: lambda value: bool(asked["true" if value else "false"])),
}
