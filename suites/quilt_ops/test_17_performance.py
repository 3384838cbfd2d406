"""Speed and memory, judged by the median of three runs; time limits scale with the target's time factor."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from nightproof.evidence import case
from suites._support.hashes import sha256_hex
from suites._support.speed import Call
from suites._support.speed import Run
from suites._support.speed import run_alone
from suites._support.threads import together
from suites._support.timing import HARD
from suites._support.timing import median_of

if TYPE_CHECKING:
    from nightproof import quilt
    from suites._support.control import Faults
    from suites._support.isolated import Isolated
    from suites._support.observer import Observer
    from suites._support.people import People
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings
    from suites._support.work import Work

JOURNEY = "find-data"
MB = 1_000_000
FLAT = "bulk/files-1000"
CHUNKS = [f"chunk_{number:03}.bin" for number in range(100)]
SEARCH_S, LIST_S, BROWSE_S, CREATE_S, QUERY_S = 5, 10, 10, 120, 30
SPEED = """
query Speed($bucket: String!) {
  packages(bucket: $bucket, filter: "perf/") {
    total
    page(number: 1, perPage: 100) {
      name
      revisions {
        page(number: 1, perPage: 1) {
          hash
          dir(path: "") { path children { __typename ... on PackageFile { path size } ... on PackageDir { path } } }
        }
      }
    }
  }
}
"""
NESTED = "test-user/nested-structure"
LATENCY_S = 0.3
BROWSES, THREADS, RATIO = 40, 10, 0.7
THREADS_S = 120


def runs_of(isolated: Isolated, target: Settings, call: Call, limit_s: float) -> tuple[float, list[Run]]:
    """Run one call in two or three processes until the median is known; return the median in seconds and the runs."""
    runs: list[Run] = []

    def act() -> float:
        runs.append(run_alone(isolated, target, [call], limit_s=limit_s, timeouts=None))
        return runs[-1].seconds[0]

    return median_of(act, limit_s), runs


@case(tier="high", category="performance", journey=JOURNEY, serial=True)
def test_search_speed(isolated: Isolated, seeds: Seeds, target: Settings) -> None:
    """A search with a hundred hits stays within its limits of time and memory."""
    limit_s = SEARCH_S * target.time_factor
    names = [name for name in seeds.names_beside("perf/pkg-000") if name.startswith("perf/")]
    assert len(names) == 100

    median_s, runs = runs_of(isolated, target, ("search_packages", ["perfpkg", f"s3://{target.perf}"], {}), limit_s)

    for run in runs:
        assert sorted(target.ours([hit["name"] for hit in run.results[0]], names)) == names
        assert run.grown_bytes < 100 * MB
    assert median_s < limit_s


@case(tier="high", category="performance", journey=JOURNEY, serial=True)
def test_list_all_speed(isolated: Isolated, seeds: Seeds, target: Settings) -> None:
    """All packages of a registry are listed within the time limit."""
    limit_s = LIST_S * target.time_factor
    names = seeds.names_beside("perf/pkg-000")
    assert len(names) == 103

    median_s, runs = runs_of(isolated, target, ("list_all_packages", [f"s3://{target.perf}"], {}), limit_s)

    for run in runs:
        assert target.ours(run.results[0], names) == names
    assert median_s < limit_s


@case(tier="high", category="performance", journey="browse-data", serial=True)
def test_browse_1000_files(isolated: Isolated, seeds: Seeds, target: Settings) -> None:
    """A directory of a thousand files is listed in full, within its limits of time and memory."""
    limit_s = BROWSE_S * target.time_factor
    files = seeds.bulk_files

    median_s, runs = runs_of(isolated, target, ("browse_content", [FLAT, f"s3://{target.perf}"], {}), limit_s)

    for run in runs:
        assert [(item["path"], item["size"], item["type"]) for item in run.results[0]] == [
            (name, 100, "file") for name in files
        ]
        assert run.grown_bytes < 200 * MB
    assert median_s < limit_s


@pytest.mark.timeout(900)
@case(tier="high", category="performance", needs=("write",), journey="publish-data", serial=True)
def test_create_large_speed(isolated: Isolated, work: Work, observer: Observer, seeds: Seeds, target: Settings) -> None:
    """A hundred files of 5 MB are copied into a package within the limits of time and memory."""
    limit_s = CREATE_S * target.time_factor
    entries = [{"logical_key": path, "physical_key": f"s3://{target.data}/large-package/{path}"} for path in CHUNKS]
    samples = (CHUNKS[0], CHUNKS[49], CHUNKS[99])

    def create() -> float:
        name = work.package_name("speed")
        work.expect_copies(name)
        call: Call = ("create_package_revision", [name, work.registry, entries], {"copy": True})
        bounds = {"write_s": HARD * limit_s, "s3_attempts": 1}
        run = run_alone(isolated, target, [call], limit_s=limit_s, timeouts=bounds)
        top_hash = run.results[0]["top_hash"]
        assert observer.latest(work.bucket, name)[0] == top_hash
        stored = observer.manifest(work.bucket, top_hash).entries
        assert [stored[key]["physical_keys"][0].split("?")[0] for key in CHUNKS] == [
            f"s3://{work.bucket}/{name}/{key}" for key in CHUNKS
        ]
        assert len(stored) == 100
        read = {path: sha256_hex(observer.read(work.bucket, f"{name}/{path}")) for path in samples}
        assert read == {path: seeds.sha256("large-package", path) for path in samples}
        assert run.grown_bytes < 500 * MB
        return run.seconds[0]

    assert median_of(create, limit_s) < limit_s


@case(tier="normal", category="performance", journey=JOURNEY, serial=True)
def test_graphql_speed(quilt_ops: quilt.QuiltOps, seeds: Seeds, target: Settings) -> None:
    """A nested query over a hundred packages, revisions and directories returns exact results within the time limit."""
    limit_s = QUERY_S * target.time_factor
    names = [name for name in seeds.names_beside("perf/pkg-000") if name.startswith("perf/")]
    directory = {"path": "", "children": [{"__typename": "PackageFile", "path": "data.txt", "size": 100}]}

    def ask() -> float:
        began = time.monotonic()
        answer = quilt_ops.execute_graphql_query(SPEED, {"bucket": target.perf}, timeout_s=HARD * limit_s)
        seconds = time.monotonic() - began
        found = answer["data"]["packages"]
        assert found["total"] == 100
        assert {package["name"]: package["revisions"]["page"] for package in found["page"]} == {
            name: [{"hash": seeds.top_hash(name), "dir": directory}] for name in names
        }
        return seconds

    assert median_of(ask, limit_s) < limit_s


@pytest.mark.timeout(240)
@case(
    tier="high",
    category="performance",
    needs=("fault", "admin", "mint_jwt"),
    journey="work-together",
    serial=True,
)
def test_concurrent_speed(people: People, test_registry: str, seeds: Seeds, fault: Faults, target: Settings) -> None:
    """Ten threads that browse at once are served concurrently: their waits for a slow server overlap."""
    name = people.create("speed").name
    ops, expected = people.sign_in(name), seeds.children("nested-structure")
    folders = sorted(expected)[:THREADS] * (BROWSES // THREADS)

    def browse(folder: str) -> tuple[str, list[str]]:
        return folder, [item.path for item in ops.browse_content(NESTED, test_registry, folder)]

    def share(mine: list[str]) -> list[tuple[str, list[str]]]:
        return [browse(folder) for folder in mine]

    browse("")
    fault.set("catalog", "latency", operation="read", seconds=LATENCY_S, user=name)
    fault.set(
        "aws", "latency", operation="GetObject", bucket=target.packages, prefix=".quilt/packages/", seconds=LATENCY_S,
        user=name,
    )  # fmt: skip
    began = time.monotonic()
    alone = share(folders)
    alone_s, began = time.monotonic() - began, time.monotonic()
    at_once = together([partial(share, folders[number::THREADS]) for number in range(THREADS)], THREADS_S)
    at_once_s = time.monotonic() - began
    assert len(alone) == BROWSES
    assert alone == [(folder, expected[folder]) for folder in folders]
    assert at_once == [[alone[number]] * (BROWSES // THREADS) for number in range(THREADS)]
    assert at_once_s < RATIO * alone_s
