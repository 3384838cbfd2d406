"""The hashes that the observer computes itself, checked against vectors that quilt3 produced."""

from __future__ import annotations

import pytest

from suites._support.hashes import chunked_hash
from suites._support.hashes import top_hash
from suites._support.observer import Manifest

MEBI = 1024 * 1024
CHUNKED = {
    b"hello": "lZXJ35AHUUjrBoYDZd8zWEt1v/eCpRDGzUiDpBmDPVA=",
    b"world!": "Je8AqvhMYECRP5ldMuHs9/5OrS1q5KxHFkBLI/2EOuE=",
    b"": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
}
ZEROS = {
    8 * MEBI - 1: "6D2pq48irFt4HfUg5jZ5Mh0xLWnHtZnvhWpbUMHXGos=",
    8 * MEBI: "MIsGKY+ykqN4CPj3gGGu4Gv03N7OWKWpsZqEf+OrGJs=",
    8 * MEBI + 1: "Y68lgvvPstmbueZHNVw/WNEIEX0Qxy01vyRB//bzz/g=",
    20 * MEBI: "7zmHyb00nwkYLqwFgYQ2jBrMWehLGRYkk+0H2X/ZOYk=",
}


@pytest.mark.parametrize(("data", "expected"), CHUNKED.items(), ids=["hello", "world", "empty"])
def test_chunked_hash_of_small_data(data: bytes, expected: str) -> None:
    """Data smaller than one part, and empty data, hash as in quilt3."""
    assert chunked_hash(data) == expected


@pytest.mark.parametrize(("size", "expected"), ZEROS.items())
def test_chunked_hash_round_the_part_size(size: int, expected: str) -> None:
    """Data of one part (8 MiB), one byte less, one byte more and several parts hash as in quilt3."""
    assert chunked_hash(bytes(size)) == expected


def test_top_hash_without_entries() -> None:
    """The top hash of an empty package is the hash of its header line."""
    header = {"version": "v0", "user_meta": {"d": 1}, "message": None}
    assert top_hash(header, []) == "0b6120633702b50056171eaff77447624fc9a5eeb6026068fb076f9c0736b3c8"


def test_top_hash_follows_the_walk_order() -> None:
    """The top hash orders entries per directory level: `a/b.txt` comes before `a.txt` and after `B.txt`."""
    meta = '{"description":"two files","tags":["t1","t2"]}'
    lines = [
        f'{{"version":"v0","user_meta":{meta},"message":"first"}}',
        _entry("a.txt", b"hello"),
        _entry("a/b.txt", b""),
        _entry("B.txt", b"world!", '{"user_meta":{"k":1}}'),
    ]
    manifest = Manifest("\n".join(lines))
    assert set(manifest.entries) == {"a.txt", "a/b.txt", "B.txt"}
    assert manifest.computed_hash == "42590fc118a11471ca8971e37cbbb53bf1ae8f108d259d08a57a43f4bbd415ac"


def _entry(key: str, data: bytes, meta: str = "{}") -> str:
    value = f'{{"type":"sha2-256-chunked","value":"{CHUNKED[data]}"}}'
    physical = f'"physical_keys":["s3://b/{key}"]'
    return f'{{"logical_key":"{key}",{physical},"size":{len(data)},"hash":{value},"meta":{meta}}}'
