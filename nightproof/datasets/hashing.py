"""Quilt's hashes, by our own algorithm: what a push returns is compared with this."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from typing import Final

PART: Final = 8 * 1024 * 1024
MAX_PARTS: Final = 10_000


def chunked(data: bytes) -> str:
    """Give sha2-256-chunked; an empty file is hashed once."""
    part = PART
    while len(data) > part * MAX_PARTS:
        part *= 2
    digests = [hashlib.sha256(data[start : start + part]).digest() for start in range(0, len(data), part)]
    return base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()


def top_hash(message: str | None, metadata: dict[str, Any] | None, entries: dict[str, tuple[str, int]]) -> str:
    """Give a revision's hash; `entries` are (chunked hash, size) by logical key, without entry metadata."""
    header: dict[str, Any] = {"version": "v0", "message": message}
    if metadata is not None:
        header["user_meta"] = metadata
    digest = hashlib.sha256(_canonical(header))
    for key in sorted(entries, key=lambda name: tuple(name.split("/"))):
        value, size = entries[key]
        entry = {"hash": {"type": "sha2-256-chunked", "value": value}, "logical_key": key, "meta": {}, "size": size}
        digest.update(_canonical(entry))
    return digest.hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
