"""Package entries in search: found by queries of their own fields, and by no others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from tests.testbed.catalog.calling import Calling


def asked(catalog: Calling, query: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the documents that a query finds among the work bucket's packages."""
    body = json.dumps({"query": query})
    answer = catalog.get("/registry/api/search", index=f"{WORK}_packages", action="freeform", body=body, size="100")
    assert answer.status_code == 200, answer.text
    return [hit["_source"] for hit in answer.json()["hits"]["hits"]]


def test_entries_of_one_revision(catalog: Calling) -> None:
    """The entries of a revision are found by its hash, with physical key, logical key, size, hash and metadata."""
    top_hash = catalog.package("search-entries/p", {"a/b.txt": b"12", "c.txt": b"123"})
    exists = {"exists": {"field": "entry_lk"}}
    found = asked(catalog, {"bool": {"must": [exists, {"term": {"mnfst_name": top_hash}}]}})
    assert [(entry["entry_lk"], entry["entry_size"], entry["entry_metadata"]) for entry in found] == [
        ("a/b.txt", 2, "{}"),
        ("c.txt", 3, "{}"),
    ]
    assert {entry["entry_hash"]["type"] for entry in found} == {"sha2-256-chunked"}
    assert all(entry["entry_pk"].startswith("s3://") for entry in found)


def test_other_queries_find_packages_only(catalog: Calling) -> None:
    """A query that names no entry field finds packages only, even if it matches everything."""
    catalog.package("search-entries/q", {"search-entries-file.txt": b"1"})
    assert asked(catalog, {"query_string": {"query": "search-entries-file"}}) == []
    assert all("ptr_name" in found for found in asked(catalog, {"match_all": {}}))
