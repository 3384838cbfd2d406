"""packageConstruct and packagePromote; they write what quilt3's push would write."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from botocore.exceptions import ClientError

from testbed.catalog import manifest as manifests
from testbed.catalog import workflows
from testbed.catalog.errors import InputError
from testbed.catalog.errors import OperationError
from testbed.catalog.manifest import Manifest
from testbed.catalog.registry import header_of
from testbed.catalog.registry import is_name

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from testbed.catalog.auth import Caller
    from testbed.catalog.locks import Locks
    from testbed.catalog.registry import Registry

LONGEST_RECORD: Final = 1_000_000  # bytes of one manifest line, quilt3's limit
ABSENT: Final = frozenset({400, 404, 405})  # 400: no object can have that key or version; 405: a delete marker


def construct(
    registry: Registry,
    locks: Locks,
    caller: Caller,
    params: dict[str, Any],
    entries: list[dict[str, Any]],
    headers: dict[str, str],
) -> tuple[str, Manifest]:
    """Resolve every entry and write a revision; return its hash and manifest.

    Raise InputError or OperationError before anything is written.
    """
    bucket, name = params["bucket"], params["name"]
    require_known(caller, bucket)
    caller.require(bucket, "write")
    _check_name(name)
    _check_keys([entry["logicalKey"] for entry in entries])
    resolved = list(registry.pool.map(lambda pair: _resolve(registry, caller, *pair), enumerate(entries)))
    resolved.sort(key=lambda entry: manifests.walk_order(entry["logical_key"]))
    note = workflows.check(registry.s3, params, resolved)
    header = header_of(params.get("message"), params.get("userMeta")) | ({"workflow": note} if note else {})
    bend = registry.defects.bend
    listed = bend("entries to write", resolved, registry=registry, bucket=bucket, name=name)
    manifest = Manifest(bend("header", header), {entry["logical_key"]: entry for entry in listed}, {})
    manifest = bend("manifest", manifest)
    _check_records(manifest, [entry["logicalKey"] for entry in entries])
    with _exclusive(registry, locks, bucket, name):
        _check_conditions(registry, bucket, name, headers)
        return registry.write(bucket, name, manifest), manifest


def _exclusive(registry: Registry, locks: Locks, bucket: str, name: str) -> AbstractContextManager[None]:
    return locks.held(bucket, name) if registry.defects.bend("exclusive", value=True) else nullcontext()


def promote(
    registry: Registry,
    locks: Locks,
    caller: Caller,
    params: dict[str, Any],
    source: dict[str, Any],
    prefix: str | None,
) -> tuple[str, Manifest]:
    """Copy a revision's objects to the destination and write the revision there; entry hashes stay the same."""
    bucket, name = params["bucket"], params["name"]
    require_known(caller, bucket)
    require_known(caller, source["bucket"], "src.bucket")
    caller.require(source["bucket"], "read")
    caller.require(bucket, "write")
    _check_name(name)
    original = registry.manifest(source["bucket"], source["hash"])
    if original is None:
        raise OperationError("RevisionNotFound", f"There is no revision `{source['hash']}` in `{source['bucket']}`.")
    base = name if prefix is None else prefix.strip("/")
    above = f"{base}/" if base else ""

    def copy(entry: dict[str, Any]) -> dict[str, Any]:
        from_bucket, key, version = manifests.split_physical_key(entry["physical_keys"][0])
        caller.require(from_bucket, "read")
        target = above + entry["logical_key"]
        given: Any = {"Bucket": from_bucket, "Key": key} | (
            {"VersionId": version} if version not in {None, "null"} else {}
        )
        try:
            answer = registry.s3.copy_object(Bucket=bucket, Key=target, CopySource=given, ChecksumAlgorithm="SHA256")
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in ABSENT:
                raise
            message = f"The object of `{entry['logical_key']}` cannot be copied to `{target}`."
            raise OperationError("ObjectNotFound", message) from error
        return entry | {"physical_keys": [manifests.physical_key(bucket, target, answer.get("VersionId", "null"))]}

    entries = list(original.entries.values())
    copied = list(registry.pool.map(copy, entries)) if registry.defects.bend("copies", value=True) else entries
    header = header_of(params.get("message"), params.get("userMeta"))
    manifest = Manifest(header, {entry["logical_key"]: entry for entry in copied}, original.directories)
    _check_records(manifest, [])
    with _exclusive(registry, locks, bucket, name):
        return registry.write(bucket, name, manifest), manifest


def _check_name(name: str) -> None:
    if not is_name(name):
        raise InputError("params.name", "InvalidName", f"`{name}` is not a package name: use namespace/name.")


def _check_records(manifest: Manifest, keys: list[str]) -> None:
    """Raise InputError for a manifest line that is too long for quilt3 to read."""
    for record in manifests.records(manifest):
        size = len(json.dumps(record, ensure_ascii=False, allow_nan=False).encode())
        if size > LONGEST_RECORD:
            key = record.get("logical_key")
            where = f"src.entries.{keys.index(key)}.meta" if key in keys else "params.userMeta"
            message = f"The record of `{key or 'the package'}` has {size} bytes, {LONGEST_RECORD} are allowed."
            raise InputError(where, "MetadataTooLarge", f"{message} Put less into its metadata.")


def _check_keys(keys: list[str]) -> None:
    """Raise InputError for a logical key that is not a path, a duplicate, or both file and directory."""
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
    """Return a manifest entry with its object's version pinned, its size and its hash."""
    where = f"src.entries.{position}.physicalKey"
    try:
        bucket, key, version = manifests.split_physical_key(entry["physicalKey"])
    except ValueError as error:
        raise InputError(where, "InvalidPhysicalKey", str(error)) from error
    missing = InputError(where, "ObjectNotFound", f"The object `{entry['physicalKey']}` does not exist.")
    if bucket not in caller.catalog:
        raise missing
    caller.require(bucket, "read")
    if known := _given(f"src.entries.{position}", entry):
        uri = manifests.physical_key(bucket, key, version)
        return {"logical_key": entry["logicalKey"], "physical_keys": [uri], **known, "meta": entry.get("meta") or {}}
    extra: Any = {"VersionId": version} if version and version != "null" else {}
    try:
        head = registry.s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED", **extra)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] not in ABSENT:
            raise
        head = registry.defects.bend("missing object", None)
        if head is None:
            raise missing from error
    size, pinned = head["ContentLength"], head.get("VersionId", "null")
    value = _hash(registry, {"Bucket": bucket, "Key": key} | extra, head.get("ChecksumSHA256", ""), size)
    return {
        "logical_key": entry["logicalKey"],
        "physical_keys": [manifests.physical_key(bucket, key, pinned)],
        "size": size,
        "hash": {"type": "sha2-256-chunked", "value": value},
        "meta": entry.get("meta") or {},
    }


def _given(where: str, entry: dict[str, Any]) -> dict[str, Any] | None:
    """Return size and hash of an entry that declares both; S3 is then not asked.

    Return None if only one is declared, as the package service of a stack ignores it.
    """
    given, size = entry.get("hash"), entry.get("size")
    if given is not None and given["type"] not in manifests.HASH_TYPES:
        message = f"The hash type `{given['type']}` is not one of {', '.join(manifests.HASH_TYPES)}."
        raise InputError(f"{where}.hash.type", "InvalidHashType", message)
    if size is not None and (size < 0 or not float(size).is_integer()):
        raise InputError(f"{where}.size", "InvalidSize", f"The size {size} is no number of bytes.")
    return None if given is None or size is None else {"size": int(size), "hash": dict(given)}


def _hash(registry: Registry, target: dict[str, Any], checksum: str, size: int) -> str:
    """Return the hash from a stored checksum with the same part layout, or from the object's bytes."""
    value = manifests.stored_hash(checksum, size) if size else manifests.chunked_hash(b"")
    if value is None and "-" in checksum:
        parts = registry.s3.get_object_attributes(
            **target, ObjectAttributes=["ObjectParts"], MaxParts=manifests.MAX_PARTS
        )
        sizes = [part["Size"] for part in parts.get("ObjectParts", {}).get("Parts", [])]
        value = manifests.composite_hash(checksum, sizes, size)
    return value or manifests.chunked_hash(registry.s3.get_object(**target)["Body"].read())


def require_known(caller: Caller, bucket: str, path: str = "params.bucket") -> None:
    """Raise InputError for a bucket that is not in the catalog."""
    if bucket not in caller.catalog:
        raise InputError(path, "BucketNotFound", f"The catalog has no bucket `{bucket}`.")


def _check_conditions(registry: Registry, bucket: str, name: str, headers: dict[str, str]) -> None:
    if not registry.defects.bend("conditions", value=True):
        return
    current = registry.latest(bucket, name)
    if headers.get("if-none-match") == "*" and current:
        raise InputError("params.name", "PackageExists", f"The package `{name}` exists already.")
    wanted = headers.get("if-match", "").strip('"')
    if wanted and (current is None or current[0] != wanted):
        raise OperationError("RevisionConflict", f"The package `{name}` was changed by somebody else meanwhile.")
