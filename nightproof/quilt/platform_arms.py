"""Translation of the error members of the registry's GraphQL unions into the contract's errors."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import NoReturn

from nightproof.quilt import exceptions as errors
from nightproof.quilt import platform_answers as answers
from nightproof.quilt.answers import Lack

if TYPE_CHECKING:
    from nightproof.quilt.base import CatalogOps

ABSENT: Final = ("NotFound", "DoesNotExist")
ARGUMENTS: Final = {
    "name": "package_name",
    "bucket": "registry",
    "buckets": "registry",
    "userMeta": "metadata",
    "logicalKey": "logical_key",
    "physicalKey": "physical_key",
    "searchString": "query",
    "ttl": "expires_in",
}
RESOURCES: Final = {"physicalKey": "file", "bucket": "bucket", "buckets": "bucket"}


def raise_arm(
    ops: CatalogOps,
    operation: str,
    arm: answers.InvalidInput | answers.OperationError,
    given: dict[str, Any],
    entries: list[dict[str, Any]] | None = None,
) -> NoReturn:
    """Raise the contract's error for a union's error member.

    `given` holds the arguments as they were sent, by their GraphQL names; `entries` by those of the contract.
    """
    if isinstance(arm, answers.InvalidInput):
        _raise_invalid(ops, operation, arm.errors[0], given, entries or [])
    _raise_failed(ops, operation, arm, given, entries or [])


def _raise_invalid(
    ops: CatalogOps, operation: str, error: answers.InputError, given: dict[str, Any], entries: list[dict[str, Any]]
) -> NoReturn:
    parts = (error.path or "").split(".")
    # A number in the path is the index of the rejected entry.
    place = next((int(part) for part in parts if part.isdigit()), len(entries))
    entry = entries[place] if place < len(entries) else None
    field = ARGUMENTS.get(parts[-1], parts[-1])
    value = given.get(parts[-1]) if entry is None else entry.get(field)
    if error.name.endswith(ABSENT):
        identifier = str(value if value is not None else parts[-1])
        where = identifier.removeprefix("s3://").split("/", 1)[0]
        raise ops.not_found(operation, RESOURCES.get(parts[-1], "package"), identifier, f"s3://{where}")
    if error.name == "PackageExists":
        ops.exists_already(operation, str(given["name"]))
    if field == "workflow":
        ops.refuse_workflow(operation, value, error.message)
    ops.rules(operation).refuse(field, value, error.message, None if entry is None else place)


def _raise_failed(
    ops: CatalogOps,
    operation: str,
    arm: answers.OperationError,
    given: dict[str, Any],
    entries: list[dict[str, Any]],
) -> NoReturn:
    if arm.name == "ObjectNotFound":
        # The error has no field for the entry: only its message quotes the logical key.
        source = next((entry["physical_key"] for entry in entries if f"`{entry['logical_key']}`" in arm.message), None)
        if source is None:
            raise unnamed(ops, operation, arm)
        raise ops.not_found(operation, "file", source, f"s3://{source.removeprefix('s3://').split('/', 1)[0]}")
    if arm.name.endswith(ABSENT) and {"name", "bucket"} <= given.keys():
        raise ops.missing_package(operation, given["name"], given["bucket"], given.get("hash", "latest"))
    if arm.name == "Forbidden":
        ops.catalog.forbid(operation, ops.catalog.fit(operation, Lack, arm.context or {}))
    if arm.name == "RevisionConflict":
        raise ops.conflict(operation, str(given.get("name")), None)
    raise unnamed(ops, operation, arm)


def unnamed(ops: CatalogOps, operation: str, arm: answers.OperationError) -> errors.BackendError:
    """Return the BackendError (kind `graphql`) for a failure that no other error of the contract covers."""
    return errors.BackendError(
        "The catalog refused the operation. Look at the context for its error.",
        ops.catalog.base(operation)
        | {
            "kind": "graphql",
            "original_exception": None,
            "errors": [{"name": arm.name, "message": arm.message, "path": None}],
        },
    )
