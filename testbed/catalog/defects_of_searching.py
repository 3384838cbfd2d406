"""Defects of the search and its index."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Callable

PRIVATE: Final = "quilt-mcp-test-private"
NOTHING_FOUND: Final = {
    "__typename": "OperationError",
    "name": "NoHits",
    "message": "Nothing was found.",
    "context": {},
}


def _late(seconds: float) -> Callable[[float, Any], float]:
    return lambda lag, facts: float(lag) + float(facts["parameters"].get("seconds", seconds))


DEFECTS: Final[dict[str, tuple[str, str, Callable[[Any, Any], Any]]]] = {
    "search-drops-last-hit": ("search hits", "the last hit is missing", lambda hits, _: hits[:-1]),
    "search-is-case-sensitive": (
        "search rules",
        "upper and lower case differ",
        lambda rules, _: replace(rules, is_case_sensitive=True),
    ),
    "search-ands-terms": (
        "search rules",
        "all terms must be there",
        lambda rules, _: replace(rules, operator="AND"),
    ),
    "search-ignores-query": ("search hits", "any query gives all packages", lambda _hits, facts: facts["everything"]()),
    "search-empty-as-error": ("no hits", "a search without hits is an error", lambda _answer, _: NOTHING_FOUND),
    "search-index-never-updates": ("index is frozen", "the index takes up no change", lambda _frozen, _: True),
    "search-index-lag-20s": ("lag", "the index is 20 s late", _late(20)),
    "search-index-lag-90s": ("lag", "the index is 90 s late", _late(90)),
    "search-leaks-private-bucket": (
        "searched buckets",
        "the search also finds what the role may not read",
        lambda buckets, _: sorted({*buckets, PRIVATE}),
    ),
}
