"""The documented query strings over REST and GraphQL: each finds what it should, or is refused with an error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

import pytest

from tests.testbed.catalog.calling import SCRATCH
from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from tests.testbed.catalog.calling import Calling

OBJECTS = {"lang-obj/small.csv": 10, "lang-obj/large.csv": 2_000, "lang-obj/note.TXT": 0, "lang-obj/none": 5}
ENTRIES = ("lang-in/a.csv", "lang-b.txt", "lang-c.csv")
SEARCH = (
    "query S($b: [String!], $t: String) { searchPackages(buckets: $b, searchString: $t) { __typename"
    " ... on InvalidInput { errors { path name message } } ... on PackagesSearchResultSet { total"
    " firstPage(size: 30) { ... on PackagesSearchResultSetPage { hits { name"
    " matchLocations { name comment meta workflow } } } } } } }"
)


@pytest.fixture(scope="module")
def stored(catalog: Calling) -> list[str]:
    """Store objects of several sizes and two packages, and return the packages' names."""
    for key, size in OBJECTS.items():
        catalog.put_object(key, b"x" * size)
    names = ["language/one", "language/two"]
    catalog.package(names[0], {"lang-in/a.csv": b"1"}, message="zebra", userMeta={"tags": ["striped"]})
    catalog.package(names[1], {"lang-b.txt": b"22", "lang-c.csv": b"333"}, message="lion")
    return names


def found(catalog: Calling, index: str, query: str) -> list[str]:
    """Search over REST and return this module's own hits, by the last part of name or key."""
    answer = catalog.get("/registry/api/search", index=index, query=query, size="9999")
    assert answer.status_code == 200, answer.text
    sources = [hit["_source"] for hit in answer.json()["hits"]["hits"]]
    names = [str(one.get("ptr_name") or one.get("key") or one.get("entry_lk")) for one in sources]
    start = "language/" if index.endswith("_packages") else "lang-obj/"
    own = [name for name in names if name.startswith(start) or name in ENTRIES]
    return sorted(name if name in ENTRIES else name.partition("/")[2] for name in own)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ext:.csv", ["large.csv", "small.csv"]),
        ("ext:.txt", ["note.TXT"]),
        ("ext:.c*", ["large.csv", "small.csv"]),
        ("key:lang-obj/*", ["large.csv", "none", "note.TXT", "small.csv"]),
        (r"key:lang-obj\/large.csv", ["large.csv"]),
        ("key:large.csv", []),
        ("key_text:large", ["large.csv"]),
        ('key:"lang-obj/none"', ["none"]),
        ("lang-obj AND size:>1000", ["large.csv"]),
        ("lang-obj AND size:>=10", ["large.csv", "small.csv"]),
        ("lang-obj AND size:<10", ["none", "note.TXT"]),
        ("lang-obj AND size:[5 TO 10]", ["none", "small.csv"]),
        ("lang-obj AND size:{5 TO 10]", ["small.csv"]),
        ("lang-obj AND size:[11 TO *]", ["large.csv"]),
        ("lang-obj AND size:0", ["note.TXT"]),
        ("key:lang-obj* AND NOT ext:.csv", ["none", "note.TXT"]),
        ("(ext:.csv OR ext:.txt) AND key:lang-obj* NOT key:*small*", ["large.csv", "note.TXT"]),
        ("key:lang-obj/* AND ext:(.csv OR .txt)", ["large.csv", "note.TXT", "small.csv"]),
        ("key:lang-obj/n??e", ["none"]),
        ("lang-obj AND last_modified:[2022-02-04 TO 2022-02-20]", []),
        ("lang-obj AND last_modified:>2022", ["large.csv", "none", "note.TXT", "small.csv"]),
        ("lang-obj AND last_modified:[* TO 2022-02]", []),
        ("lang-obj AND _exists_:size", ["large.csv", "none", "note.TXT", "small.csv"]),
        ("lang-obj AND _exists_:comment", []),
        ("lang-obj AND version_id:null", ["large.csv", "none", "note.TXT", "small.csv"]),
    ],
)
def test_objects_are_found_as_documented(catalog: Calling, stored: list[str], query: str, expected: list[str]) -> None:
    """Objects are found by field, range, wildcard, group and NOT as documented."""
    assert stored
    assert found(catalog, SCRATCH, query) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ptr_tag:latest AND ptr_name:language/*", ["one", "two"]),
        ("pointer_file:latest AND handle:language*", ["one", "two"]),
        (r"handle:language\/one", ["one"]),
        ("comment:zebra", ["one"]),
        ("comment:ZEB*", ["one"]),
        ("tags:striped AND language", ["one"]),
        ("metadata:striped AND language", ["one"]),
        ("language AND package_stats.total_files:>1", ["two"]),
        ("language AND package_stats.total_bytes:<5", ["one"]),
        ("handle:language/* AND _exists_:tags", ["one"]),
        ("handle:language/* AND NOT _exists_:tags", ["two"]),
        ("language AND workflow.id:x", []),
        ("entry_lk:lang-in/*csv", ["lang-in/a.csv"]),
        ("entry_lk:*csv AND entry_size:3", ["lang-c.csv"]),
        ("entry_lk:lang-b.txt", ["lang-b.txt"]),
    ],
)
def test_packages_and_entries_are_found_as_documented(
    catalog: Calling, stored: list[str], query: str, expected: list[str]
) -> None:
    """Packages are found as documented. Entries are found only by a query of one of their fields."""
    assert stored
    assert found(catalog, f"{WORK}_packages", query) == expected


@pytest.mark.parametrize("query", ["content:x", "nofield:x", "size:many", "(a", "a~2", "/a/"])
def test_what_is_not_supported_is_refused(catalog: Calling, query: str) -> None:
    """An unsupported query is answered 400 by both REST actions and with InvalidInput over GraphQL."""
    answer = catalog.get("/registry/api/search", index=f"{WORK}_packages", query=query)
    assert (answer.status_code, answer.json()["message"].startswith("The query cannot be used: ")) == (400, True)
    body = json.dumps({"query": {"query_string": {"query": query}}})
    freeform = catalog.get("/registry/api/search", index=f"{WORK}_packages", action="freeform", body=body)
    assert (freeform.status_code, freeform.json()["message"]) == (400, answer.json()["message"])
    arm = catalog.data(SEARCH, {"t": query})["searchPackages"]
    assert [(error["path"], error["name"]) for error in arm["errors"]] == [("searchString", "InvalidQuery")]


def test_a_hit_says_where_it_matched(catalog: Calling, stored: list[str]) -> None:
    """A hit lists where it matched: name, comment or metadata. A search for anything lists nothing."""

    def places(text: str) -> list[Any]:
        hits = catalog.data(SEARCH, {"b": [WORK], "t": text})["searchPackages"]["firstPage"]["hits"]
        places = {hit["name"]: hit["matchLocations"] for hit in hits}[stored[0]]
        return sorted(name for name, is_there in places.items() if is_there)

    assert places("language") == ["name"]
    assert places("zebra striped") == ["comment", "meta"]
    assert places("*") == []
    assert places("comment:zebra") == []
