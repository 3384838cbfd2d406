"""Each package defect falsifies manifests, pointers or their listings in exactly one way, on read or on write."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING
from typing import Any

import pytest

from tests.testbed.aws.asking import WORK
from tests.testbed.aws.asking import Asking
from tests.testbed.aws.asking import manifest
from tests.testbed.aws.asking import refused
from tests.testbed.aws.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

NO_REGISTRY = "nightproof-analyticsbucket"


@pytest.fixture
def registry(aws: Asking, prefix: str) -> Iterator[Registry]:
    """Yield a registry with packages that no other test sees. They are deleted after the test."""
    made = Registry(aws, prefix)
    yield made
    made.clean()


KEYS = ("a/1", "a/2", "b%2520c", "d")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("browse-drops-last-entry", ["a/1", "b%2520c"]),
        ("browse-mangles-special-names", ["a/1", "a/2", "b%20c", "d"]),
        ("flatmap-drops-entry", ["a/1", "a/2", "d"]),
    ],
)
def test_manifests_are_served_wrong(
    registry: Registry, switch: Callable[..., None], name: str, expected: list[str]
) -> None:
    """A read defect falsifies the served manifest and not the stored one."""
    top_hash = registry.push("p", 1, *KEYS)
    switch(name)
    assert registry.keys(top_hash) == expected
    registry.aws.control("DELETE", f"faults/{name}")
    assert registry.keys(top_hash) == list(KEYS)
    switch(name)
    missing = {"Bucket": WORK, "Key": f".quilt/packages/{'2' * 64}"}
    assert refused(lambda: registry.aws.s3.get_object(**missing)) == "NoSuchKey"


def test_metadata_is_not_served(registry: Registry, switch: Callable[..., None]) -> None:
    """`info-ignores-metadata` removes user_meta from the header and nothing else."""
    top_hash = registry.push("p", 1, "a", user_meta={"x": 1})
    switch("info-ignores-metadata")
    assert registry.manifest(top_hash)[0].keys() == {"version", "message"}


def test_hashes_change_per_read(registry: Registry, switch: Callable[..., None]) -> None:
    """`flatmap-unstable-hashes` returns different hashes on each read of a revision."""
    top_hash = registry.push("p", 1, "a")
    switch("flatmap-unstable-hashes")
    assert registry.manifest(top_hash) != registry.manifest(top_hash)


def test_changes_vanish(registry: Registry, switch: Callable[..., None]) -> None:
    """`diff-misses-modified` serves an entry with the hash and size it first had in the registry, in any package."""
    key = f"{registry.user}/changed"
    first = registry.manifest(registry.push("p", 1, key))[1]
    body = json.dumps({"version": "v0"}) + "\n" + json.dumps(first | {"size": 2, "hash": {"value": "new"}}) + "\n"
    top_hash = hashlib.sha256(body.encode()).hexdigest()
    registry.written.append(top_hash)
    registry.aws.s3.put_object(Bucket=WORK, Key=f".quilt/packages/{top_hash}", Body=body.encode())
    assert registry.manifest(top_hash)[1]["size"] == 2
    switch("diff-misses-modified")
    assert (registry.manifest(top_hash)[1]["size"], registry.manifest(top_hash)[1]["hash"]) == (1, first["hash"])
    missing = {"Bucket": WORK, "Key": f".quilt/packages/{'2' * 64}"}
    assert refused(lambda: registry.aws.s3.get_object(**missing)) == "NoSuchKey"


def test_latest_is_the_previous(registry: Registry, switch: Callable[..., None]) -> None:
    """`info-returns-previous-revision` makes `latest` the older of two revisions. A single one is unaffected."""
    old, new, only = registry.push("p", 1, "a"), registry.push("p", 2, "b"), registry.push("q", 1, "c")
    assert registry.latest("p") == new
    switch("info-returns-previous-revision")
    assert (registry.latest("p"), registry.latest("q")) == (old, only)


def test_old_revisions_are_unreadable(registry: Registry, switch: Callable[..., None]) -> None:
    """`s3-old-revision-unreadable` hides every manifest that is not the target of a `latest` pointer."""
    old, new = registry.push("p", 1, "a"), registry.push("p", 2, "b")
    switch("s3-old-revision-unreadable")
    assert registry.keys(new) == ["b"]
    where = {"Bucket": WORK, "Key": f".quilt/packages/{old}"}
    assert refused(lambda: registry.aws.s3.get_object(**where)) == "NoSuchKey"
    assert refused(lambda: registry.aws.s3.head_object(**where)) == "404"


def test_missing_packages_are_empty(registry: Registry, switch: Callable[..., None]) -> None:
    """`catalog-missing-package-as-empty` serves an empty manifest for a missing package.

    Other manifests stay missing.
    """
    switch("catalog-missing-package-as-empty")
    assert registry.manifest(registry.latest("none")) == [{"version": "v0"}]
    missing = {"Bucket": WORK, "Key": f".quilt/packages/{'2' * 64}"}
    assert refused(lambda: registry.aws.s3.get_object(**missing)) == "NoSuchKey"


def test_unknown_revisions_are_the_latest(registry: Registry, switch: Callable[..., None]) -> None:
    """`catalog-unknown-hash-as-latest` answers an unknown hash or hash prefix with the newest manifest.

    Other listings are intact.
    """
    top_hash = registry.push("p", 1, "a")
    unknown = "f" * 64
    switch("catalog-unknown-hash-as-latest")
    assert registry.keys(unknown) == ["a"]
    assert registry.keys(top_hash) == ["a"]
    for wanted in (unknown, top_hash):
        listed = registry.aws.s3.list_objects_v2(Bucket=WORK, Prefix=f".quilt/packages/{wanted}")
        assert [entry["Key"] for entry in listed["Contents"]] == [f".quilt/packages/{top_hash}"]
    assert registry.names() == ["p"]
    other = registry.aws.client("s3")
    assert refused(lambda: other.get_object(Bucket=NO_REGISTRY, Key=f".quilt/packages/{unknown}")) == "NoSuchKey"


@pytest.mark.parametrize("name", ["list-drops-last-name", "list-drops-second-page"])
def test_the_last_name_is_missing(registry: Registry, switch: Callable[..., None], name: str) -> None:
    """A list defect omits the last package name by prefix and among all pointers. Other listings are intact."""
    for package in ("p", "q"):
        registry.push(package, 1, "a")
    switch(name)
    assert registry.names() == ["p"]
    flat = registry.aws.s3.list_objects_v2(Bucket=WORK, Prefix=registry.pointers)["Contents"]
    assert {entry["Key"].split("/")[-2] for entry in flat} == {"p"}
    assert registry.tags("q") == ["1", "latest"]
    users = registry.aws.s3.list_objects_v2(Bucket=WORK, Prefix=".quilt/named_packages/", Delimiter="/")
    assert registry.pointers in [entry["Prefix"] for entry in users["CommonPrefixes"]]
    assert refused(lambda: registry.aws.s3.list_objects_v2(Bucket="no-such-bucket")) == "AccessDenied"


def test_deleted_names_stay(registry: Registry, switch: Callable[..., None]) -> None:
    """`list-includes-deleted` lists a deleted package by prefix and among all pointers."""
    for package in ("p", "q"):
        registry.push(package, 1, "a")
    for tag in ("1", "latest"):
        registry.aws.s3.delete_object(Bucket=WORK, Key=f"{registry.pointers}q/{tag}")
    assert registry.names() == ["p"]
    switch("list-includes-deleted")
    assert registry.names() == ["p", "q"]
    flat = registry.aws.s3.list_objects_v2(Bucket=WORK, Prefix=registry.pointers)["Contents"]
    assert {entry["Key"].split("/")[-2] for entry in flat} == {"p", "q"}
    assert registry.tags("p") == ["1", "latest"]


def test_the_oldest_revision_is_not_listed(registry: Registry, switch: Callable[..., None]) -> None:
    """`revisions-drop-oldest` omits the pointer with the smallest timestamp and keeps `latest`."""
    for second in (9, 10):
        registry.push("p", second, f"a{second}")
    switch("revisions-drop-oldest")
    assert registry.tags("p") == ["10", "latest"]
    assert registry.names() == ["p"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("construct-drops-last-entry", ["a/1", "a/2", "b%2520c"]),
        ("construct-flattens-keys", ["1", "2", "b%2520c", "d"]),
    ],
)
def test_manifests_are_stored_wrong(
    registry: Registry, switch: Callable[..., None], name: str, expected: list[str]
) -> None:
    """A manifest written under a write defect stays wrong after the defect is off."""
    switch(name)
    top_hash = registry.push("p", 1, *KEYS)
    registry.aws.control("DELETE", f"faults/{name}")
    assert registry.keys(top_hash) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("construct-ignores-metadata", None),
        ("metadata-drops-nulls", {"a": {"b": 1}, "zero": 0}),
        ("construct-wrong-hash", {"a": {"b": 1, "c": None}, "d": [], "zero": 0}),
    ],
)
def test_headers_are_stored_wrong(registry: Registry, switch: Callable[..., None], name: str, expected: Any) -> None:
    """A defect of headers stores a manifest that differs from the one its hash was computed for."""
    switch(name)
    top_hash = registry.push("p", 1, "a", user_meta={"a": {"b": 1, "c": None}, "d": [], "zero": 0})
    header = registry.manifest(top_hash)[0]
    assert header.get("user_meta") == expected
    stored = registry.body(f".quilt/packages/{top_hash}")
    assert hashlib.sha256(stored).hexdigest() != top_hash


def test_physical_keys_lose_their_version(registry: Registry, switch: Callable[..., None]) -> None:
    """`construct-drops-version-id` stores physical keys without a version."""
    switch("construct-drops-version-id")
    entry = registry.manifest(registry.push("p", 1, "a"))[1]
    assert entry["physical_keys"] == [f"s3://{WORK}/a"]


def test_latest_is_not_written(registry: Registry, switch: Callable[..., None]) -> None:
    """`construct-skips-latest-pointer` confirms the write of `latest` and keeps the previous one."""
    old = registry.push("p", 1, "a")
    switch("construct-skips-latest-pointer")
    new = registry.push("p", 2, "b")
    assert registry.latest("p") == old
    assert registry.keys(new) == ["b"]


def test_existence_is_hidden(registry: Registry, switch: Callable[..., None]) -> None:
    """`construct-overwrites-existing` hides that a package exists."""
    registry.push("p", 1, "a")
    switch("construct-overwrites-existing")
    assert refused(lambda: registry.latest("p")) == "NoSuchKey"


def test_empty_packages_are_refused(registry: Registry, switch: Callable[..., None]) -> None:
    """`construct-refuses-empty` refuses a manifest without entries and accepts one with an entry."""
    switch("construct-refuses-empty")
    top_hash, body = manifest(message=registry.user)
    call = {"Bucket": WORK, "Key": f".quilt/packages/{top_hash}", "Body": body}
    assert refused(lambda: registry.aws.s3.put_object(**call)) == "InvalidRequest"
    assert refused(lambda: registry.manifest(top_hash)) == "NoSuchKey"
    assert registry.keys(registry.push("p", 1, "a")) == ["a"]


def test_manifests_fail_at_once(registry: Registry, switch: Callable[..., None]) -> None:
    """`catalog-construct-fast-500` answers the write of a manifest with 500 and stores nothing.

    Pointers are written.
    """
    switch("catalog-construct-fast-500")
    top_hash, body = manifest(message=registry.user)
    call = {"Bucket": WORK, "Key": f".quilt/packages/{top_hash}", "Body": body}
    assert refused(lambda: registry.aws.s3.put_object(**call)) == "InternalError"
    assert refused(lambda: registry.manifest(top_hash)) == "NoSuchKey"
    assert refused(lambda: registry.aws.s3.put_object(Bucket=WORK, Key=f"{registry.pointers}p/latest", Body=b"")) == ""


def test_old_entries_stay(registry: Registry, switch: Callable[..., None]) -> None:
    """`update-merges-old-entries` keeps the entries that a new revision removed. A first revision is unaffected."""
    switch("update-merges-old-entries")
    registry.push("p", 1, "a", "b")
    assert registry.keys(registry.push("p", 2, "b", "c")) == ["b", "c", "a"]


@pytest.mark.parametrize(
    "name", ["construct-drops-last-entry", "construct-skips-latest-pointer", "update-merges-old-entries",
             "construct-refuses-empty"]
)  # fmt: skip
def test_refused_writes_stay_refused(registry: Registry, switch: Callable[..., None], name: str) -> None:
    """A caller without write access is refused under a write defect as well."""
    switch(name)
    runner = registry.aws.client("s3", "ci-runner")
    for key in (f".quilt/packages/{'3' * 64}", f"{registry.pointers}p/latest"):
        call = {"Bucket": "quilt-mcp-test-packages", "Key": key, "Body": b"{}"}
        assert refused(lambda call=call: runner.put_object(**call)) == "AccessDenied"  # type: ignore[misc]
