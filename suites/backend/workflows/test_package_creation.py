"""Package creation from one set of files in every way, and under the rules of a registry."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING
from typing import Any

import pytest
import requests

from nightproof import quilt
from nightproof.evidence import case
from nightproof.evidence import observe
from nightproof.evidence import unobserved
from suites._support.hashes import chunked_hash
from suites._support.hashes import sha256_hex
from suites._support.workflows import configured

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.quilt.records import Package_Creation_Result
    from suites._support.observer import Observer
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings
    from suites._support.work import Work

JOURNEY = "publish-data"
TIMEOUT_S = 60
CREATE_LIMIT_S = 60
LARGE = "large/data.csv"
FILES = {
    **{f"tables/data{number}.csv": ("simple-csv", f"data{number}.csv") for number in range(1, 6)},
    **{f"raw/2024/data_{n:03}.csv": ("nested-structure", f"data/raw/2024-01/data_{n:03}.csv") for n in range(6)},
    LARGE: ("mixed-formats", "data.csv"),
}
SAID: dict[str, Any] = {"message": "Twelve files", "metadata": {"kind": "workflow", "count": 12, "none": None}}
STRICT = {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "workflow"}}}
ENTRY_META = {"unit": "mm", "empty": [], "depth": {"a": None}}


def _entries(bucket: str, *, keyed: bool = True) -> list[dict[str, Any]]:
    """Return the twelve entries; one of them has metadata."""
    found: list[dict[str, Any]] = []
    for key, (dataset, path) in FILES.items():
        named = {"logical_key": key} if keyed else {}
        meta = {"meta": ENTRY_META} if key == LARGE else {}
        found.append({"physical_key": f"s3://{bucket}/{dataset}/{path}"} | named | meta)
    return found


def _timed(create: Callable[[], Package_Creation_Result], target: Settings) -> Package_Creation_Result:
    began = time.monotonic()
    result = create()
    assert time.monotonic() - began < CREATE_LIMIT_S * target.time_factor
    assert (result.success, result.file_count) == (True, len(FILES))
    return result


# quilt3 reads the schema of workflow configurations by functions that Python has deprecated.
@pytest.mark.filterwarnings("ignore:(read|open)_text is deprecated:DeprecationWarning")
@case(tier="critical", category="workflows-write", needs=("write",), journey=JOURNEY)
def test_package_creation_workflow(
    quilt_ops: quilt.QuiltOps,
    work: Work,
    scratch_work: Work,
    observer: Observer,
    seeds: Seeds,
    target: Settings,
    backend: str,
) -> None:
    """Creation by reference, by copy, by object keys and under a workflow stores exactly the given content."""
    said = SAID | {"message": work.own_message(SAID["message"])}
    given, names = _entries(target.data), [work.package_name(way) for way in ("reference", "copy", "organized")]
    made = [
        _timed(lambda: quilt_ops.create_package_revision(names[0], work.registry, given, **said), target),
        _timed(lambda: quilt_ops.create_package_revision(names[1], work.registry, given, copy=True, **said), target),
    ]
    assert made[0].top_hash == made[1].top_hash
    _check_files(quilt_ops, work, observer, names[0], said, seeds)
    # Both packages share one manifest. The later creation wrote it, so it points at the copies.
    stored = observer.manifest(work.bucket, made[1].top_hash)
    assert {key: entry["physical_keys"][0].partition("?")[0] for key, entry in stored.entries.items()} == {
        key: f"{work.registry}/{names[1]}/{key}" for key in FILES
    }
    assert observer.inventory(work.bucket, f"{names[1]}/").keys() == {f"{names[1]}/{key}" for key in FILES}
    _check_files(quilt_ops, work, observer, names[1], said, seeds)
    unkeyed = _entries(target.data, keyed=False)
    organized = _timed(
        lambda: quilt_ops.create_package_revision(names[2], work.registry, unkeyed, auto_organize=True, **SAID), target
    )
    kept = {f"{dataset}/{path}" for dataset, path in FILES.values()}
    assert observer.manifest(work.bucket, organized.top_hash).entries.keys() == kept
    listed = quilt_ops.browse_content(names[2], work.registry, "nested-structure/data/raw/2024-01")
    assert [item.path for item in listed] == sorted(key for key in kept if key.startswith("nested-structure/"))
    _check_workflow(quilt_ops, work, scratch_work, observer, target, backend)


def _check_files(
    quilt_ops: quilt.QuiltOps, work: Work, observer: Observer, name: str, said: dict[str, Any], seeds: Seeds
) -> None:
    """Read a package back: every size, every hash, the bytes of the largest file, all metadata."""
    top_hash = observer.latest(work.bucket, name)[0]
    manifest = observer.manifest(work.bucket, top_hash)
    assert manifest.computed_hash == top_hash
    assert (manifest.header["message"], manifest.header["user_meta"]) == (said["message"], said["metadata"])
    assert quilt_ops.get_package_metadata(name, work.registry) == said["metadata"]
    facts = {key: seeds.entries(dataset)[path] for key, (dataset, path) in FILES.items()}
    assert {key: (entry["size"], entry["hash"]["value"]) for key, entry in manifest.entries.items()} == {
        key: (fact["bytes"], fact["sha2_256_chunked"]) for key, fact in facts.items()
    }
    listed = [
        item
        for folder in ("large", "raw/2024", "tables")
        for item in quilt_ops.browse_content(name, work.registry, folder)
    ]
    assert {item.path: item.size for item in listed} == {key: fact["bytes"] for key, fact in facts.items()}
    assert {item.path: item.meta for item in listed if item.meta} == {LARGE: ENTRY_META}
    folders = quilt_ops.browse_content(name, work.registry)
    assert [(item.path, item.size, item.meta) for item in folders] == [
        (folder, None, None) for folder in ("large/", "raw/", "tables/")
    ]
    data = requests.get(quilt_ops.get_content_url(name, work.registry, LARGE), timeout=TIMEOUT_S).content
    assert sha256_hex(data) == facts[LARGE]["sha256"]
    assert chunked_hash(data) == manifest.entries[LARGE]["hash"]["value"]
    observe("content", [sha256_hex(data), len(data)])


def _check_workflow(
    quilt_ops: quilt.QuiltOps, work: Work, scratch_work: Work, observer: Observer, target: Settings, backend: str
) -> None:
    """Under a workflow, valid input creates a package that records the workflow.

    Input that breaks the schema or lacks a message is rejected.
    """
    schema = work.put("schema", "shape.json", json.dumps(STRICT).encode())
    registry, given = scratch_work.registry, _entries(target.data)[:2]
    with configured(observer, target, {"shape": schema}):
        good = scratch_work.package_name("strict")
        with unobserved("the hash covers where the schema lies, and each backend's run has one of its own"):
            made = quilt_ops.create_package_revision(good, registry, given, workflow="strict", **SAID)
        note = observer.manifest(scratch_work.bucket, made.top_hash).header["workflow"]
        assert (note["id"], list(note["schemas"])) == ("strict", ["shape"])
        assert observer.latest(scratch_work.bucket, good)[0] == made.top_hash
        before = observer.inventory(scratch_work.bucket, ".quilt/")
        for broken in ({"metadata": {"kind": "other"}}, {"message": ""}):
            bad = scratch_work.package_name("broken")
            with pytest.raises(quilt.ValidationError) as caught:
                quilt_ops.create_package_revision(bad, registry, given, workflow="strict", **(SAID | broken))
            assert caught.type is quilt.ValidationError
            rule = caught.value.context["validation_rule"]
            assert "workflow" in rule
            assert caught.value.context == {
                "backend_type": backend,
                "operation": "create_package_revision",
                "field_name": "workflow",
                "field_value": "strict",
                "validation_rule": rule,
            }
        assert observer.inventory(scratch_work.bucket, ".quilt/") == before
