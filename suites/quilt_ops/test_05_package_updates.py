"""New revisions of a package, and old revisions that must stay readable."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest
import requests

from nightproof import quilt
from nightproof.evidence import case
from suites._support.hashes import sha256_hex

if TYPE_CHECKING:
    from suites._support.observer import Observer
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings
    from suites._support.work import Work

JOURNEY = "publish-data"
TIMEOUT_S = 30
SIMPLE_FILES = [f"data{number}.csv" for number in range(1, 6)]


def simple_entries(bucket: str, paths: list[str] = SIMPLE_FILES) -> list[dict[str, Any]]:
    """Return entries of the simple-csv dataset."""
    return [{"logical_key": path, "physical_key": f"s3://{bucket}/simple-csv/{path}"} for path in paths]


@case(tier="critical", category="update", needs=("write",), journey=JOURNEY)
def test_add_files(quilt_ops: quilt.QuiltOps, work: Work, seeds: Seeds, target: Settings) -> None:
    """An update with more files creates a new revision, and the old revision keeps its five files."""
    name = work.create("add", simple_entries(target.data))
    old = quilt_ops.get_package_info(name, work.registry).top_hash
    more = [
        {"logical_key": "extra/single.csv", "physical_key": f"s3://{target.data}/single-file/data.csv"},
        {"logical_key": "README.md", "physical_key": f"s3://{target.data}/nested-structure/README.md"},
    ]
    work.await_next_second(name)
    result = quilt_ops.update_package_revision(name, work.registry, [*simple_entries(target.data), *more])
    assert result.top_hash != old
    assert result.file_count == 7
    root = [item.path for item in quilt_ops.browse_content(name, work.registry)]
    assert root == ["extra/", "README.md", *SIMPLE_FILES]
    assert [item.path for item in quilt_ops.browse_content(name, work.registry, "extra")] == ["extra/single.csv"]
    before = quilt_ops.browse_content(name, work.registry, top_hash=old)
    assert {item.path: item.size for item in before} == {p: seeds.size("simple-csv", p) for p in SIMPLE_FILES}
    revisions = quilt_ops.list_package_revisions(name, work.registry)
    assert [revision.top_hash for revision in revisions] == [result.top_hash, old]


@case(tier="critical", category="update", needs=("write",), journey=JOURNEY)
def test_remove_files(quilt_ops: quilt.QuiltOps, work: Work, seeds: Seeds, target: Settings, backend: str) -> None:
    """An update with fewer files removes the others from the new revision only."""
    name = work.create("remove", simple_entries(target.data))
    old = quilt_ops.get_package_info(name, work.registry).top_hash
    work.await_next_second(name)
    kept = SIMPLE_FILES[:3]
    result = quilt_ops.update_package_revision(name, work.registry, simple_entries(target.data, kept))
    assert result.file_count == 3
    assert [item.path for item in quilt_ops.browse_content(name, work.registry)] == kept
    with pytest.raises(quilt.NotFoundError) as caught:
        quilt_ops.get_content_url(name, work.registry, "data5.csv")
    assert caught.type is quilt.NotFoundError
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "get_content_url",
        "resource_type": "file",
        "identifier": "data5.csv",
        "search_location": f"{work.registry}/{name}",
    }
    before = quilt_ops.browse_content(name, work.registry, top_hash=old)
    assert {item.path: item.size for item in before} == {p: seeds.size("simple-csv", p) for p in SIMPLE_FILES}


@case(tier="critical", category="update", needs=("write",), journey=JOURNEY)
def test_modify_content(
    quilt_ops: quilt.QuiltOps, work: Work, observer: Observer, seeds: Seeds, target: Settings
) -> None:
    """A revision returns the bytes that its source had at its creation, whatever the source contains later."""
    name = work.create("modify", simple_entries(target.data))
    old = quilt_ops.get_package_info(name, work.registry).top_hash
    source = work.put("modify", "source.csv", observer.read(target.data, "simple-csv/data2.csv"))
    changed = [{"logical_key": "data1.csv", "physical_key": source}, *simple_entries(target.data, SIMPLE_FILES[1:])]
    work.await_next_second(name)
    new = quilt_ops.update_package_revision(name, work.registry, changed).top_hash
    work.put("modify", "source.csv", observer.read(target.data, "simple-csv/data3.csv"))
    assert new != old

    def bytes_of(top_hash: str | None) -> str:
        url = quilt_ops.get_content_url(name, work.registry, "data1.csv", top_hash)
        answer = requests.get(url, timeout=TIMEOUT_S)
        assert answer.status_code == 200
        return sha256_hex(answer.content)

    assert bytes_of(None) == seeds.sha256("simple-csv", "data2.csv")
    assert bytes_of(old) == seeds.sha256("simple-csv", "data1.csv")


@case(tier="high", category="update", needs=("write",), journey=JOURNEY)
def test_merge_metadata(quilt_ops: quilt.QuiltOps, work: Work, observer: Observer, target: Settings) -> None:
    """An update merges metadata key by key, and keeps the files if none are given."""
    given = {"tags": ["test"], "keep": {"a": 1}}
    name = work.create("merge", simple_entries(target.data), metadata=given)
    old = quilt_ops.get_package_info(name, work.registry).top_hash
    work.await_next_second(name)
    change = {"tags": ["test", "updated"], "description": "New description"}
    result = quilt_ops.update_package_revision(name, work.registry, None, metadata=change)
    assert result.top_hash != old
    assert quilt_ops.get_package_metadata(name, work.registry) == {
        "tags": ["test", "updated"],
        "keep": {"a": 1},
        "description": "New description",
    }
    assert [item.path for item in quilt_ops.browse_content(name, work.registry)] == SIMPLE_FILES
    before, after = observer.manifest(work.bucket, old), observer.manifest(work.bucket, result.top_hash)
    assert after.entries == before.entries
    assert after.computed_hash == result.top_hash


@case(tier="high", category="update", needs=("write",), journey=JOURNEY)
def test_update_missing_package(
    quilt_ops: quilt.QuiltOps, work: Work, observer: Observer, target: Settings, backend: str
) -> None:
    """An update of a missing package is rejected with a hint at the remedy, and creates nothing."""
    name = work.package_name("nonexistent")
    with pytest.raises(quilt.NotFoundError, match="create_package_revision") as caught:
        quilt_ops.update_package_revision(name, work.registry, simple_entries(target.data))
    assert caught.type is quilt.NotFoundError
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "update_package_revision",
        "resource_type": "package",
        "identifier": name,
        "search_location": work.registry,
    }
    assert observer.registry_state(work.bucket, name) == {}
