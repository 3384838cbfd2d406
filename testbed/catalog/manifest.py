"""Manifests: their JSON lines, top hash, directory tree and object hashes."""

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
HASH_TYPES: Final = ("SHA256", "sha2-256-chunked", "CRC64NVME")  # the types that clients can verify


class DamagedError(Exception):
    """A stored manifest that cannot be parsed."""


@dataclass(frozen=True)
class Manifest:
    """The content of one revision; `entries` are keyed by logical key, in walk order."""

    header: dict[str, Any]
    entries: dict[str, dict[str, Any]]
    directories: dict[str, dict[str, Any]]

    @cached_property
    def total_bytes(self) -> int:
        """Return the sum of the entries' sizes."""
        return sum(int(entry["size"]) for entry in self.entries.values())

    @cached_property
    def children(self) -> dict[str, dict[str, int]]:
        """Return names and sizes one level below each directory, keyed by its path without a slash.

        The root is the empty path; the size of a directory is that of all files below it.
        """
        tree: dict[str, dict[str, int]] = {"": {}}
        for key, entry in self.entries.items():
            parts = key.split("/")
            for depth, part in enumerate(parts):
                below = tree.setdefault("/".join(parts[:depth]), {})
                below[part] = below.get(part, 0) + int(entry["size"])
        return tree


def parse(body: bytes) -> Manifest:
    """Parse a manifest's JSON lines; raise DamagedError for an invalid manifest."""
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
    """Return the lines of a manifest: header, directories, then entries in walk order."""
    directories = [{"logical_key": f"{path}/", "meta": meta} for path, meta in manifest.directories.items()]
    return [manifest.header, *directories, *manifest.entries.values()]


def dump(manifest: Manifest) -> bytes:
    """Return a manifest as JSON lines."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in records(manifest))


def walk_order(key: str) -> tuple[str, ...]:
    """Return the sort key of a logical key: by code point per directory level, directories expanded in place."""
    return tuple(key.split("/"))


def top_hash(manifest: Manifest) -> str:
    """Return the SHA-256 of the canonical JSON of the header and of each entry without its physical keys."""
    digest = hashlib.sha256(_canonical(manifest.header))
    for entry in manifest.entries.values():
        digest.update(_canonical({name: entry[name] for name in ("hash", "logical_key", "meta", "size")}))
    return digest.hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def part_size(size: int) -> int:
    """Return the part size of sha2-256-chunked: 8 MiB, doubled until 10,000 parts suffice."""
    part = PART
    while size > part * MAX_PARTS:
        part *= 2
    return part


def chunked_hash(data: bytes) -> str:
    """Return the sha2-256-chunked hash of bytes; for an empty file, that of no parts."""
    part = part_size(len(data))
    parts = [hashlib.sha256(data[start : start + part]).digest() for start in range(0, len(data), part)]
    return base64.b64encode(hashlib.sha256(b"".join(parts)).digest()).decode()


def stored_hash(checksum: str, size: int) -> str | None:
    """Return sha2-256-chunked from S3's stored SHA-256 of a single part.

    Return None if the checksum is composite, or if the hash would have several parts.
    """
    value, _, count = checksum.partition("-")
    if not value or size == 0:
        return None
    expected = -(-size // part_size(size))
    if count:
        return None  # a composite checksum names no part sizes: the caller must fetch them
    # sha2-256-chunked hashes the digests of the parts once more, even of a single one.
    return base64.b64encode(hashlib.sha256(base64.b64decode(value)).digest()).decode() if expected == 1 else None


def composite_hash(checksum: str, sizes: list[int], size: int) -> str | None:
    """Return the value of a composite checksum if its parts equal those of sha2-256-chunked, else None."""
    part = part_size(size)
    wanted = [min(part, size - start) for start in range(0, size, part)]
    return checksum.partition("-")[0] if sizes == wanted else None


def physical_key(bucket: str, key: str, version: str | None) -> str:
    """Return the S3 URI of an object version, as manifests contain it."""
    return f"s3://{bucket}/{quote(key)}" + (f"?versionId={quote(version)}" if version else "")


def split_physical_key(uri: str) -> tuple[str, str, str | None]:
    """Return bucket, key and version of an S3 URI; raise ValueError if it is not one."""
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise ValueError(f"`{uri}` is not an S3 object URI.") from error
    key, query = unquote(parts.path[1:]), parse_qs(parts.query)
    version = query.pop("versionId", [None])[0]
    # Otherwise an unescaped `?` or `#` in a key would silently select another object.
    if parts.scheme != "s3" or not parts.netloc or not key or key.endswith("/") or query or parts.fragment:
        raise ValueError(f"`{uri}` is not an S3 object URI.")
    return parts.netloc, key, version
