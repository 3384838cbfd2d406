"""Quilt's hashes, in our own implementation: what a push returns is compared with this."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Iterable

PART: Final = 8 * 1024 * 1024
MAX_PARTS: Final = 10_000


def chunked(data: bytes) -> str:
    """Return sha2-256-chunked in base64; the parts are 8 MiB, doubled while there would be more than 10,000."""
    part = PART
    while len(data) > part * MAX_PARTS:
        part *= 2
    digests = [hashlib.sha256(data[start : start + part]).digest() for start in range(0, len(data), part)]
    return base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()


def top_hash(message: str | None, metadata: dict[str, Any] | None, entries: dict[str, tuple[str, int]]) -> str:
    """Return a revision's hash; `entries` are (chunked hash, size in bytes) by logical key, without entry metadata."""
    header: dict[str, Any] = {"version": "v0", "message": message}
    if metadata is not None:
        header["user_meta"] = metadata
    lines = [header]
    for key in sorted(entries, key=lambda name: tuple(name.split("/"))):
        value, size = entries[key]
        found = {"type": "sha2-256-chunked", "value": value}
        lines.append({"hash": found, "logical_key": key, "meta": {}, "size": size})
    return lines_hash(lines)


def lines_hash(lines: Iterable[dict[str, Any]]) -> str:
    """Return the hash of a manifest's lines, given in their order and without physical keys."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(_canonical(line))
    return digest.hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
