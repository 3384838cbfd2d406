"""Package searches with filters, and the extents of their results."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest

from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from tests.testbed.catalog.calling import Calling

DOCUMENT = (
    "query Search($b: [String!], $t: String, $f: PackagesSearchFilter, $o: PackageOrdering) {"
    " searchPackages(buckets: $b, searchString: $t, filter: $f) {"
    " __typename ... on PackagesSearchResultSet { total stats { modified { min max } size { min max }"
    " entries { min max } workflow { values } } firstPage(size: 1, ordering: $o) {"
    " ... on PackagesSearchResultSetPage { cursor hits { name hash modified } } } } } }"
)
MORE = "query More($c: String!) { searchMorePackages(after: $c, size: 10) {"
MORE += " ... on PackagesSearchResultSetPage { hits { name } } } }"


@pytest.fixture(scope="module")
def three(catalog: Calling) -> list[str]:
    """Create packages of one, two and three files of ten bytes and return their names."""
    names = [f"search-narrow/{letter}" for letter in "abc"]
    for position, name in enumerate(names, start=1):
        catalog.package(name, {f"f{n}": b"x" * 10 for n in range(position)}, message=f"narrow number{position}")
    return names


def found(catalog: Calling, wanted: dict[str, Any] | None) -> tuple[list[str], Any]:
    """Search with a filter and return the last letters of all names, over two pages, and the result set."""
    given = {"b": [WORK], "t": "search-narrow", "f": wanted, "o": "sys:name:asc"}
    answer = catalog.data(DOCUMENT, given)["searchPackages"]
    if answer["__typename"] == "EmptySearchResultSet":
        return [], None
    page = answer["firstPage"]
    more = catalog.data(MORE, {"c": page["cursor"]})["searchMorePackages"]["hits"] if page["cursor"] else []
    return [hit["name"][-1] for hit in [*page["hits"], *more]], answer


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, "abc"),
        ({}, "abc"),
        ({"size": {"gte": 20}}, "bc"),
        ({"entries": {"gte": 2, "lte": 2}}, "b"),
        ({"name": {"wildcard": "*/a"}}, "a"),
        ({"name": {"terms": ["search-narrow/a", "search-narrow/c"]}}, "ac"),
        ({"comment": {"queryString": "number3"}}, "c"),
        ({"modified": {"gte": "2020-01-01T00:00:00+00:00"}}, "abc"),
        ({"modified": {"lte": "2020-01-01T00:00:00+00:00"}}, ""),
        ({"workflow": {"terms": ["none"]}}, ""),
        ({"hash": {"wildcard": "z*"}}, ""),
        ({"size": None}, "abc"),
    ],
)
def test_a_filter_narrows_every_page(
    catalog: Calling, three: list[str], wanted: dict[str, Any] | None, expected: str
) -> None:
    """Only packages that meet every predicate are counted and returned, on further pages too."""
    assert len(three) == 3
    names, answer = found(catalog, wanted)
    assert names == list(expected)
    assert (answer["total"] if answer else 0) == len(expected)


def test_stats_are_the_extents_of_all_hits(catalog: Calling, three: list[str]) -> None:
    """Stats span all hits, not only those on the page."""
    assert len(three) == 3
    stats = found(catalog, {"entries": {"gte": 2}})[1]["stats"]
    assert (stats["size"], stats["entries"]) == ({"min": 20, "max": 30}, {"min": 2, "max": 3})
    assert stats["modified"]["min"] <= stats["modified"]["max"]
    assert stats["workflow"] == {"values": []}
