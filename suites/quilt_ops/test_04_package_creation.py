"""Package creation, and its rejection."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from typing import Any

import pytest
import requests

from nightproof import quilt
from nightproof.evidence import case
from suites._support.hashes import chunked_hash
from suites._support.hashes import sha256_hex
from suites._support.waiting import wait_for

if TYPE_CHECKING:
    from suites._support.observer import Observer
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings
    from suites._support.work import Work

JOURNEY = "publish-data"
TIMEOUT_S = 30
INDEX_DEADLINE_S = 30
LARGE_LIMIT_S = 60
SIMPLE_FILES = [f"data{number}.csv" for number in range(1, 6)]


def sources(bucket: str, dataset: str, paths: list[str]) -> list[dict[str, Any]]:
    """Return entries that point at seeded objects under their own paths."""
    return [{"logical_key": path, "physical_key": f"s3://{bucket}/{dataset}/{path}"} for path in paths]


@case(tier="critical", category="creation", needs=("write",), journey=JOURNEY)
def test_create_from_s3_uris(
    quilt_ops: quilt.QuiltOps, work: Work, observer: Observer, seeds: Seeds, target: Settings
) -> None:
    """A created package is stored under the hash of its content, is readable to the byte, and is found by search."""
    name = work.package_name("create")
    entries = sources(target.data, "simple-csv", SIMPLE_FILES)
    result = quilt_ops.create_package_revision(name, work.registry, entries, message="Initial commit")
    manifest = observer.manifest(work.bucket, result.top_hash)
    assert (result.success, result.file_count, result.package_name) == (True, 5, name)
    assert result.top_hash == manifest.computed_hash == observer.latest(work.bucket, name)[0]
    assert result.catalog_url == f"{target.catalog_url}/b/{work.bucket}/packages/{name}/tree/{result.top_hash}"
    assert manifest.header["message"] == "Initial commit"
    items = quilt_ops.browse_content(name, work.registry)
    assert [(item.path, item.size) for item in items] == [(p, seeds.size("simple-csv", p)) for p in SIMPLE_FILES]
    for path in SIMPLE_FILES:
        data = requests.get(quilt_ops.get_content_url(name, work.registry, path), timeout=TIMEOUT_S).content
        assert sha256_hex(data) == seeds.sha256("simple-csv", path)
        assert manifest.entries[path]["hash"] == {"type": "sha2-256-chunked", "value": chunked_hash(data)}
    hits = wait_for(
        f"{name} in the search index",
        lambda: quilt_ops.search_packages(name, work.registry) or None,
        deadline_s=INDEX_DEADLINE_S * target.time_factor,
    )
    assert [(hit.name, hit.top_hash) for hit in hits] == [(name, result.top_hash)]


@case(tier="high", category="creation", needs=("write",), journey=JOURNEY)
def test_auto_organize_keeps_folders(
    quilt_ops: quilt.QuiltOps, work: Work, observer: Observer, seeds: Seeds, target: Settings
) -> None:
    """Without logical keys a package keeps the full keys of its objects, folders included."""
    paths = [path for path in seeds.entries("nested-structure") if path.startswith("data/")]
    entries = [{"physical_key": f"s3://{target.data}/nested-structure/{path}"} for path in paths if "#" not in path]
    special = f"s3://{target.data}/nested-structure/data/special/a%20b%2Bc%23d%2525%20%C3%BC.csv"
    name = work.create("organize", [*entries, {"physical_key": special}], auto_organize=True)
    root = quilt_ops.browse_content(name, work.registry)
    assert [item.path for item in root] == ["nested-structure/"]
    data = quilt_ops.browse_content(name, work.registry, "nested-structure/data/")
    folders = ["processed", "raw", "special"]
    assert [item.path for item in data] == [f"nested-structure/data/{folder}/" for folder in folders]
    unusual = quilt_ops.browse_content(name, work.registry, "nested-structure/data/special")
    assert [item.path for item in unusual] == ["nested-structure/data/special/a b+c#d%25 ü.csv"]
    manifest = observer.manifest(work.bucket, observer.latest(work.bucket, name)[0])
    assert manifest.entries.keys() == {f"nested-structure/{path}" for path in paths}


@case(tier="critical", category="creation", needs=("write",), journey=JOURNEY)
def test_metadata_round_trip(
    quilt_ops: quilt.QuiltOps, work: Work, observer: Observer, seeds: Seeds, target: Settings
) -> None:
    """Metadata is returned exactly as it was given: nested, empty, null, Unicode and numeric values."""
    metadata = seeds.package("test-user/metadata-rich")["metadata"]
    name = work.create("metadata", sources(target.data, "single-file", ["data.csv"]), metadata=metadata)
    assert quilt_ops.get_package_metadata(name, work.registry) == metadata
    info = quilt_ops.get_package_info(name, work.registry)
    assert info.description == metadata["description"]
    assert info.tags == tuple(metadata["tags"])
    manifest = observer.manifest(work.bucket, info.top_hash)
    assert manifest.header["user_meta"] == metadata
    assert manifest.computed_hash == info.top_hash


@case(tier="critical", category="creation", needs=("write",), journey=JOURNEY)
def test_duplicate_name_is_rejected(
    quilt_ops: quilt.QuiltOps, work: Work, observer: Observer, target: Settings, backend: str
) -> None:
    """An existing name is rejected with a hint at the remedy, and the existing package stays unchanged."""
    name = work.create("duplicate", sources(target.data, "simple-csv", ["data1.csv"]))
    before = observer.registry_state(work.bucket, name)
    work.await_next_second(name)
    other = sources(target.data, "simple-csv", ["data2.csv"])
    with pytest.raises(quilt.ValidationError, match="update_package_revision") as caught:
        quilt_ops.create_package_revision(name, work.registry, other)
    assert caught.type is quilt.ValidationError
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "create_package_revision",
        "field_name": "package_name",
        "field_value": name,
        "validation_rule": "package must not exist; use update_package_revision",
    }
    assert observer.registry_state(work.bucket, name) == before
    assert [item.path for item in quilt_ops.browse_content(name, work.registry)] == ["data1.csv"]


@case(tier="high", category="creation", needs=("write",), journey=JOURNEY)
def test_create_empty_package(quilt_ops: quilt.QuiltOps, work: Work, observer: Observer) -> None:
    """A package without files is valid and has its own message and metadata."""
    name = work.package_name("empty")
    result = quilt_ops.create_package_revision(
        name, work.registry, [], message="Empty package", metadata={"d": 1}
    )  # fmt: skip
    assert (result.success, result.file_count) == (True, 0)
    assert quilt_ops.browse_content(name, work.registry) == []
    info = quilt_ops.get_package_info(name, work.registry)
    assert (info.top_hash, info.message) == (result.top_hash, "Empty package")
    assert observer.manifest(work.bucket, result.top_hash).computed_hash == result.top_hash
    assert quilt_ops.get_package_metadata(name, work.registry) == {"d": 1}


def _bad_entries(bucket: str) -> list[tuple[str, int, list[dict[str, Any]]]]:
    """Return the invalid field, the index of the invalid entry, and the entries."""
    uri = f"s3://{bucket}/simple-csv/data1.csv"
    good = {"logical_key": "good.csv", "physical_key": uri}
    return [
        ("physical_key", 1, [good, {"logical_key": "b.csv"}]),
        ("physical_key", 0, [{"logical_key": "b.csv", "physical_key": "https://example.com/b.csv"}]),
        ("logical_key", 1, [good, good]),
        ("logical_key", 1, [good | {"logical_key": "a"}, good | {"logical_key": "a/b"}]),
        ("logical_key", 0, [good | {"logical_key": "../x"}]),
    ]


@case(tier="high", category="creation", needs=("write",), journey=JOURNEY)
def test_invalid_entries_are_rejected(
    quilt_ops: quilt.QuiltOps, work: Work, observer: Observer, target: Settings, backend: str
) -> None:
    """An error names a bad entry by field and index, a missing source by its URI, and nothing is created."""
    name = work.package_name("invalid")
    for field, index, entries in _bad_entries(target.data):
        with pytest.raises(quilt.ValidationError) as caught:
            quilt_ops.create_package_revision(name, work.registry, entries)
        assert caught.type is quilt.ValidationError
        rule = caught.value.context["validation_rule"]
        assert rule != ""
        assert caught.value.context == {
            "backend_type": backend,
            "operation": "create_package_revision",
            "field_name": field,
            "field_value": entries[index].get(field),
            "validation_rule": rule,
            "index": index,
        }
    missing = sources(target.data, "simple-csv", ["data1.csv", "no-such-file.csv"])
    with pytest.raises(quilt.NotFoundError) as absent:
        quilt_ops.create_package_revision(name, work.registry, missing)
    assert absent.type is quilt.NotFoundError
    assert absent.value.context == {
        "backend_type": backend,
        "operation": "create_package_revision",
        "resource_type": "file",
        "identifier": missing[1]["physical_key"],
        "search_location": f"s3://{target.data}",
    }
    assert observer.registry_state(work.bucket, name) == {}


@case(tier="high", category="creation", needs=("write",), journey=JOURNEY, serial=True)
def test_create_large_package(
    quilt_ops: quilt.QuiltOps, work: Work, observer: Observer, seeds: Seeds, target: Settings
) -> None:
    """A hundred large objects become a package by reference within the time limit."""
    entries = seeds.entries("large-package")
    name = work.package_name("large")
    began = time.monotonic()
    result = quilt_ops.create_package_revision(
        name, work.registry, sources(target.data, "large-package", sorted(entries))
    )
    seconds = time.monotonic() - began
    assert (result.success, result.file_count) == (True, 100)
    assert seconds < LARGE_LIMIT_S * target.time_factor
    manifest = observer.manifest(work.bucket, result.top_hash)
    assert result.top_hash == manifest.computed_hash == observer.latest(work.bucket, name)[0]
    assert {path: (entry["size"], entry["hash"]) for path, entry in manifest.entries.items()} == {
        path: (entry["bytes"], {"type": "sha2-256-chunked", "value": entry["sha2_256_chunked"]})
        for path, entry in entries.items()
    }
    items = quilt_ops.browse_content(name, work.registry)
    assert {item.path: item.size for item in items} == {path: entry["bytes"] for path, entry in entries.items()}
    assert sum(item.size or 0 for item in items) == seeds.manifest["datasets"]["large-package"]["bytes"]
    for path in ("chunk_000.bin", "chunk_049.bin", "chunk_099.bin"):
        data = requests.get(quilt_ops.get_content_url(name, work.registry, path), timeout=TIMEOUT_S).content
        assert sha256_hex(data) == seeds.sha256("large-package", path)
