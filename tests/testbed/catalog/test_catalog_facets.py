"""Searches filtered by metadata, and the facets of their results."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest

from testbed.catalog import facets
from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from tests.testbed.catalog.calling import Calling

META = {
    "a": {"n": 1, "when": "2024-01-02", "kind": "raw", "deep": {"x/y": True}, "list": ["p", "q"]},
    "b": {"n": 2.5, "when": "2025-06-01T10:00:00+02:00", "kind": "clean", "deep": {"x/y": False}},
    "c": {"n": "three", "note": "long " * 100, "kind": None},
}
FACET = "__typename path ... on NumberPackageUserMetaFacet { numbers: extents { min max } }"
FACET += " ... on DatetimePackageUserMetaFacet { times: extents { min max } }"
FACET += " ... on KeywordPackageUserMetaFacet { extents { values } }"
SEARCH = (
    "query S($b: [String!], $m: [PackageUserMetaPredicate!], $p: String!, $k: PackageUserMetaFacetType) {"
    ' searchPackages(buckets: $b, searchString: "facets", userMetaFilters: $m) { __typename'
    " ... on PackagesSearchResultSet { total stats { userMeta { path } userMetaTruncated }"
    f" filteredUserMetaFacets(path: $p, type: $k) {{ {FACET} }}"
    " firstPage(size: 1) { ... on PackagesSearchResultSetPage { cursor hits { name } } } } } }"
)
MORE = "query More($c: String!) { searchMorePackages(after: $c, size: 10) {"
MORE += " ... on PackagesSearchResultSetPage { hits { name } } } }"


@pytest.fixture(scope="module")
def three(catalog: Calling) -> int:
    """Create three packages with metadata of all types and return their number."""
    for letter, meta in META.items():
        catalog.package(f"facets/{letter}", {"f": b"x"}, userMeta=meta)
    return len(META)


def found(catalog: Calling, meta: list[dict[str, Any]] | None = None, path: str = "", kind: str | None = None) -> Any:
    """Search and return the union member."""
    return catalog.data(SEARCH, {"b": [WORK], "m": meta, "p": path, "k": kind})["searchPackages"]


@pytest.mark.parametrize(
    ("predicates", "expected"),
    [
        ([], "abc"),
        ([{"path": "/n"}], "abc"),
        ([{"path": "/n", "number": {"gte": 2}}], "b"),
        ([{"path": "/n", "number": {"lte": 2.5}}], "ab"),
        ([{"path": "/when", "datetime": {"gte": "2025-01-01T00:00:00+00:00"}}], "b"),
        ([{"path": "/kind", "keyword": {"terms": ["raw", "clean"]}}], "ab"),
        ([{"path": "/kind", "keyword": {"wildcard": "c*"}}], "b"),
        ([{"path": "/list", "keyword": {"terms": ["q"]}}], "a"),
        ([{"path": "/note", "text": {"queryString": "long"}}], "c"),
        ([{"path": "/deep/x~1y", "boolean": {"true": True}}], "a"),
        ([{"path": "/deep/x~1y", "boolean": {"false": True}}], "b"),
        ([{"path": "/n", "number": {"gte": 0}}, {"path": "/kind", "keyword": {"terms": ["raw"]}}], "a"),
        ([{"path": "/nothing"}], ""),
        ([{"path": "/deep"}], ""),
    ],
)
def test_metadata_narrows_every_page(
    catalog: Calling, three: int, predicates: list[dict[str, Any]], expected: str
) -> None:
    """Only packages whose metadata meets every predicate are counted and returned, on further pages too."""
    assert three == len(META)
    answer = found(catalog, predicates)
    hits = answer["firstPage"]["hits"] if expected else []
    if expected and answer["firstPage"]["cursor"]:
        hits += catalog.data(MORE, {"c": answer["firstPage"]["cursor"]})["searchMorePackages"]["hits"]
    assert sorted(hit["name"][-1] for hit in hits) == list(expected)
    assert answer.get("total", 0) == len(expected)


def test_facets_name_paths_types_and_extents(catalog: Calling, three: int) -> None:
    """Facets list each path and type once, with its extent. An exact match of the requested path comes first."""
    assert three == len(META)
    answer = found(catalog)
    assert [facet["path"] for facet in answer["stats"]["userMeta"]] == [
        "/deep/x~1y", "/kind", "/list", "/n", "/n", "/note", "/when",
    ]  # fmt: skip
    assert answer["stats"]["userMetaTruncated"] is False
    assert found(catalog, path="/N")["filteredUserMetaFacets"] == [
        {"__typename": "KeywordPackageUserMetaFacet", "path": "/n", "extents": {"values": ["three"]}},
        {"__typename": "NumberPackageUserMetaFacet", "path": "/n", "numbers": {"min": 1, "max": 2.5}},
        {"__typename": "TextPackageUserMetaFacet", "path": "/note"},
    ]
    (when,) = found(catalog, path="/when", kind="DATETIME")["filteredUserMetaFacets"]
    assert when["times"] == {"min": "2024-01-02", "max": "2025-06-01T10:00:00+02:00"}
    (deep,) = found(catalog, path="x~1y")["filteredUserMetaFacets"]
    assert deep == {"__typename": "BooleanPackageUserMetaFacet", "path": "/deep/x~1y"}
    assert found(catalog, kind="TEXT", path="kind")["filteredUserMetaFacets"] == []


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("2024-13-40", "KEYWORD"),
        ("2024-01-01 x", "KEYWORD"),
        ("20240101", "KEYWORD"),
        ("x" * 257, "TEXT"),
        (0, "NUMBER"),
    ],
)
def test_what_is_no_date_is_a_word(value: object, kind: str) -> None:
    """A text is a time only if it parses as one. Otherwise it is a keyword up to 256 characters and a text beyond."""
    assert list(facets.leaves({"a": [value, None]})) == [("/a", kind, value)]
