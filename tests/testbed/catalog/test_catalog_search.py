from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from typing import Any

import pytest

from tests.testbed.catalog.calling import DATA
from tests.testbed.catalog.calling import PRIVATE
from tests.testbed.catalog.calling import SCRATCH
from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.testbed.catalog.calling import Calling

ERRORS = "... on InvalidInput { errors { path name message } } ... on OperationError { name }"
NEW = (
    "query Search($b: [String!], $t: String, $n: Int, $o: PackageOrdering) {"
    " searchPackages(buckets: $b, searchString: $t, latestOnly: true) { __typename " + ERRORS + " ... on"
    " PackagesSearchResultSet { total firstPage(size: $n, ordering: $o) { __typename " + ERRORS + " ... on"
    " PackagesSearchResultSetPage { cursor hits { name hash size totalEntriesCount comment meta workflow } } } } } }"
)
OLD = (
    "query Search($b: [String!], $t: String, $n: Int, $o: SearchResultOrder) {"
    " searchPackages(buckets: $b, searchString: $t) { __typename ... on"
    " PackagesSearchResultSet { total firstPage(size: $n, order: $o) { cursor hits { name } } } } }"
)
MORE = "query More($c: String!, $n: Int) { searchMorePackages(after: $c, size: $n) { __typename " + ERRORS
MORE += " ... on PackagesSearchResultSetPage { cursor hits { name } } } }"
OBJECTS = (
    "query Objects($b: [String!], $t: String, $n: Int, $o: SearchResultOrder) {"
    " searchObjects(buckets: $b, searchString: $t) { __typename ... on ObjectsSearchResultSet { total"
    " firstPage(size: $n, order: $o) { cursor hits { bucket key size version modified deleted } } } } }"
)
FIVE = ["a", "b", "c", "d", "e"]


@pytest.fixture(scope="module")
def five(catalog: Calling) -> list[str]:
    """Create five packages of growing size and return their names."""
    names = [f"search-five/{letter}" for letter in FIVE]
    for position, name in enumerate(names):
        meta = {"n": len(names) - position, "deep": {"a/b": f"v{position}"}, "mixed": position or "text"}
        catalog.package(name, {"f": b"x" * (position + 1)}, message=f"shared {name}", userMeta=meta)
    return names


def search(catalog: Calling, document: str = NEW, **variables: Any) -> Any:
    """Search the packages of the work bucket. Keywords are the documents' variables."""
    return catalog.data(document, {"b": [WORK], "n": 30} | variables)["searchPackages"]


def names_of(found: Any) -> list[str]:
    """Return the names on a first page without their namespace."""
    return [hit["name"].rpartition("/")[2] for hit in found["firstPage"]["hits"]]


def test_pages_follow_one_another_until_the_cursor_is_null(catalog: Calling, five: list[str]) -> None:
    """Pages return every hit once, and the last page has a null cursor."""
    found = search(catalog, t="search-five", n=2, o="sys:size:asc")
    assert (found["total"], names_of(found)) == (len(five), ["a", "b"])
    second = catalog.data(MORE, {"c": found["firstPage"]["cursor"], "n": 2})["searchMorePackages"]
    assert [hit["name"] for hit in second["hits"]] == five[2:4]
    third = catalog.data(MORE, {"c": second["cursor"], "n": 2})["searchMorePackages"]
    assert ([hit["name"] for hit in third["hits"]], third["cursor"]) == (five[4:], None)


def test_a_page_that_holds_all_has_no_cursor(catalog: Calling, five: list[str]) -> None:
    """A page that holds all hits has no cursor, and neither has a page of size 0."""
    assert search(catalog, t="search-five", n=len(five))["firstPage"]["cursor"] is None
    assert search(catalog, t="search-five", n=0)["firstPage"] == {
        "__typename": "PackagesSearchResultSetPage",
        "cursor": None,
        "hits": [],
    }


@pytest.mark.parametrize(
    ("ordering", "expected"),
    [
        ("sys:name:desc", "edcba"),
        ("sys:size:desc", "edcba"),
        ("sys:entries:asc", None),
        ("sys:workflow:asc", None),
        ("usr:/n:number:asc", "edcba"),
        ("usr:/deep/a~1b:keyword:desc", "edcba"),
        ("usr:/absent:datetime:asc", None),
        ("usr:/n/deeper:boolean:asc", None),
        (None, None),
    ],
)
def test_an_ordering_sorts_by_field_or_metadata(
    catalog: Calling, five: list[str], ordering: str | None, expected: str | None
) -> None:
    """An ordering sorts by field or metadata. Hits without the value, or with equal ones, keep their default order."""
    usual = names_of(search(catalog, t="search-five"))
    assert sorted(usual) == [name[-1] for name in five]
    assert names_of(search(catalog, t="search-five", o=ordering)) == (list(expected) if expected else usual)


def test_newest_and_oldest_are_each_others_reverse(catalog: Calling) -> None:
    """The old dialect orders by time or name. OLDEST is the reverse of NEWEST, which is the default."""
    for name, day in (("times/q", 1), ("times/p", 2), ("times/r", 3)):
        catalog.package(name, {"f": bytes([day])})
        catalog.sql("UPDATE package_states SET modified = ? WHERE name = ?", f"2024-01-0{day}T00:00:00+00:00", name)
    assert names_of(search(catalog, OLD, t="times/", o="NEWEST")) == ["r", "p", "q"]
    assert names_of(search(catalog, OLD, t="times/")) == ["r", "p", "q"]
    assert names_of(search(catalog, OLD, t="times/", o="OLDEST")) == ["q", "p", "r"]
    assert names_of(search(catalog, t="times/", o="sys:modified:asc")) == ["q", "p", "r"]
    assert names_of(search(catalog, OLD, t="times/", o="LEX_ASC")) == ["p", "q", "r"]
    assert names_of(search(catalog, OLD, t="times/", o="LEX_DESC")) == ["r", "q", "p"]


@pytest.mark.parametrize(
    ("ordering", "name"),
    [
        ("", "ordering"),
        ("name", "ordering"),
        ("sys:name", "ordering"),
        ("sys:name:up", "ordering"),
        ("sys:nothing:asc", "ordering"),
        ("usr:n:number:asc", "ordering"),
        ("usr:/n:colour:asc", "ordering"),
        (7, "ordering"),
        (["sys:name:asc"], "ordering"),
        ("sys:comment:asc", "UnsupportedSort"),
        ("usr:/n:text:asc", "UnsupportedSort"),
        ("usr:/n:keyword:asc", "UnsupportedSort"),
        ("usr:/mixed:number:asc", "UnsupportedSort"),
    ],
)
def test_a_bad_ordering_is_an_invalid_input(catalog: Calling, five: list[str], ordering: Any, name: str) -> None:
    """An invalid or unsupported ordering is an InvalidInput, never a GraphQL error."""
    assert five
    page = search(catalog, t="search-five", o=ordering)["firstPage"]
    assert page["__typename"] == "InvalidInput"
    assert [(error["path"], error["name"]) for error in page["errors"]] == [("ordering", name)]


@pytest.mark.parametrize("size", [-1, 10_001])
def test_a_bad_size_is_refused_in_both_dialects(catalog: Calling, five: list[str], size: int) -> None:
    """A size outside 0 to 10,000 is an InvalidInput in the new dialect and a GraphQL error in the old one."""
    assert search(catalog, t=five[0], n=size)["firstPage"]["errors"][0]["name"] == "InvalidSize"
    answer = catalog.post(OLD, {"b": [WORK], "t": five[0], "n": size})
    assert (answer.status_code, f"The size {size} is not" in answer.json()["message"]) == (400, True)
    cursor = search(catalog, t="search-five", n=1)["firstPage"]["cursor"]
    more = catalog.data(MORE, {"c": cursor, "n": size})["searchMorePackages"]
    assert [(error["path"], error["name"]) for error in more["errors"]] == [("size", "InvalidSize")]


def _cursor(**changes: Any) -> str:
    state = {"kind": "packages", "buckets": [WORK], "text": "*", "ordering": None, "offset": 1} | changes
    return base64.urlsafe_b64encode(json.dumps(state).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "é",
        "not a cursor",
        base64.urlsafe_b64encode(b"[]").decode(),
        base64.urlsafe_b64encode(b"[" * 9000).decode(),
        _cursor(kind="objects"),
        _cursor(offset=-1),
        _cursor(offset="1"),
        _cursor(text=None),
        _cursor(buckets=[1]),
        _cursor(ordering="x"),
        _cursor(more=1),
    ],
)
def test_a_foreign_cursor_is_refused(catalog: Calling, cursor: str) -> None:
    """A cursor that this server did not issue is the InvalidInput `InvalidCursor`."""
    found = catalog.data(MORE, {"c": cursor})["searchMorePackages"]
    assert found["__typename"] == "InvalidInput"
    assert [(error["path"], error["name"]) for error in found["errors"]] == [("after", "InvalidCursor")]


def test_a_cursor_gives_no_right_to_read(catalog: Calling) -> None:
    """A cursor does not reveal buckets that the caller may not read."""
    catalog.package("cursorless/one", {"f": b"1"}, user="test-admin", bucket=PRIVATE)
    catalog.package("cursorless/two", {"f": b"2"}, user="test-admin", bucket=PRIVATE)
    cursor = _cursor(buckets=[PRIVATE], text="cursorless")
    assert catalog.data(MORE, {"c": cursor})["searchMorePackages"]["hits"] == []
    assert len(catalog.data(MORE, {"c": cursor}, user="test-admin")["searchMorePackages"]["hits"]) == 1
    assert catalog.data(NEW, {"t": "cursorless"})["searchPackages"]["__typename"] == "EmptySearchResultSet"
    assert catalog.post(NEW, {"b": [PRIVATE], "t": "cursorless"}).status_code == 403


def test_a_hit_describes_its_package(catalog: Calling, five: list[str]) -> None:
    """A hit has the fields of the latest revision, with metadata as JSON text."""
    (hit,) = search(catalog, t=five[1])["firstPage"]["hits"]
    assert (hit["name"], hit["size"], hit["totalEntriesCount"]) == (five[1], 2.0, 1)
    assert (hit["comment"], json.loads(hit["meta"])["n"], hit["workflow"]) == (f"shared {five[1]}", 4, None)


def test_a_late_index_shows_what_stood_there_before(catalog: Calling, switch: Callable[..., None]) -> None:
    """An index lag hides new packages, changes and deletions, and shows the state before them."""
    older = catalog.package("lateness/updated", {"f": b"1"}, message="older")
    catalog.package("lateness/deleted", {"f": b"1"})
    query = 'UPDATE package_states SET written = written - 50 WHERE name LIKE "lateness/%"'
    catalog.sql(query)
    catalog.package("lateness/updated", {"f": b"2"}, message="newer")
    catalog.package("lateness/new", {"f": b"1"})
    for pointer in catalog.s3.list_objects_v2(Bucket=WORK, Prefix=".quilt/named_packages/lateness/deleted/")[
        "Contents"
    ]:
        catalog.s3.delete_object(Bucket=WORK, Key=pointer["Key"])
    switch("index-lag", seconds=20)
    hits = search(catalog, t="lateness/")["firstPage"]["hits"]
    assert {hit["name"]: hit["hash"] for hit in hits}["lateness/updated"] == older
    assert sorted(hit["name"] for hit in hits) == ["lateness/deleted", "lateness/updated"]
    catalog.control("DELETE", "faults/index-lag")
    catalog.await_search("lateness/", lambda names: names == ["lateness/new", "lateness/updated"])


@pytest.fixture(scope="module")
def objects(catalog: Calling) -> list[str]:
    """Store three objects in scratch and return their keys."""
    keys = ["find-me/a.csv", "find-me/b.CSV", "find-me/none"]
    for position, key in enumerate(keys):
        catalog.put_object(key, b"x" * position)
    return keys


def test_objects_are_found_by_key(catalog: Calling, objects: list[str]) -> None:
    """Objects are found by key with bucket, size and version, over several pages."""
    found = catalog.data(OBJECTS, {"b": [SCRATCH], "t": "find-me", "n": 2, "o": "LEX_ASC"})["searchObjects"]
    hits = found["firstPage"]["hits"]
    assert (found["__typename"], found["total"]) == ("ObjectsSearchResultSet", 3)
    assert [(hit["key"], hit["size"], hit["version"]) for hit in hits] == [
        (objects[0], 0.0, "null"),
        (objects[1], 1.0, "null"),
    ]
    more = "query More($c: String!) { searchMoreObjects(after: $c) {"
    more += " ... on ObjectsSearchResultSetPage { cursor hits { key bucket } } } }"
    last = catalog.data(more, {"c": found["firstPage"]["cursor"]})["searchMoreObjects"]
    assert last == {"cursor": None, "hits": [{"key": objects[2], "bucket": SCRATCH}]}


def test_no_object_is_an_empty_result(catalog: Calling) -> None:
    """A search without hits is an EmptySearchResultSet. A forbidden bucket is answered 403."""
    assert catalog.data(OBJECTS, {"b": [SCRATCH], "t": "nosuchkey"})["searchObjects"] == {
        "__typename": "EmptySearchResultSet"
    }
    assert catalog.post(OBJECTS, {"b": [PRIVATE]}).status_code == 403


def rest(catalog: Calling, **query: str) -> Any:
    """Search over REST, which must succeed, and return its `hits` member."""
    answer = catalog.get("/registry/api/search", **query)
    assert answer.status_code == 200, answer.text
    return answer.json()["hits"]


def freeform(catalog: Calling, index: str, **body: Any) -> list[str]:
    """Search with a query body and return the names or keys of the hits."""
    hits = rest(catalog, index=index, action="freeform", body=json.dumps(body))["hits"]
    return [hit["_source"].get("ptr_name") or hit["_source"]["key"] for hit in hits]


def test_rest_finds_packages_and_objects(catalog: Calling, five: list[str], objects: list[str]) -> None:
    """A bucket's index holds its objects, `_packages` its packages, and `_all` everything the user may read."""
    assert five
    hits = rest(catalog, index=f"{WORK}_packages", action="search", query="search-five/a")["hits"]
    assert [hit["_source"]["ptr_name"] for hit in hits] == ["search-five/a"]
    found = rest(catalog, index=f"{SCRATCH},{SCRATCH}_packages", query="find-me", size="2")
    assert (found["total"], len(found["hits"])) == (3, 2)
    source = rest(catalog, index="_all", query=objects[1])["hits"][0]["_source"]
    assert source.pop("last_modified").endswith("+00:00")
    assert source.pop("content_type").endswith("/octet-stream")
    assert source == {
        "key": objects[1],
        "ext": ".CSV",
        "size": 1,
        "version_id": "null",
    }


CLAUSES = [
    ({"match_all": {}}, "abc"),
    ({"term": {"key": "q/a.txt"}}, "a"),
    ({"term": {"key.keyword": {"value": "q/b.txt"}}}, "b"),
    ({"terms": {"ext": [".txt", ".md"]}}, "abc"),
    ({"match": {"key": "A B"}}, "ab"),
    ({"match": {"key": {"query": "c"}}}, "c"),
    ({"wildcard": {"key": "*b.tx?"}}, "b"),
    ({"wildcard": {"key": {"value": "b*"}}}, ""),
    ({"exists": {"field": "size"}}, "abc"),
    ({"exists": {"field": "nothing"}}, ""),
    ({"range": {"size": {"gte": 1, "lt": 2}}}, "b"),
    ({"range": {"nothing": {"gt": 1}}}, ""),
    ({"exists": {"field": "version_id"}}, "abc"),
    ({"query_string": {"query": "a.txt c.txt"}}, "ac"),
    ({"query_string": {"query": "q b.txt", "default_operator": "AND"}}, "b"),
    ({"query_string": {"query": "txt", "fields": ["ext^2", "nothing"]}}, "abc"),
    ({"query_string": {"query": "q", "fields": ["ext"]}}, ""),
    ({"bool": {"must": {"term": {"size": 0}}, "should": {"term": {"size": 5}}}}, "a"),
    ({"bool": {"filter": [{"match_all": {}}], "must_not": [{"term": {"size": 1}}]}}, "ac"),
    ({"bool": {"should": [{"term": {"size": 0}}, {"term": {"size": 2}}]}}, "ac"),
]


@pytest.mark.parametrize(("clause", "matching"), CLAUSES, ids=[json.dumps(clause)[:60] for clause, _ in CLAUSES])
def test_a_clause_selects_what_it_says(catalog: Calling, clause: Any, matching: str) -> None:
    """Each supported clause selects the right ones of three objects of 0, 1 and 2 bytes."""
    listed = catalog.s3.list_objects_v2(Bucket=DATA, Prefix="q/")
    if not listed["KeyCount"]:
        for position, letter in enumerate("abc"):
            catalog.put_object(f"q/{letter}.txt", b"x" * position, DATA)
    within = {"bool": {"filter": [{"wildcard": {"key": "q/*"}}, clause]}}
    keys = freeform(catalog, DATA, query=within, sort=[{"key": "asc"}])
    assert keys == [f"q/{letter}.txt" for letter in matching]


def test_rest_sorts_and_pages(catalog: Calling, five: list[str]) -> None:
    """`sort` accepts names and objects and applies the first key first. `from` and `size` select a range."""
    query = {"query_string": {"query": "search-five", "fields": ["ptr_name"]}}
    index = f"{WORK}_packages"
    keys = ["_score", {"ptr_tag": "asc"}, {"ptr_name": {"order": "desc"}}]
    assert freeform(catalog, index, query=query, sort=keys, size=2) == [five[4], five[3]]
    ascending: dict[str, Any] = {"query": query, "sort": "ptr_name", "from": 3, "size": 30}
    assert freeform(catalog, index, **ascending) == five[3:]
    assert len(freeform(catalog, index, query=query, sort={"description": "asc"})) == len(five)


BAD_REST = {
    "unknown action": ({"action": "drop"}, 400, "`drop`"),
    "no JSON": ({"action": "freeform", "body": "{"}, 400, "not JSON"),
    "deep JSON": ({"action": "freeform", "body": "[" * 9000}, 400, "not JSON"),
    "a list": ({"action": "freeform", "body": "[1]"}, 400, "`1`"),
    "a number": ({"action": "freeform", "body": "1"}, 400, "cannot be read"),
    "unknown part": ({"action": "freeform", "body": '{"aggs": {}}'}, 400, "`aggs`"),
    "unknown clause": ({"action": "freeform", "body": '{"query": {"fuzzy": {}}}'}, 400, "`fuzzy`"),
    "nested clause": ({"action": "freeform", "body": '{"query": {"bool": {"must": {"geo": 1}}}}'}, 400, "`geo`"),
    "unknown group": ({"action": "freeform", "body": '{"query": {"bool": {"may": []}}}'}, 400, "`may`"),
    "unknown option": (
        {"action": "freeform", "body": '{"query": {"query_string": {"query": "a", "lenient": true}}}'},
        400,
        "`lenient`",
    ),
    "two clauses": ({"action": "freeform", "body": '{"query": {"term": {}, "match": {}}}'}, 400, "cannot be read"),
    "bad bound": ({"action": "freeform", "body": '{"query": {"range": {"entry": {"near": 1}}}}'}, 400, "`near`"),
    "bad size": ({"size": "-1"}, 400, "`size`"),
    "long size": ({"size": "9" * 5000}, 400, "`size`"),
    "bad from": ({"action": "freeform", "body": '{"from": true}'}, 400, "`from`"),
    "wildcard index": ({"index": "a*"}, 400, "wildcard"),
    "unknown index": ({"index": "nowhere"}, 404, "`nowhere`"),
    "many indices": ({"index": ",".join(["x"] * 21)}, 403, "21"),
    "forbidden index": ({"index": PRIVATE}, 403, "s3:read"),
}


@pytest.mark.parametrize("kind", sorted(BAD_REST))
def test_a_bad_rest_search_is_refused_by_name(catalog: Calling, five: list[str], kind: str) -> None:
    """An unsupported search is refused with the name of the wrong part, never answered empty."""
    assert five
    query, status, text = BAD_REST[kind]
    answer = catalog.get("/registry/api/search", **({"index": f"{WORK}_packages"} | query))
    assert (answer.status_code, text in answer.json()["message"]) == (status, True), answer.text
