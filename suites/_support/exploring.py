"""All that can be read of a package, as JSON values by which two backends are compared."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import requests

if TYPE_CHECKING:
    from nightproof.quilt import QuiltOps

TIMEOUT_S: Final = 30


def explore(ops: QuiltOps, name: str, registry: str, folders: list[str]) -> dict[str, Any]:
    """Search a package, describe it, list its root and `folders`, and download each file found; return JSON values."""
    places = ["", *folders]
    listed = {place: [asdict(item) for item in ops.browse_content(name, registry, place)] for place in places}
    files = [item["path"] for items in listed.values() for item in items if item["type"] == "file"]
    info = asdict(ops.get_package_info(name, registry))
    return {
        "search": [asdict(hit) | {"tags": list(hit.tags)} for hit in ops.search_packages(name, registry)],
        "info": info | {"tags": list(info["tags"])},
        "metadata": ops.get_package_metadata(name, registry),
        "listed": listed,
        "fetched": {path: fetched(ops, name, registry, path) for path in files},
    }


def fetched(ops: QuiltOps, name: str, registry: str, path: str, top_hash: str | None = None) -> list[Any]:
    """Download a file from its URL; return the SHA-256 in hex and the length in bytes."""
    answer = requests.get(ops.get_content_url(name, registry, path, top_hash), timeout=TIMEOUT_S)
    answer.raise_for_status()
    return [hashlib.sha256(answer.content).hexdigest(), len(answer.content)]
