"""Quilt's hashes against values that the quilt3 library computed."""

from __future__ import annotations

import base64
import hashlib

import pytest

from nightproof.datasets import hashing
from nightproof.datasets.hashing import chunked
from nightproof.datasets.hashing import top_hash

EMPTY = base64.b64encode(hashlib.sha256().digest()).decode()


def double(*parts: bytes) -> str:
    """Hash the hashes of parts."""
    return base64.b64encode(hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()).decode()


def test_an_empty_file_is_the_hash_of_nothing() -> None:
    """An empty file has no part, and its hash is the hash of nothing."""
    assert chunked(b"") == EMPTY


@pytest.mark.parametrize(("size", "parts"), [(1, 1), (8, 1), (9, 2), (16, 2), (17, 3)])
def test_a_file_is_hashed_in_parts(monkeypatch: pytest.MonkeyPatch, size: int, parts: int) -> None:
    """A file's hash is the hash of its parts' hashes, and an exactly full part opens no second one."""
    monkeypatch.setattr(hashing, "PART", 8)
    data = bytes(range(size))
    pieces = [data[at : at + 8] for at in range(0, size, 8)]
    assert len(pieces) == parts
    assert chunked(data) == double(*pieces)


def test_parts_double_beyond_the_most_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with more than the maximum of parts has parts of twice the size."""
    monkeypatch.setattr(hashing, "PART", 4)
    monkeypatch.setattr(hashing, "MAX_PARTS", 2)
    data = bytes(range(9))
    assert chunked(data[:8]) == double(data[:4], data[4:8])
    assert chunked(data) == double(data[:8], data[8:])


def test_the_part_is_eight_mebibytes() -> None:
    """Part size and maximum of parts are those of the quilt3 library."""
    assert (hashing.PART, hashing.MAX_PARTS) == (8_388_608, 10_000)


def test_top_hashes_are_those_of_the_library() -> None:
    """Header, metadata, entries and their order give the value that quilt3 computes."""
    import quilt3  # noqa: PLC0415 - slow to import, and only this test compares with it

    package, facts = quilt3.Package(), {}
    for key, data in {"b.csv": b"1", "a/z.csv": b"22", "a b/ü.csv": b"333", "a/b/c.csv": b""}.items():
        facts[key] = (chunked(data), len(data))
        entry = quilt3.packages.PackageEntry(
            quilt3.util.PhysicalKey("bucket", "key", "version"), len(data),
            {"type": "sha2-256-chunked", "value": chunked(data)}, {},
        )  # fmt: skip
        package.set(key, entry)
    metadata = {"unicode": "größe", "none": None, "small": 1e-7}
    package.set_meta(metadata)
    package._set_commit_message("Hello")

    assert top_hash("Hello", metadata, facts) == package.top_hash


def test_every_part_of_a_revision_changes_its_hash() -> None:
    """Message, metadata, key, size and content change the top hash; the order of the arguments does not."""
    base = top_hash("m", {"a": 1}, {"x": ("h", 1), "y": ("g", 2)})
    others = [
        top_hash("n", {"a": 1}, {"x": ("h", 1), "y": ("g", 2)}),
        top_hash("m", None, {"x": ("h", 1), "y": ("g", 2)}),
        top_hash("m", {"a": 1}, {"z": ("h", 1), "y": ("g", 2)}),
        top_hash("m", {"a": 1}, {"x": ("h", 3), "y": ("g", 2)}),
        top_hash("m", {"a": 1}, {"x": ("i", 1), "y": ("g", 2)}),
    ]
    assert base not in others
    assert len(set(others)) == len(others)
    assert base == top_hash("m", {"a": 1}, {"y": ("g", 2), "x": ("h", 1)})
