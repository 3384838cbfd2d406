"""Data discovery from a catalog's buckets to a file's first lines: through QuiltOps, quilt3 and the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from nightproof.evidence import case
from nightproof.evidence import observe
from suites._support import catalog_documents as documents
from suites._support.hashes import sha256_hex

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nightproof.quilt import QuiltOps
    from suites._support.isolated import Isolated
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings

JOURNEY = "find-data"
TIMEOUT_S = 30
SIMPLE = "test-user/simple-csv"
MIXED = "test-user/mixed-formats"
PREVIEW_BYTES = 4096
PREVIEW_LINES = 10
README = "readme/simple-csv.md"
PERF_WORD = "perfpkg"


def _buckets(target: Settings) -> list[tuple[str, str, str]]:
    """Return name, region and access level of every bucket that the test user sees."""
    here, read, write = target.region, "read", "read_write"
    levels = {target.data: read, target.scratch: write, target.packages: read, target.work: write, target.perf: read}
    return sorted([(name, here, level) for name, level in levels.items()] + [(target.west, "us-west-2", read)])


@case(tier="critical", category="workflows-read", journey=JOURNEY)
def test_data_discovery_workflow(quilt_ops: QuiltOps, test_registry: str, seeds: Seeds, target: Settings) -> None:
    """A user without prior knowledge finds the buckets, their packages, those for a word, and a package's content."""
    found = [(bucket.name, bucket.region, bucket.access_level) for bucket in quilt_ops.list_buckets()]
    expected = _buckets(target)
    assert target.ours([name for name, _, _ in found], target.visible_buckets) == [name for name, _, _ in expected]
    assert [bucket for bucket in found if bucket[0] in target.visible_buckets] == expected
    for bucket in sorted(target.visible_buckets - {target.work, target.scratch}):  # tests write there
        seeded = sorted(seeds.packages_of({bucket}))
        assert target.ours(quilt_ops.list_all_packages(f"s3://{bucket}"), seeded) == seeded
    words = {
        "csv": set(seeds.manifest["search"]["csv"]),
        "nested": {"test-user/nested-structure"},
        "baseline": set(seeds.package_names),
    }
    for word, names in words.items():
        hits = quilt_ops.search_packages(word, test_registry)
        assert [(hit.name, hit.top_hash) for hit in hits] == [
            (name, seeds.top_hash(name)) for name in seeds.newest_first(names)
        ]
    info = quilt_ops.get_package_info(SIMPLE, test_registry)
    assert (info.top_hash, info.description) == (seeds.top_hash(SIMPLE), "Five small tables")
    items = quilt_ops.browse_content(SIMPLE, test_registry)
    assert [(item.path, item.size) for item in items] == [(f"data{n}.csv", 200_000) for n in range(1, 6)]
    _check_preview(quilt_ops, test_registry, items[-1].path, seeds)


def _check_preview(quilt_ops: QuiltOps, registry: str, path: str, seeds: Seeds) -> None:
    """Read the first lines of a file by an HTTP range and compare them with the whole file."""
    url = quilt_ops.get_content_url(SIMPLE, registry, path)
    part = requests.get(url, headers={"Range": f"bytes=0-{PREVIEW_BYTES - 1}"}, timeout=TIMEOUT_S)
    assert (part.status_code, len(part.content)) == (206, PREVIEW_BYTES)
    lines = part.content.decode().splitlines()[:PREVIEW_LINES]
    assert lines[0] == "id,name,value,category,timestamp,note"
    assert [line.split(",")[0] for line in lines[1:]] == [str(number) for number in range(PREVIEW_LINES - 1)]
    whole = requests.get(url, timeout=TIMEOUT_S).content
    assert sha256_hex(whole) == seeds.sha256("simple-csv", path)
    assert whole.startswith(part.content)
    observe("preview", lines)


@case(tier="high", category="workflows-read", journey=JOURNEY, unsupported={"platform": "library-only"})
def test_data_discovery_workflow_quilt3_only(
    isolated: Isolated, seeds: Seeds, target: Settings, own_refresh_token: Callable[[str], str], tmp_path: Path
) -> None:
    """The quilt3 library lists, fetches, verifies, installs and finds the seeded data, and detects damage."""
    found = isolated.run(
        "library",
        home=tmp_path / "home",
        refresh_token=own_refresh_token(target.user),
        folder=str(tmp_path),
        package=SIMPLE,
        damage="data2.csv",
        query="csv",
        narrow_query="simple-csv",
    )
    assert target.ours(found["listed"], seeds.package_names) == seeds.package_names
    assert found["top_hash"] == seeds.top_hash(SIMPLE)
    entries = seeds.entries("simple-csv")
    files = {path: [entry["sha256"], entry["bytes"]] for path, entry in entries.items()}
    assert found["files"] == found["installed"] == files
    assert found["verified"] == [True, False]
    assert found["local"] == [SIMPLE]
    packages = f"{target.packages}_packages"
    assert {tuple(hit) for hit in found["in_bucket"]} == {(packages, name) for name in seeds.manifest["search"]["csv"]}
    readable = [hit for hit in found["everywhere"] if hit[0] in {packages, target.data}]
    assert sorted(readable) == sorted(
        [[packages, SIMPLE], *([target.data, f"simple-csv/{path}"] for path in entries), [target.data, README]]
    )


@case(
    tier="high", category="workflows-read", needs=("admin",), journey=JOURNEY, unsupported={"quilt3": "catalog-only"}
)  # fmt: skip
def test_data_discovery_workflow_platform_only(
    quilt_ops: QuiltOps, admin_ops: QuiltOps, test_registry: str, seeds: Seeds, target: Settings
) -> None:
    """Both search dialects return the same hits in order and across pages, and a browsing session ends when closed."""
    names = sorted(name for name in seeds.packages_of({target.perf}) if name.startswith("perf/"))
    asked = {"buckets": [target.perf], "text": PERF_WORD}
    new = documents.search(quilt_ops, documents.SEARCH_NEW, **asked, ordering="sys:name:asc")
    old = documents.search(quilt_ops, documents.SEARCH_OLD, **asked, order="LEX_ASC")
    assert new == old
    assert (new["total"], new["stats"]["entries"]) == (100, {"min": 1, "max": 1})
    assert new["stats"]["size"] == {"min": 100, "max": 100}
    pages = documents.pages(quilt_ops, new["firstPage"])
    assert [len(page) for page in pages] == [30, 30, 30, 10]
    assert [hit["name"] for page in pages for hit in page] == names
    assert {hit["name"]: hit["hash"] for page in pages for hit in page} == {n: seeds.top_hash(n) for n in names}
    narrowed = documents.search(
        quilt_ops,
        documents.SEARCH_NEW,
        **asked,
        filter={"name": {"wildcard": "perf/pkg-00*"}},
        ordering="sys:name:desc",
    )
    assert [hit["name"] for hit in narrowed["firstPage"]["hits"]] == names[9::-1]
    for ordering, name in {"sideways": "ordering", "sys:comment:asc": "UnsupportedSort"}.items():
        refused = documents.search(quilt_ops, documents.SEARCH_NEW, **asked, ordering=ordering)["firstPage"]
        assert (refused["__typename"], [error["name"] for error in refused["errors"]]) == ("InvalidInput", [name])
    _check_session(quilt_ops, admin_ops, test_registry, seeds)


def _check_session(quilt_ops: QuiltOps, other: QuiltOps, registry: str, seeds: Seeds) -> None:
    """Open, use, extend and close a browsing session.

    It serves no other user and returns the requested file.
    """
    session = documents.open_session(quilt_ops, registry, MIXED, seeds.top_hash(MIXED))
    for path in ("data.json", "image.jpg"):
        answer = documents.redirected(quilt_ops, session["id"], path)
        assert answer.status_code == 302
        content = requests.get(answer.headers["Location"], timeout=TIMEOUT_S).content
        assert sha256_hex(content) == seeds.sha256("mixed-formats", path)
    assert documents.redirected(quilt_ops, session["id"], "absent.txt").status_code == 404
    assert documents.redirected(other, session["id"], "data.json").status_code == 403
    later = documents.extend_session(quilt_ops, session["id"])
    assert (later["id"], later["expires"] > session["expires"]) == (session["id"], True)
    assert documents.end_session(quilt_ops, session["id"]) == {"__typename": "Ok"}
    assert documents.redirected(quilt_ops, session["id"], "data.json").status_code == 410
