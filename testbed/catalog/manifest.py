"""Manifests: their lines, their canonical hash and their tree."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from typing import Final
from urllib.parse import parse_qs
from urllib.parse import quote
from urllib.parse import unquote
from urllib.parse import urlsplit

PART: Final = 8 * 1024 * 1024
MAX_PARTS: Final = 10_000
HASH_TYPES: Final = ("SHA256", "sha2-256-chunked", "CRC64NVME")  # that clients can check


class DamagedError(Exception):
    """A stored manifest is not what a push writes."""


@dataclass(frozen=True)
class Manifest:
    """One revision's content; `entries` by logical key in walk order."""

    header: dict[str, Any]
    entries: dict[str, dict[str, Any]]
    directories: dict[str, dict[str, Any]]

    @cached_property
    def total_bytes(self) -> int:
        """Sum of the entries' sizes."""
        return sum(int(entry["size"]) for entry in self.entries.values())

    @cached_property
    def children(self) -> dict[str, dict[str, int]]:
        """Give, by directory path without slash, the directories and files one level below with their sizes."""
        tree: dict[str, dict[str, int]] = {"": {}}
        for key, entry in self.entries.items():
            parts = key.split("/")
            for depth, part in enumerate(parts):
                below = tree.setdefault("/".join(parts[:depth]), {})
                below[part] = below.get(part, 0) + int(entry["size"])
        return tree


def parse(body: bytes) -> Manifest:
    """Read JSON lines; raise DamagedError for what is no manifest."""
    try:
        lines = [json.loads(line) for line in body.splitlines() if line]
        entries = {line["logical_key"]: line for line in lines[1:] if "physical_keys" in line}
        directories = {
            line["logical_key"].rstrip("/"): line.get("meta", {}) for line in lines[1:] if "physical_keys" not in line
        }
        found = Manifest(lines[0] | {}, {key: entries[key] for key in sorted(entries, key=walk_order)}, directories)
        found.total_bytes  # noqa: B018 - every entry has a size
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        raise DamagedError("A stored manifest cannot be read. Push the package again.") from error
    return found


def records(manifest: Manifest) -> list[dict[str, Any]]:
    """Give the header, the directories and the entries in walk order: one line each."""
    directories = [{"logical_key": f"{path}/", "meta": meta} for path, meta in manifest.directories.items()]
    return [manifest.header, *directories, *manifest.entries.values()]


def dump(manifest: Manifest) -> bytes:
    """Write JSON lines."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in records(manifest))


def walk_order(key: str) -> tuple[str, ...]:
    """Sort per directory level by code point, a directory expanded in place."""
    return tuple(key.split("/"))


def top_hash(manifest: Manifest) -> str:
    """Hash the canonical JSON of the header and of each entry without its physical keys."""
    digest = hashlib.sha256(_canonical(manifest.header))
    for entry in manifest.entries.values():
        digest.update(_canonical({name: entry[name] for name in ("hash", "logical_key", "meta", "size")}))
    return digest.hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def part_size(size: int) -> int:
    """Give the part size of sha2-256-chunked: 8 MiB, doubled until 10,000 parts suffice."""
    part = PART
    while size > part * MAX_PARTS:
        part *= 2
    return part


def chunked_hash(data: bytes) -> str:
    """Give sha2-256-chunked of bytes; an empty file is hashed once."""
    part = part_size(len(data))
    parts = [hashlib.sha256(data[start : start + part]).digest() for start in range(0, len(data), part)]
    return base64.b64encode(hashlib.sha256(b"".join(parts)).digest()).decode()


def stored_hash(checksum: str, size: int) -> str | None:
    """Turn S3's stored SHA-256 into sha2-256-chunked where the part layout is the same, else nothing."""
    value, _, count = checksum.partition("-")
    if not value or size == 0:
        return None
    expected = -(-size // part_size(size))
    if count:
        return None  # the count says nothing about the sizes: ask for the parts
    return base64.b64encode(hashlib.sha256(base64.b64decode(value)).digest()).decode() if expected == 1 else None


def composite_hash(checksum: str, sizes: list[int], size: int) -> str | None:
    """Give a composite checksum's value where its parts are the ones that sha2-256-chunked would make."""
    part = part_size(size)
    wanted = [min(part, size - start) for start in range(0, size, part)]
    return checksum.partition("-")[0] if sizes == wanted else None


def physical_key(bucket: str, key: str, version: str | None) -> str:
    """Write an S3 URI as manifests hold it."""
    return f"s3://{bucket}/{quote(key)}" + (f"?versionId={quote(version)}" if version else "")


def split_physical_key(uri: str) -> tuple[str, str, str | None]:
    """Read bucket, key and version of an S3 URI; raise ValueError when it is none."""
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise ValueError(f"`{uri}` is not an S3 object URI.") from error
    key, query = unquote(parts.path[1:]), parse_qs(parts.query)
    version = query.pop("versionId", [None])[0]
    # an unescaped `?` or `#` in a key would else name another object in silence
    if parts.scheme != "s3" or not parts.netloc or not key or key.endswith("/") or query or parts.fragment:
        raise ValueError(f"`{uri}` is not an S3 object URI.")
    return parts.netloc, key, version
