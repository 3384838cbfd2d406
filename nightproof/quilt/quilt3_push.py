"""Pushes of quilt3 packages, with the library's own rejections kept apart from those of a server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import NoReturn

import quilt3
from botocore.exceptions import ClientError
from quilt3.backends import get_package_registry
from quilt3.util import PhysicalKey
from quilt3.util import QuiltConflictException
from quilt3.util import QuiltException
from quilt3.workflows import validate as validate_workflow

from nightproof.quilt.quilt3_session import SENT_WRITES
from nightproof.quilt.s3_errors import MISSING
from nightproof.quilt.s3_errors import code_of
from nightproof.quilt.s3_errors import raise_unnamed

if TYPE_CHECKING:
    from nightproof.quilt.quilt3_pointers import PointerOps
    from nightproof.quilt.records import Package_Creation_Result

SOURCE_READS: Final = frozenset({"CopyObject", "UploadPartCopy", "HeadObject", "GetObject", "GetObjectAttributes"})
TOO_LARGE: Final = re.compile(
    r"Size of manifest record for (package metadata|entry with logical key .+) is (\d+) bytes"
)


def push(
    ops: PointerOps,
    operation: str,
    package: Any,
    name: str,
    bucket: str,
    message: str,
    workflow: str | None,
    *,
    copy: bool,
) -> Package_Creation_Result:
    """Push on top of the revision that was browsed, and return the result record."""
    selector = quilt3.Package.selector_fn_copy_all if copy else (lambda *_: False)
    options = {"workflow": workflow} if workflow else {}
    before = SENT_WRITES.count
    try:
        pushed = package.push(
            name, registry=f"s3://{bucket}", message=message or None, selector_fn=selector, force=False, **options
        )
    except QuiltConflictException:
        if operation == "create_package_revision":
            ops.exists_already(operation, name)
        raise
    except QuiltException as error:
        _refuse_workflow(ops, operation, package, name, bucket, message, workflow, error)
        _refuse_size(ops, operation, package, error)
        raise ops.catalog.refused_here(operation, error, SENT_WRITES.count - before) from error
    except ClientError as error:
        if code_of(error) in MISSING and error.operation_name in SOURCE_READS:
            _name_source(ops, operation, package, error)
        raise
    return ops.creation(name, bucket, pushed.top_hash, sum(1 for _ in pushed.walk()))


def _refuse_workflow(
    ops: PointerOps,
    operation: str,
    package: Any,
    name: str,
    bucket: str,
    message: str,
    workflow: str | None,
    cause: QuiltException,
) -> None:
    """Raise the ValidationError for a rejection by a workflow, or return if the cause was another.

    The library has no exception class for it, so the check itself is repeated.
    """
    given: Any = workflow or ...
    registry = get_package_registry(f"s3://{bucket}")
    try:
        validate_workflow(registry=registry, workflow=given, name=name, pkg=package, message=message or None)
    except QuiltException:
        ops.refuse_workflow(operation, workflow, str(cause))


def _refuse_size(ops: PointerOps, operation: str, package: Any, cause: QuiltException) -> None:
    """Raise the ValidationError for a record that only a workflow or a version id made too large."""
    found = TOO_LARGE.match(str(cause))
    if found is None:
        return
    size, rules = int(found[2]), ops.rules(operation)
    if found[1] == "package metadata":
        rules.too_large("metadata", package.meta, size)
    keys = [key for key, _ in package.walk()]
    index = next(place for place, key in enumerate(keys) if found[1].endswith(repr(key)))
    rules.too_large("meta", package[keys[index]].meta, size, index)


def _name_source(ops: PointerOps, operation: str, package: Any, cause: ClientError) -> NoReturn:
    """Raise NotFoundError for the object that a copy did not find, and not for the copy's destination."""
    for _, entry in package.walk():
        place: PhysicalKey = entry.physical_key
        version = {"VersionId": place.version_id} if place.version_id else {}
        try:
            ops.s3(operation).head_object(Bucket=place.bucket, Key=place.path, **version)
        except ClientError as error:
            if code_of(error) in MISSING:
                raise ops.not_found(operation, "file", str(place), f"s3://{place.bucket}") from cause
    raise_unnamed(ops, operation, cause)
