"""Steps that use the quilt3 library directly, as its users do: on disk, in a separate home directory."""

from __future__ import annotations

import hashlib
import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any


def sign_in(request: dict[str, Any]) -> Any:
    """Sign the library in as a person would, and return it."""
    import quilt3  # noqa: PLC0415 - quilt3 fixes its paths at import

    quilt3.config(request["catalog_url"])
    quilt3.session.login_with_token(request["refresh_token"])
    return quilt3


def tree(folder: Path) -> dict[str, list[Any]]:
    """Return the SHA-256 in hex and the length of every file below a folder, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return {path: [hashlib.sha256(data).hexdigest(), len(data)] for path, data in contents.items()}


def library(request: dict[str, Any]) -> dict[str, Any]:
    """List, browse, fetch, verify before and after damage, install into the local registry, and search."""
    quilt3 = sign_in(request)
    registry, name, fetched = request["registry"], request["package"], Path(request["folder"]) / "fetched"
    listed = sorted(quilt3.list_packages(registry))
    package = quilt3.Package.browse(name, registry)
    package.fetch(fetched)
    files, is_whole = tree(fetched), package.verify(fetched)
    damaged = fetched / request["damage"]
    data = damaged.read_bytes()
    damaged.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    is_whole_when_damaged = package.verify(fetched)
    quilt3.Package.install(name, registry, dest=str(Path(request["folder"]) / "installed"))
    in_bucket = quilt3.Bucket(registry).search(request["query"], limit=1000)
    with redirect_stdout(io.StringIO()):
        everywhere = quilt3.search(request["narrow_query"], limit=1000)
    return {
        "listed": listed,
        "top_hash": package.top_hash,
        "files": files,
        "verified": [is_whole, is_whole_when_damaged],
        "installed": tree(Path(request["folder"]) / "installed"),
        "local": sorted(quilt3.list_packages()),
        "in_bucket": [_found(hit) for hit in in_bucket],
        "everywhere": [_found(hit) for hit in everywhere],
    }


def _found(hit: dict[str, Any]) -> list[Any]:
    """Return the index of a hit, and the package's name or else the object's key."""
    source = hit["_source"]
    return [hit["_index"], source.get("ptr_name") or source.get("key")]
