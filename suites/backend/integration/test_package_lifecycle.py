"""The life of a package from its first to its last revision, and a second life under the same name."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from typing import Any

import pytest
import requests

from nightproof import quilt
from nightproof.evidence import case
from nightproof.evidence import observe
from suites._support.hashes import sha256_hex
from suites._support.index import await_index
from suites._support.index import found_packages

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.quilt.records import Package_Creation_Result
    from suites._support.observer import Observer
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings
    from suites._support.work import Work

JOURNEY = "publish-data"
TIMEOUT_S = 30
CREATE_LIMIT_S = 60
FILES = {f"data/data{number}.csv": f"data{number}.csv" for number in (1, 2, 3)}
CHANGED = FILES | {"data/data2.csv": "data4.csv", "extra.csv": "data5.csv"}
FIRST: dict[str, Any] = {"message": "Lifecycle", "metadata": {"stage": "first", "tags": ["lifecycle"]}}


def entries_of(bucket: str, files: dict[str, str]) -> list[dict[str, Any]]:
    """Return entries for files of simple-csv under other names."""
    return [{"logical_key": key, "physical_key": f"s3://{bucket}/simple-csv/{file}"} for key, file in files.items()]


def timed(act: Callable[[], Package_Creation_Result], limit_s: float) -> Package_Creation_Result:
    """Run a write and check that it stays within its limit."""
    began = time.monotonic()
    result = act()
    assert time.monotonic() - began < limit_s
    return result


def sums(quilt_ops: quilt.QuiltOps, name: str, registry: str, top_hash: str, paths: list[str]) -> dict[str, str]:
    """Return the SHA-256 of a revision's files, downloaded from their URLs, by path."""
    found = {}
    for path in paths:
        answer = requests.get(quilt_ops.get_content_url(name, registry, path, top_hash), timeout=TIMEOUT_S)
        assert answer.status_code == 200
        found[path] = sha256_hex(answer.content)
    observe("content", found)
    return found


@case(tier="critical", category="integration-write", needs=("write",), journey=JOURNEY)
def test_full_lifecycle(
    quilt_ops: quilt.QuiltOps, work: Work, observer: Observer, seeds: Seeds, target: Settings
) -> None:
    """After each step of a package's life, every reader finds exactly what was requested."""
    name, limit_s = work.package_name("life"), CREATE_LIMIT_S * target.time_factor
    said = FIRST | {"message": work.own_message("Lifecycle")}
    assert name not in quilt_ops.list_all_packages(work.registry)
    given = entries_of(target.data, FILES)
    first = timed(lambda: quilt_ops.create_package_revision(name, work.registry, given, **said), limit_s)
    _check_revision(quilt_ops, work, observer, name, first.top_hash, FIRST["metadata"], seeds, FILES)
    work.await_next_second(name)
    more, changed = {"stage": "second"}, entries_of(target.data, CHANGED)
    second = timed(
        lambda: quilt_ops.update_package_revision(name, work.registry, changed, message="Changed", metadata=more),
        limit_s,
    )
    written = time.monotonic()
    _check_revision(quilt_ops, work, observer, name, second.top_hash, FIRST["metadata"] | more, seeds, CHANGED)
    assert quilt_ops.diff_packages(name, name, work.registry, first.top_hash, second.top_hash) == {
        "added": ["extra.csv"],
        "removed": [],
        "modified": ["data/data2.csv"],
    }
    hit = (name, second.top_hash, None, ("lifecycle",), "Changed")
    await_index(lambda: found_packages(quilt_ops, name, work.registry), [hit], since=written)
    _check_copy(quilt_ops, work, observer, first.top_hash, given, said, limit_s)
    revisions = [found.top_hash for found in quilt_ops.list_package_revisions(name, work.registry)]
    assert revisions == [second.top_hash, first.top_hash]
    quilt_ops.delete_package(name, work.registry, first.top_hash)
    revisions = [found.top_hash for found in quilt_ops.list_package_revisions(name, work.registry)]
    assert revisions == [second.top_hash] == [observer.latest(work.bucket, name)[0]]
    quilt_ops.delete_package(name, work.registry)
    gone = time.monotonic()
    assert observer.registry_state(work.bucket, name) == {}
    assert name not in quilt_ops.list_all_packages(work.registry)
    await_index(lambda: found_packages(quilt_ops, name, work.registry), [], since=gone)


def _check_revision(
    quilt_ops: quilt.QuiltOps,
    work: Work,
    observer: Observer,
    name: str,
    top_hash: str,
    metadata: Any,
    seeds: Seeds,
    files: dict[str, str],
) -> None:
    """Compare the newest revision, as every reader returns it, with the data that the test sent."""
    manifest = observer.manifest(work.bucket, top_hash)
    assert top_hash == manifest.computed_hash == observer.latest(work.bucket, name)[0]
    info = quilt_ops.get_package_info(name, work.registry)
    assert (info.name, info.top_hash, info.tags) == (name, top_hash, ("lifecycle",))
    assert manifest.header["message"] == info.message
    assert quilt_ops.get_package_metadata(name, work.registry) == metadata == manifest.header["user_meta"]
    items = quilt_ops.browse_content(name, work.registry) + quilt_ops.browse_content(name, work.registry, "data")
    found = {item.path: item.size for item in items if item.type == "file"}
    assert found == {path: seeds.size("simple-csv", file) for path, file in files.items()}
    assert manifest.entries.keys() == files.keys()
    expected = {path: seeds.sha256("simple-csv", file) for path, file in files.items()}
    assert sums(quilt_ops, name, work.registry, top_hash, sorted(files)) == expected


def _check_copy(
    quilt_ops: quilt.QuiltOps,
    work: Work,
    observer: Observer,
    top_hash: str,
    given: list[dict[str, Any]],
    said: dict[str, Any],
    limit_s: float,
) -> None:
    """Copy the first revision to a new package: same content and hash, but its own objects."""
    copy = work.package_name("life-copy")
    result = timed(lambda: quilt_ops.create_package_revision(copy, work.registry, given, copy=True, **said), limit_s)
    assert result.top_hash == top_hash == observer.latest(work.bucket, copy)[0]
    stored = observer.manifest(work.bucket, result.top_hash)
    assert {path: entry["physical_keys"][0].partition("?")[0] for path, entry in stored.entries.items()} == {
        path: f"{work.registry}/{copy}/{path}" for path in FILES
    }
    assert observer.inventory(work.bucket, f"{copy}/").keys() == {f"{copy}/{path}" for path in FILES}
    assert [item.path for item in quilt_ops.browse_content(copy, work.registry, "data")] == sorted(FILES)


@case(tier="critical", category="integration-write", needs=("write",), journey=JOURNEY)
def test_delete_then_rebrowse(
    quilt_ops: quilt.QuiltOps, work: Work, observer: Observer, target: Settings, backend: str
) -> None:
    """A deleted package is missing for every call, and a new package of its name starts without its revisions."""
    name = work.package_name("reborn")
    first = quilt_ops.create_package_revision(name, work.registry, entries_of(target.data, FILES), **FIRST)
    assert [item.path for item in quilt_ops.browse_content(name, work.registry)] == ["data/"]
    work.await_next_second(name)
    quilt_ops.delete_package(name, work.registry)
    calls: dict[str, Callable[[], Any]] = {
        "get_package_info": lambda: quilt_ops.get_package_info(name, work.registry),
        "browse_content": lambda: quilt_ops.browse_content(name, work.registry),
        "get_content_url": lambda: quilt_ops.get_content_url(name, work.registry, "data/data1.csv"),
        "list_package_revisions": lambda: quilt_ops.list_package_revisions(name, work.registry),
        "delete_package": lambda: quilt_ops.delete_package(name, work.registry),
    }
    for operation, call in calls.items():
        with pytest.raises(quilt.NotFoundError) as caught:
            call()
        assert caught.type is quilt.NotFoundError
        assert caught.value.context == {
            "backend_type": backend,
            "operation": operation,
            "resource_type": "package",
            "identifier": name,
            "search_location": work.registry,
        }
    assert name not in quilt_ops.list_all_packages(work.registry)
    assert observer.registry_state(work.bucket, name) == {}
    second = quilt_ops.create_package_revision(name, work.registry, entries_of(target.data, {"new.csv": "data4.csv"}))
    assert second.top_hash != first.top_hash
    assert [item.path for item in quilt_ops.browse_content(name, work.registry)] == ["new.csv"]
    assert [found.top_hash for found in quilt_ops.list_package_revisions(name, work.registry)] == [second.top_hash]
    assert observer.latest(work.bucket, name)[0] == second.top_hash
    before = quilt_ops.browse_content(name, work.registry, "data", first.top_hash)
    assert [item.path for item in before] == sorted(FILES)
