"""Conversion between the platform's GraphQL shapes and the contract's records."""

from __future__ import annotations

from typing import Any

from nightproof.quilt import platform_answers as answers
from nightproof.quilt.base import description_of
from nightproof.quilt.base import directory_meta
from nightproof.quilt.base import tags_of
from nightproof.quilt.base import user_meta
from nightproof.quilt.records import Content_Info
from nightproof.quilt.records import Package_Info


def content(item: answers.File | answers.PackageDir, modified: str) -> Content_Info:
    """Return a file or directory of a GraphQL answer as Content_Info."""
    metadata = item.metadata or {}
    if isinstance(item, answers.File):
        return Content_Info(item.path, item.size, "file", modified, None, user_meta(metadata))
    return Content_Info(f"{item.path}/", None, "directory", modified, None, directory_meta(metadata))


def params(
    bucket: str, name: str, message: str, metadata: dict[str, Any] | None, workflow: str | None
) -> dict[str, Any]:
    """Return the PackagePushParams of a mutation."""
    params: dict[str, Any] = {"bucket": bucket, "name": name, "message": message or None, "userMeta": metadata}
    return params | ({"workflow": workflow} if workflow else {})


def entry(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry as PackageConstructEntry."""
    wire = {"logicalKey": entry["logical_key"], "physicalKey": entry["physical_key"]}
    kept: answers.FlatEntry | None = entry.get("kept")
    if kept is not None:  # with its hash, or the catalog would compute one of whatever object is there now
        return wire | {"meta": kept.meta, "hash": kept.hash.model_dump(), "size": kept.size}
    return wire | {"meta": {"user_meta": entry["meta"]} if entry.get("meta") is not None else None}


def hit(hit: answers.Hit) -> Package_Info:
    """Return a search hit as Package_Info."""
    metadata = hit.meta or {}
    return Package_Info(
        name=hit.name,
        description=description_of(metadata),
        tags=tags_of(metadata),
        modified_date=hit.modified,
        registry=f"s3://{hit.bucket}",
        bucket=hit.bucket,
        top_hash=hit.hash,
        message=hit.comment or None,
    )
