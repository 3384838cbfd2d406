"""packageConstruct and packagePromote: what a quilt3 push by reference or by copy would have written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from botocore.exceptions import ClientError

from testbed.catalog import manifest as manifests
from testbed.catalog.manifest import Manifest
from testbed.catalog.people import BUCKETS
from testbed.catalog.registry import InputError
from testbed.catalog.registry import OperationError
from testbed.catalog.registry import header_of

if TYPE_CHECKING:
    from testbed.catalog.auth import Caller
    from testbed.catalog.registry import Registry

WORKFLOWS: Final = ".quilt/workflows/config.yml"
ABSENT: Final = frozenset({404, 405})  # 405: the version is a delete marker
NAME: Final = re.compile(r"[A-Za-z0-9_-]+/[A-Za-z0-9_-]+")


def construct(
    registry: Registry, caller: Caller, params: dict[str, Any], entries: list[dict[str, Any]], headers: dict[str, str]
) -> tuple[str, Manifest]:
    """Resolve every entry, write the revision, return its hash; raise InputError or OperationError, writing nothing."""
    bucket, name = params["bucket"], params["name"]
    require_known(bucket)
    caller.require(bucket, "write")
    if not NAME.fullmatch(name):
        raise InputError("params.name", "InvalidName", f"`{name}` is not a package name: use namespace/name.")
    _check_workflow(registry, bucket, params.get("workflow"))
    _check_keys([entry["logicalKey"] for entry in entries])
    resolved = list(registry.pool.map(lambda pair: _resolve(registry, caller, *pair), enumerate(entries)))
    by_key = {entry["logical_key"]: entry for entry in resolved}
    ordered = {key: by_key[key] for key in sorted(by_key, key=manifests.walk_order)}
    manifest = Manifest(header_of(params.get("message"), params.get("userMeta")), ordered, {})
    with registry.locked(bucket, name):
        _check_conditions(registry, bucket, name, headers)
        return registry.write(bucket, name, manifest), manifest


def promote(
    registry: Registry, caller: Caller, params: dict[str, Any], source: dict[str, Any], prefix: str | None
) -> tuple[str, Manifest]:
    """Copy a revision's objects into the destination registry and write it there under an unchanged hash."""
    bucket, name = params["bucket"], params["name"]
    require_known(bucket)
    require_known(source["bucket"], "src.bucket")
    caller.require(source["bucket"], "read")
    caller.require(bucket, "write")
    original = registry.manifest(source["bucket"], source["hash"])
    if original is None:
        raise OperationError("RevisionNotFound", f"There is no revision `{source['hash']}` in `{source['bucket']}`.")
    base = name if prefix is None else prefix.strip("/")

    def copy(entry: dict[str, Any]) -> dict[str, Any]:
        from_bucket, key, version = manifests.split_physical_key(entry["physical_keys"][0])
        caller.require(from_bucket, "read")
        target = f"{base}/{entry['logical_key']}"
        given: Any = {"Bucket": from_bucket, "Key": key} | (
            {"VersionId": version} if version not in {None, "null"} else {}
        )
        answer = registry.s3.copy_object(Bucket=bucket, Key=target, CopySource=given, ChecksumAlgorithm="SHA256")
        return entry | {"physical_keys": [manifests.physical_key(bucket, target, answer.get("VersionId", "null"))]}

    copied = list(registry.pool.map(copy, original.entries.values()))
    header = header_of(params.get("message"), params.get("userMeta"))
    manifest = Manifest(header, {entry["logical_key"]: entry for entry in copied}, original.directories)
    with registry.locked(bucket, name):
        return registry.write(bucket, name, manifest), manifest


def _check_keys(keys: list[str]) -> None:
    """Refuse what is no path, comes twice, or is file and directory at once."""
    seen: set[str] = set()
    directories: set[str] = set()
    for position, key in enumerate(keys):
        where = f"src.entries.{position}.logicalKey"
        parts = key.split("/")
        if not key or any(part in {"", ".", ".."} for part in parts):
            raise InputError(where, "InvalidLogicalKey", f"`{key}` is not a relative path.")
        above = {"/".join(parts[:depth]) for depth in range(1, len(parts))}
        if key in seen or key in directories or above & seen:
            raise InputError(where, "InvalidLogicalKey", f"`{key}` collides with another entry.")
        seen.add(key)
        directories |= above


def _resolve(registry: Registry, caller: Caller, position: int, entry: dict[str, Any]) -> dict[str, Any]:
    """Pin an entry's version and take its size and hash from the object."""
    where = f"src.entries.{position}.physicalKey"
    try:
        bucket, key, version = manifests.split_physical_key(entry["physicalKey"])
    except ValueError as error:
        raise InputError(where, "InvalidPhysicalKey", str(error)) from error
    missing = InputError(where, "ObjectNotFound", f"The object `{entry['physicalKey']}` does not exist.")
    if bucket not in BUCKETS:
        raise missing
    caller.require(bucket, "read")
    extra: Any = {"VersionId": version} if version and version != "null" else {}
    try:
        head = registry.s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED", **extra)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in ABSENT:
            raise missing from error
        raise
    size, pinned = head["ContentLength"], head.get("VersionId", "null")
    value = _hash(registry, {"Bucket": bucket, "Key": key} | extra, head.get("ChecksumSHA256", ""), size)
    return {
        "logical_key": entry["logicalKey"],
        "physical_keys": [manifests.physical_key(bucket, key, pinned)],
        "size": size,
        "hash": {"type": "sha2-256-chunked", "value": value},
        "meta": entry.get("meta") or {},
    }


def _hash(registry: Registry, target: dict[str, Any], checksum: str, size: int) -> str:
    """Take the hash from a stored checksum of the same part layout, else from the bytes."""
    value = manifests.stored_hash(checksum, size)
    if value is None and "-" in checksum:
        parts = registry.s3.get_object_attributes(
            **target, ObjectAttributes=["ObjectParts"], MaxParts=manifests.MAX_PARTS
        )
        sizes = [part["Size"] for part in parts.get("ObjectParts", {}).get("Parts", [])]
        value = manifests.composite_hash(checksum, sizes, size)
    return value or manifests.chunked_hash(registry.s3.get_object(**target)["Body"].read())


def require_known(bucket: str, path: str = "params.bucket") -> None:
    """Refuse a bucket that is not in the catalog."""
    if bucket not in BUCKETS:
        raise InputError(path, "BucketNotFound", f"The catalog has no bucket `{bucket}`.")


def _check_workflow(registry: Registry, bucket: str, workflow: str | None) -> None:
    """Refuse a named workflow in a registry that configures none."""
    if workflow is None:
        return
    try:
        registry.s3.head_object(Bucket=bucket, Key=WORKFLOWS)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in ABSENT:
            message = f"The registry `{bucket}` configures no workflow, so `{workflow}` cannot be used."
            raise InputError("params.workflow", "WorkflowInvalid", message) from error
        raise


def _check_conditions(registry: Registry, bucket: str, name: str, headers: dict[str, str]) -> None:
    current = registry.latest(bucket, name)
    if headers.get("if-none-match") == "*" and current:
        raise InputError("params.name", "PackageExists", f"The package `{name}` exists already.")
    wanted = headers.get("if-match", "").strip('"')
    if wanted and (current is None or current[0] != wanted):
        raise OperationError("RevisionConflict", f"The package `{name}` was changed by somebody else meanwhile.")
