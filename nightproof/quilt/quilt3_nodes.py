"""quilt3's package tree, converted to the contract's records."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

from quilt3.packages import PackageEntry

from nightproof.quilt.base import description_of
from nightproof.quilt.base import directory_meta
from nightproof.quilt.base import tags_of
from nightproof.quilt.base import user_meta
from nightproof.quilt.records import Content_Info
from nightproof.quilt.records import Package_Info

if TYPE_CHECKING:
    from nightproof.quilt.answers import PackageSource


def moment(stamp: int) -> str:
    """Return the time of a pointer named by its Unix second, as ISO 8601 UTC text."""
    return datetime.fromtimestamp(stamp, UTC).isoformat()


def node(package: Any, path: str) -> Any:
    """Return the node at a path of a package, or None if there is none."""
    node = package
    for part in filter(None, path.split("/")):
        if isinstance(node, PackageEntry) or part not in node._children:  # noqa: SLF001 - walking as quilt3's own browse
            return None
        node = node._children[part]  # noqa: SLF001 - as above
    return node


def check(package: Any) -> None:
    """Raise TypeError for a package with fields of the wrong type: the library does not validate manifests."""
    if not isinstance(package.meta, dict | None):
        raise TypeError(f"the metadata is {type(package.meta).__name__}")
    for key, entry in package.walk():
        found = entry.hash
        if not (isinstance(found["value"], str) and isinstance(found["type"], str) and isinstance(entry.size, int)):
            raise TypeError(f"the entry {key} has the hash {found} and the size {entry.size}")


def metadata(package: Any) -> dict[str, Any]:
    """Return the user metadata of a package, `{}` if it has none; some writers store null for none."""
    return dict(package.meta or {})


def children(node: Any) -> list[tuple[str, Any]]:
    """Return the names and nodes one level below."""
    return list(node._children.items())  # noqa: SLF001 - quilt3 lists keys, not nodes


def content(path: str, node: Any, modified: str) -> Content_Info:
    """Return a node as Content_Info."""
    if isinstance(node, PackageEntry):
        return Content_Info(path, int(node.size), "file", modified, None, user_meta(node._meta))  # noqa: SLF001 - as above
    return Content_Info(f"{path}/", None, "directory", modified, None, directory_meta(node.meta or {}))


def hit(source: PackageSource, bucket: str) -> Package_Info:
    """Return a document of the package index as Package_Info."""
    metadata = source.metadata or {}
    return Package_Info(
        name=source.ptr_name,
        description=description_of(metadata),
        tags=tags_of(metadata),
        modified_date=source.ptr_last_modified,
        registry=f"s3://{bucket}",
        bucket=bucket,
        top_hash=source.top_hash,
        message=source.comment or None,
    )
