"""The registry's hashes, computed independently: the observer trusts neither client nor server."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from typing import Final

PART_BYTES: Final = 8 * 1024 * 1024
MAX_PARTS: Final = 10_000  # S3's limit for the parts of one upload


def sha256_hex(data: bytes) -> str:
    """Return the SHA-256 in hex, the form of the seed manifest."""
    return hashlib.sha256(data).hexdigest()


def chunked_hash(data: bytes) -> str:
    """Return `sha2-256-chunked`: the SHA-256 over the SHA-256 digests of the parts, in base64.

    A part has 8 MiB, doubled until there are at most 10,000 parts.
    """
    part_bytes = PART_BYTES
    while len(data) > part_bytes * MAX_PARTS:
        part_bytes *= 2
    parts = (data[start : start + part_bytes] for start in range(0, len(data), part_bytes))
    joined = b"".join(hashlib.sha256(part).digest() for part in parts)
    return base64.b64encode(hashlib.sha256(joined).digest()).decode()


def top_hash(header: dict[str, Any], entries: list[dict[str, Any]]) -> str:
    """Return the hash of a manifest: its header, then each entry in walk order without its physical key."""
    digest = hashlib.sha256(_canonical(header))
    # Per level, not by whole key: splitting makes `a/b.txt` come before `a.txt`.
    for entry in sorted(entries, key=lambda entry: entry["logical_key"].split("/")):
        digest.update(_canonical({key: entry[key] for key in ("hash", "logical_key", "meta", "size")}))
    return digest.hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
