"""From a search hit to the bytes: by package, and by object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from nightproof.evidence import case
from nightproof.evidence import observe
from suites._support.hashes import sha256_hex
from suites._support.objects import find_documents

if TYPE_CHECKING:
    from nightproof.quilt import QuiltOps
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings

JOURNEY = "find-data"
TIMEOUT_S = 30
MIXED = "test-user/mixed-formats"
NESTED = "test-user/nested-structure"
SIMPLE_KEYS = [f"simple-csv/data{number}.csv" for number in range(1, 6)]
SPECIAL = "data/special/a b+c#d%25 ü.csv"


@case(tier="critical", category="integration-read", journey=JOURNEY)
def test_search_to_access(quilt_ops: QuiltOps, test_registry: str, seeds: Seeds, target: Settings) -> None:
    """Search hits lead to the exact versions and bytes they describe, and nothing else is found."""
    hits = quilt_ops.search_packages("mixed nested", test_registry)
    assert [(hit.name, hit.top_hash) for hit in hits] == [
        (name, seeds.top_hash(name)) for name in seeds.newest_first({MIXED, NESTED})
    ]
    (mixed,) = (hit for hit in hits if hit.name == MIXED)
    info = quilt_ops.get_package_info(mixed.name, mixed.registry, mixed.top_hash)
    assert (info.top_hash, info.message) == (seeds.top_hash(MIXED), "Baseline: mixed-formats")
    items = quilt_ops.browse_content(mixed.name, mixed.registry, "", mixed.top_hash)
    entries = seeds.entries("mixed-formats")
    assert {item.path: item.size for item in items} == {path: entry["bytes"] for path, entry in entries.items()}
    for item in items:
        _check_bytes(quilt_ops, test_registry, MIXED, item.path, entries[item.path]["sha256"])
    _check_objects(quilt_ops, seeds, target)
    _check_special(quilt_ops, test_registry, seeds, target)


def _check_bytes(quilt_ops: QuiltOps, registry: str, name: str, path: str, sha256: str) -> None:
    answer = requests.get(quilt_ops.get_content_url(name, registry, path), timeout=TIMEOUT_S)
    assert (answer.status_code, sha256_hex(answer.content)) == (200, sha256)
    observe("content", [path, sha256_hex(answer.content), len(answer.content)])


def _check_objects(quilt_ops: QuiltOps, seeds: Seeds, target: Settings) -> None:
    """Find a dataset's objects by extension and wildcard, and read each by the version of its hit."""
    below, tables = {"wildcard": {"key": "simple-csv/*"}}, {"term": {"ext": ".csv"}}
    hits = find_documents(quilt_ops, target.data, {"bool": {"must": [tables, below]}})
    hits.sort(key=lambda hit: str(hit["key"]))
    assert [(hit["key"], hit["ext"], hit["size"], hit["version_id"]) for hit in hits] == [
        (key, ".csv", 200_000, seeds.version_id(*key.split("/"))) for key in SIMPLE_KEYS
    ]
    s3 = quilt_ops.get_boto3_client("s3")
    for hit in hits:
        data = s3.get_object(Bucket=target.data, Key=hit["key"], VersionId=hit["version_id"])["Body"].read()
        assert sha256_hex(data) == seeds.sha256(*hit["key"].split("/"))
    unstarred = {"wildcard": {"key": "simple-csv/data1"}}
    assert find_documents(quilt_ops, target.data, unstarred) == []
    starred = find_documents(quilt_ops, target.data, {"wildcard": {"key": "simple-csv/data1*"}})
    assert [hit["key"] for hit in starred] == SIMPLE_KEYS[:1]


def _check_special(quilt_ops: QuiltOps, registry: str, seeds: Seeds, target: Settings) -> None:
    """Find a file by a name full of special characters, taken literally, and read it from its package."""
    literal = {"query_string": {"query": '"a b+c#d%25"', "fields": ["key"]}}
    hits = find_documents(quilt_ops, target.data, literal)
    assert [hit["key"] for hit in hits] == [f"nested-structure/{SPECIAL}"]
    items = quilt_ops.browse_content(NESTED, registry, "data/special")
    assert [(item.path, item.size) for item in items] == [(SPECIAL, hits[0]["size"])]
    _check_bytes(quilt_ops, registry, NESTED, items[0].path, seeds.sha256("nested-structure", SPECIAL))
