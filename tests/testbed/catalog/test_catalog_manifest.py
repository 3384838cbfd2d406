from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.catalog import manifest as manifests
from testbed.catalog.manifest import Manifest
from testbed.catalog.registry import header_of

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"hello", "lZXJ35AHUUjrBoYDZd8zWEt1v/eCpRDGzUiDpBmDPVA="),
        (b"world!", "Je8AqvhMYECRP5ldMuHs9/5OrS1q5KxHFkBLI/2EOuE="),
        (b"", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        (bytes(8 * MIB - 1), "6D2pq48irFt4HfUg5jZ5Mh0xLWnHtZnvhWpbUMHXGos="),
        (bytes(8 * MIB), "MIsGKY+ykqN4CPj3gGGu4Gv03N7OWKWpsZqEf+OrGJs="),
        (bytes(8 * MIB + 1), "Y68lgvvPstmbueZHNVw/WNEIEX0Qxy01vyRB//bzz/g="),
        (bytes(16 * MIB), "N6yszB4nHt/RwDfidjrm4cYcuqCwzeIeLzhORKiwyAM="),
        (bytes(20 * MIB), "7zmHyb00nwkYLqwFgYQ2jBrMWehLGRYkk+0H2X/ZOYk="),
    ],
    ids=["hello", "world", "empty", "below a part", "one part", "two parts", "two whole parts", "three parts"],
)
def test_chunked_hash_gives_the_published_vectors(data: bytes, expected: str) -> None:
    """The chunked hash equals quilt3's at every part boundary."""
    assert manifests.chunked_hash(data) == expected


def entry(key: str, data: bytes, meta: dict[str, Any]) -> dict[str, Any]:
    """Return an entry as it stands in a manifest."""
    value = {"type": "sha2-256-chunked", "value": manifests.chunked_hash(data)}
    return {"logical_key": key, "physical_keys": [f"s3://b/{key}"], "size": len(data), "hash": value, "meta": meta}


def manifest_of(header: dict[str, Any], *entries: dict[str, Any]) -> Manifest:
    """Return a manifest parsed from its stored form, which orders the entries."""
    given_order = {found["logical_key"]: found for found in entries}
    return manifests.parse(manifests.dump(Manifest(header, given_order, {})))


def test_top_hash_of_an_empty_package_is_the_published_one() -> None:
    """The top hash of an empty package is that of its header, with a null message."""
    empty = Manifest(header_of(None, {"d": 1}), {}, {})
    assert manifests.top_hash(empty) == "0b6120633702b50056171eaff77447624fc9a5eeb6026068fb076f9c0736b3c8"


def test_top_hash_walks_the_entries_by_directory_level() -> None:
    """The top hash equals the published vector, whatever the order of the stored entries."""
    header = header_of("first", {"description": "two files", "tags": ["t1", "t2"]})
    made = manifest_of(
        header,
        entry("a.txt", b"hello", {}),
        entry("a/b.txt", b"", {}),
        entry("B.txt", b"world!", {"user_meta": {"k": 1}}),
    )
    assert list(made.entries) == ["B.txt", "a/b.txt", "a.txt"]
    assert manifests.top_hash(made) == "42590fc118a11471ca8971e37cbbb53bf1ae8f108d259d08a57a43f4bbd415ac"


def test_physical_keys_and_directory_metadata_are_outside_of_the_hash() -> None:
    """Physical keys and directory metadata do not affect the top hash. Sizes and entry metadata do."""
    first = entry("a/x", b"1", {})
    base = manifests.top_hash(Manifest({}, {"a/x": first}, {}))
    assert manifests.top_hash(Manifest({}, {"a/x": first | {"physical_keys": ["s3://c/y"]}}, {"a": {"k": 1}})) == base
    assert manifests.top_hash(Manifest({}, {"a/x": first | {"size": 2}}, {})) != base
    assert manifests.top_hash(Manifest({}, {"a/x": first | {"meta": {"k": 1}}}, {})) != base


def test_a_header_without_user_metadata_has_no_such_member() -> None:
    """`user_meta` is absent without metadata, and present with empty metadata."""
    assert header_of("m", None) == {"version": "v0", "message": "m"}
    assert header_of(None, {}) == {"version": "v0", "message": None, "user_meta": {}}


def test_directory_metadata_survives_storing() -> None:
    """Directory lines are read back as directories, not as entries."""
    stored = manifests.dump(
        Manifest({"version": "v0"}, {"a/x": entry("a/x", b"1", {})}, {"a": {"user_meta": {"k": 1}}})
    )
    read = manifests.parse(stored)
    assert read.directories == {"a": {"user_meta": {"k": 1}}}
    assert list(read.entries) == ["a/x"]
    assert b'"logical_key": "a/"' in stored


def test_children_hold_one_level_with_the_sizes_below() -> None:
    """Each directory lists its direct children with the total size below each."""
    made = manifest_of({}, entry("top", b"1", {}), entry("d/e/x", b"22", {}), entry("d/y", b"333", {}))
    assert made.children == {"": {"d": 5, "top": 1}, "d": {"e": 2, "y": 3}, "d/e": {"x": 2}}
    assert made.total_bytes == 6


@given(st.lists(st.sampled_from(["a", "B", "a.b", "é", "0"]), min_size=1, max_size=4).map("/".join))
def test_walk_order_expands_a_directory_in_place(path: str) -> None:
    """A path below a directory comes right after the directory, before any longer name."""
    assert manifests.walk_order(path) < manifests.walk_order(f"{path}/z") < manifests.walk_order(f"{path}.txt")


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, 8 * MIB), (80_000 * MIB, 8 * MIB), (80_000 * MIB + 1, 16 * MIB), (170_000 * MIB, 32 * MIB)],
)
def test_parts_double_until_ten_thousand_suffice(size: int, expected: int) -> None:
    """The part size is 8 MiB and doubles while more than 10,000 parts would be needed."""
    assert manifests.part_size(size) == expected


def sha256_of(data: bytes) -> str:
    """Return a SHA-256 in base64, as S3 stores it."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def test_a_stored_checksum_of_one_part_gives_the_hash_without_reading() -> None:
    """Only a whole-object checksum of a non-empty object below one part yields the hash without a read."""
    assert manifests.stored_hash(sha256_of(b"hello"), 5) == manifests.chunked_hash(b"hello")
    assert manifests.stored_hash(sha256_of(b""), 0) is None
    assert manifests.stored_hash("", 5) is None
    assert manifests.stored_hash(f"{sha256_of(b'hello')}-1", 5) is None
    assert manifests.stored_hash(sha256_of(bytes(9 * MIB)), 9 * MIB) is None


def test_a_composite_checksum_counts_only_with_the_same_parts() -> None:
    """A composite checksum is used only if its parts have the size of the hash's parts.

    Other parts give another hash.
    """
    assert manifests.composite_hash("abc-2", [8 * MIB, MIB], 9 * MIB) == "abc"
    assert manifests.composite_hash("abc-2", [5 * MIB, 4 * MIB], 9 * MIB) is None


@given(key=st.text(min_size=1).filter(lambda text: not text.endswith("/")))
def test_any_key_survives_its_physical_key(key: str) -> None:
    """Any key survives its percent-encoding in a physical key."""
    assert manifests.split_physical_key(manifests.physical_key("bucket", key, "v/1+ ")) == ("bucket", key, "v/1+ ")


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "x",
        "s3://",
        "s3://b",
        "s3://b/",
        "s3://b/dir/",
        "http://b/k",
        "s3:///k",
        "s3://[b/k",
        "s3://b/k?x=1",
        "s3://b/k#x",
    ],
)
def test_what_names_no_object_is_no_physical_key(uri: str) -> None:
    """A URI that is not of an S3 object raises `ValueError`."""
    with pytest.raises(ValueError, match="is not an S3 object URI"):
        manifests.split_physical_key(uri)


def test_a_physical_key_may_go_without_a_version() -> None:
    """A physical key without a version yields None as its version."""
    assert manifests.split_physical_key("s3://b/a%20b%2Fc") == ("b", "a b/c", None)
