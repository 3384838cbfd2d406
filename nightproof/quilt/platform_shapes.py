"""The platform's wire shapes, to and from the contract's records."""

from __future__ import annotations

from typing import Any

from nightproof.quilt import platform_answers as answers
from nightproof.quilt.base import description_of
from nightproof.quilt.base import tags_of
from nightproof.quilt.records import Content_Info
from nightproof.quilt.records import Package_Info


def content(item: answers.File | answers.PackageDir, modified: str) -> Content_Info:
    """Describe a file or directory of the wire as Content_Info."""
    meta = (item.metadata or {}).get("user_meta")
    if isinstance(item, answers.File):
        return Content_Info(item.path, item.size, "file", modified, None, meta)
    return Content_Info(f"{item.path}/", None, "directory", modified, None, meta)


def params(
    bucket: str, name: str, message: str, metadata: dict[str, Any] | None, workflow: str | None
) -> dict[str, Any]:
    """Write PackagePushParams."""
    params: dict[str, Any] = {"bucket": bucket, "name": name, "message": message or None, "userMeta": metadata}
    return params | ({"workflow": workflow} if workflow else {})


def entry(entry: dict[str, Any]) -> dict[str, Any]:
    """Write a PackageConstructEntry."""
    meta = entry.get("full_meta") or ({"user_meta": entry["meta"]} if entry.get("meta") is not None else None)
    return {"logicalKey": entry["logical_key"], "physicalKey": entry["physical_key"], "meta": meta}


def hit(hit: answers.Hit) -> Package_Info:
    """Describe a search hit as Package_Info."""
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
