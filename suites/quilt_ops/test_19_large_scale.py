"""Packages of ten thousand files: browsed, created and compared in full."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from nightproof import quilt
from nightproof.evidence import case
from suites._support.speed import Call
from suites._support.speed import run_alone

if TYPE_CHECKING:
    from collections.abc import Callable

    from suites._support.isolated import Isolated
    from suites._support.observer import Observer
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings
    from suites._support.work import Work

LARGE = "bulk/files-10000"
MB = 1_000_000
EACH_S, ALL_S = 10, 60
CREATE_S, DIFF_S = 300, 60
STAMP = 1_700_000_000
SIZE = """
query Size($bucket: String!, $name: String!) {
  package(bucket: $bucket, name: $name) { revision(hashOrTag: "latest") { totalEntries totalBytes } }
}
"""


@pytest.mark.timeout(300)
@case(tier="normal", category="scale", journey="browse-data", serial=True)
def test_browse_10000_files(isolated: Isolated, seeds: Seeds, target: Settings) -> None:
    """Ten directories of a thousand files are each listed in full, within the limits of time and memory."""
    registry, folders = f"s3://{target.perf}", seeds.bulk_folders
    calls: list[Call] = [("browse_content", [LARGE, registry, folder], {}) for folder in ["", *folders]]

    run = run_alone(isolated, target, calls, limit_s=ALL_S * target.time_factor, timeouts=None)

    root, *listings = run.results
    assert [(item["path"], item["type"]) for item in root] == [(f"{folder}/", "directory") for folder in folders]
    assert len(listings) == 10
    for folder, listing in zip(folders, listings, strict=True):
        assert [item["path"] for item in listing] == [f"{folder}/{file}" for file in seeds.bulk_files]
        assert len(listing) == 1000
        assert {(item["size"], item["type"]) for item in listing} == {(100, "file")}
    assert max(run.seconds) < EACH_S * target.time_factor
    assert sum(run.seconds) < ALL_S * target.time_factor
    assert run.grown_bytes < 500 * MB


@pytest.mark.timeout(600)
@case(tier="normal", category="scale", needs=("write",), journey="publish-data", serial=True)
def test_create_10000_files(
    make_ops: Callable[..., quilt.QuiltOps], work: Work, observer: Observer, seeds: Seeds, target: Settings
) -> None:
    """Ten thousand objects become one complete package by reference, under the hash of the stored manifest."""
    limit_s = CREATE_S * target.time_factor
    bounds = quilt.Timeouts(write_s=limit_s, s3_attempts=1)
    ops = make_ops(target.credentials(target.user), timeouts=bounds)
    paths = [f"{folder}/{file}" for folder in seeds.bulk_folders for file in seeds.bulk_files]
    entries = [{"logical_key": path, "physical_key": f"s3://{target.perf}/bulk-src/{path}"} for path in paths]
    name = work.package_name("bulk")
    began = time.monotonic()
    result = ops.create_package_revision(name, work.registry, entries)
    assert time.monotonic() - began < limit_s
    assert result.file_count == 10_000
    manifest = observer.manifest(work.bucket, result.top_hash)
    assert result.top_hash == manifest.computed_hash == observer.latest(work.bucket, name)[0]
    assert sorted(manifest.entries) == paths
    seeded = observer.manifest(target.perf, seeds.top_hash(LARGE))
    assert {key: (line["hash"], line["size"]) for key, line in manifest.entries.items()} == {
        key: (line["hash"], line["size"]) for key, line in seeded.entries.items()
    }
    answer = ops.execute_graphql_query(SIZE, {"bucket": work.bucket, "name": name})
    assert answer["data"]["package"]["revision"] == {"totalEntries": 10_000, "totalBytes": 1_000_000}


@pytest.mark.timeout(300)
@case(tier="normal", category="scale", needs=("write",), journey="publish-data", serial=True)
def test_diff_10000_files(
    quilt_ops: quilt.QuiltOps, work: Work, observer: Observer, seeds: Seeds, target: Settings
) -> None:
    """A diff over ten thousand files finds exactly the one added, the one removed and the one modified file."""
    header, *lines = observer.read(target.perf, f".quilt/packages/{seeds.top_hash(LARGE)}").decode().splitlines()
    entries = [json.loads(line) for line in lines]
    removed, changed, last = entries[2000], entries[7000], entries[-1]
    # The revisions differ near the middle: a client that lost the same entries of both would report no difference.
    second = [entry for entry in entries if entry is not removed]
    second[second.index(changed)] = changed | {"hash": last["hash"], "physical_keys": last["physical_keys"]}
    added = last | {"logical_key": "dir_09/new.bin"}
    name = work.package_name("diff")
    first_hash = work.store(name, json.loads(header), entries, stamp=STAMP)
    second_hash = work.store(name, json.loads(header), [*second, added], stamp=STAMP + 1)
    began = time.monotonic()
    found = quilt_ops.diff_packages(name, name, work.registry, first_hash, second_hash)
    assert time.monotonic() - began < DIFF_S * target.time_factor
    assert found == {
        "added": ["dir_09/new.bin"],
        "removed": [removed["logical_key"]],
        "modified": [changed["logical_key"]],
    }
