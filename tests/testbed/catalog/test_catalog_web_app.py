"""The queries of the catalog's web application, rewritten for the same fields: each is valid and answered."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest
from graphql import parse
from graphql import validate

from testbed.catalog.schema import NEW
from tests.testbed.catalog.calling import SCRATCH
from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from tests.testbed.catalog.calling import Calling

ERRORS = "... on InvalidInput { errors { path message name context } } ... on OperationError { name message context }"
FACETS = (
    "__typename ... on IPackageUserMetaFacet { path sortable } ... on NumberPackageUserMetaFacet { numbers: extents"
    " { min max } } ... on DatetimePackageUserMetaFacet { times: extents { min max } }"
    " ... on KeywordPackageUserMetaFacet { extents { values } }"
)
PACKAGE = (
    "cursor hits { __typename id bucket name pointer hash score size modified totalEntriesCount comment meta workflow"
    " matchLocations { comment meta name workflow } matchingEntries { logicalKey physicalKey size meta"
    " matchLocations { contents logicalKey meta physicalKey } } }"
)
OBJECT = "cursor hits { __typename id bucket score size modified key version deleted indexedContent }"
ASKED = "$b: [String!], $t: String, $f: PackagesSearchFilter, $m: [PackageUserMetaPredicate!], $l: Boolean!"
GIVEN = "buckets: $b, searchString: $t, filter: $f, userMetaFilters: $m, latestOnly: $l"
FOUND = (
    f"query Q({ASKED}%s) {{ searchPackages({GIVEN}) {{ __typename {ERRORS}"
    " ... on PackagesSearchResultSet { %s } } }"
)
FIRST = (
    f"total firstPage(ordering: $o, size: $n) {{ __typename {ERRORS}"
    f" ... on PackagesSearchResultSetPage {{ {PACKAGE} }} }}"
)
DOCUMENTS = {
    "content indexing": "{ config { contentIndexingSettings { extensions bytesDefault bytesMin bytesMax } } }",
    "restore": "mutation R($b: String!, $k: String!, $v: String, $t: GlacierRestoreTier!, $d: Int!) {"
    " restoreObject(bucket: $b, key: $k, version: $v, tier: $t, days: $d) { __typename"
    f" {ERRORS} ... on RestoreObjectSuccess {{ alreadyRestored }} }} }}",
    "packages": FOUND
    % ("", "total stats { modified { min max } size { min max } entries { min max } workflow { values } }"),
    "facets": FOUND % ("", f"stats {{ userMetaTruncated userMeta {{ {FACETS} }} }}"),
    "facet": FOUND
    % (
        ", $p: String!, $k: PackageUserMetaFacetType!",
        f"filteredUserMetaFacets(path: $p, type: $k) {{ {FACETS} }}",
    ),
    "facets by path": FOUND % (", $p: String!", f"filteredUserMetaFacets(path: $p) {{ {FACETS} }}"),
    "first page": FOUND % (", $o: PackageOrdering, $n: Int", FIRST),
    "next page": f"query Q($a: String!) {{ searchMorePackages(after: $a) {{ __typename {ERRORS}"
    f" ... on PackagesSearchResultSetPage {{ {PACKAGE} }} }} }}",
    "objects": "query Q($b: [String!], $t: String, $f: ObjectsSearchFilter, $o: SearchResultOrder, $n: Int) {"
    f" searchObjects(buckets: $b, searchString: $t, filter: $f) {{ __typename {ERRORS}"
    " ... on ObjectsSearchResultSet { total stats { modified { min max } size { min max } ext { values } }"
    f" firstPage(order: $o, size: $n) {{ {OBJECT} }} }} }} }}",
    "next objects": f"query Q($a: String!) {{ searchMoreObjects(after: $a) {{ __typename {ERRORS}"
    f" ... on ObjectsSearchResultSetPage {{ {OBJECT} }} }} }}",
}
SIZES = {"web-objects/a.csv": 1, "web-objects/b.csv": 20, "web-objects/c.TXT": 300}


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_the_documents_are_valid(name: str) -> None:
    """Every field that the web application shows is in the schema."""
    assert validate(NEW, parse(DOCUMENTS[name])) == []


def test_content_indexing_is_told_to_admins(catalog: Calling) -> None:
    """The extensions and bounds of content indexing are visible to admins and forbidden to others."""
    told = catalog.data(DOCUMENTS["content indexing"], user="test-admin")["config"]["contentIndexingSettings"]
    assert told["bytesMin"] <= told["bytesDefault"] <= told["bytesMax"]
    assert {".csv", ".parquet", ".md"} <= set(told["extensions"])
    assert catalog.post(DOCUMENTS["content indexing"]).status_code == 403


@pytest.fixture(scope="module")
def made(catalog: Calling) -> list[str]:
    """Create two packages with metadata of each kind and return their names."""
    names = ["web-app/one", "web-app/two"]
    for position, name in enumerate(names):
        meta = {"n": position, "when": f"2024-01-0{position + 1}", "word": "short", "long": "x" * 300, "is": True}
        catalog.package(name, {"f": b"1"}, userMeta=meta)
    return names


def ask(catalog: Calling, name: str, **variables: Any) -> Any:
    """Send a document about packages and return the value of its only field."""
    given = {"b": [WORK], "t": "web-app", "l": True} | variables
    (found,) = catalog.data(DOCUMENTS[name], given).values()
    return found


def test_facets_say_whether_they_can_be_sorted_by(catalog: Calling, made: list[str]) -> None:
    """A facet is sortable for every kind but text, as orderings accept it."""
    assert made
    told = {facet["path"]: facet["sortable"] for facet in ask(catalog, "facets")["stats"]["userMeta"]}
    assert told == {"/is": True, "/long": False, "/n": True, "/when": True, "/word": True}
    assert ask(catalog, "facet", p="/n", k="NUMBER")["filteredUserMetaFacets"][0]["numbers"] == {"min": 0, "max": 1}
    assert [facet["path"] for facet in ask(catalog, "facets by path", p="wo")["filteredUserMetaFacets"]] == ["/word"]
    assert ask(catalog, "first page", o="usr:/n:number:asc")["firstPage"]["__typename"] == "PackagesSearchResultSetPage"


def test_pages_of_packages_follow_one_another(catalog: Calling, made: list[str]) -> None:
    """Pages of packages follow the cursor, and an invalid cursor is an InvalidInput."""
    first = ask(catalog, "first page", n=1, o="sys:name:asc")["firstPage"]
    (hit,) = first["hits"]
    assert (hit["name"], hit["matchLocations"]["name"], hit["matchingEntries"]) == (made[0], True, [])
    second = ask(catalog, "next page", a=first["cursor"])
    assert ([hit["name"] for hit in second["hits"]], second["cursor"]) == ([made[1]], None)
    for name in ("next page", "next objects"):
        refused = ask(catalog, name, a="bad")
        assert [(error["path"], error["name"]) for error in refused["errors"]] == [("after", "InvalidCursor")]


@pytest.fixture(scope="module")
def objects(catalog: Calling) -> list[str]:
    """Store three objects and return their keys."""
    for key, size in SIZES.items():
        catalog.put_object(key, b"x" * size)
    return list(SIZES)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, "abc"),
        ({}, "abc"),
        ({"size": {"gte": 20}}, "bc"),
        ({"size": {"lte": 20, "gte": 2}}, "b"),
        ({"ext": {"terms": [".csv"]}}, "ab"),
        ({"ext": {"wildcard": ".T*"}}, "c"),
        ({"key": {"wildcard": "web-objects/a*"}}, "a"),
        ({"key": {"terms": ["web-objects/b.csv", "b.csv"]}}, "b"),
        ({"modified": {"gte": "2020-01-01"}}, "abc"),
        ({"modified": {"lte": "2020-01-01T00:00:00Z"}}, ""),
        ({"deleted": {"true": True, "false": True}}, "abc"),
        ({"deleted": {"false": True}}, "abc"),
        ({"deleted": {"true": True}}, ""),
    ],
)
def test_a_filter_narrows_objects_on_every_page(
    catalog: Calling, objects: list[str], wanted: dict[str, Any] | None, expected: str
) -> None:
    """Only objects that meet every predicate are counted, returned on each page and part of the stats."""
    assert objects
    answer = ask(catalog, "objects", b=[SCRATCH], t="web-objects", f=wanted, o="LEX_ASC", n=1)
    if not expected:
        assert answer == {"__typename": "EmptySearchResultSet"}
        return
    hits, cursor = answer["firstPage"]["hits"], answer["firstPage"]["cursor"]
    while cursor:
        page = ask(catalog, "next objects", a=cursor)
        hits, cursor = [*hits, *page["hits"]], page["cursor"]
    assert "".join(hit["key"][12] for hit in hits) == expected
    sizes = [size for key, size in SIZES.items() if key[12] in expected]
    assert (answer["total"], answer["stats"]["size"]) == (len(expected), {"min": min(sizes), "max": max(sizes)})
    assert answer["stats"]["ext"]["values"] == sorted({f".{key[14:]}" for key in SIZES if key[12] in expected})


@pytest.mark.parametrize(
    ("name", "wanted", "expected"),
    [
        ("objects", {"content": {"queryString": "x"}}, ("filter.content", "NotIndexed")),
        ("objects", {"modified": {"gte": "soon"}}, ("filter.modified", "InvalidDatetime")),
        ("packages", {"modified": {"gte": "soon"}}, ("filter.modified", "InvalidDatetime")),
        ("packages", {"comment": {"queryString": "(a"}}, ("searchString", "InvalidQuery")),
    ],
)
def test_a_filter_that_cannot_be_met_is_refused(
    catalog: Calling, made: list[str], objects: list[str], name: str, wanted: Any, expected: tuple[str, str]
) -> None:
    """A filter that cannot be evaluated is an InvalidInput, never an empty result."""
    assert made
    assert objects
    buckets = [SCRATCH] if name == "objects" else [WORK]
    (error,) = ask(catalog, name, b=buckets, f=wanted)["errors"]
    assert (error["path"], error["name"]) == expected
