"""Corrections inside ministack 1.5.33, where its decisions differ from AWS and no layer around it reaches."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import parse_qs
from urllib.parse import unquote

from ministack.core import iam_evaluator
from ministack.services import s3 as ministack_s3

if TYPE_CHECKING:
    from collections.abc import Callable

NULL: Final = "null"
SOURCE: Final = "x-amz-copy-source"


def put_right() -> None:
    """Patch ministack to match IAM wildcards and to treat the version `null` as AWS does."""
    iam_evaluator._fnmatch_compile = wildcard  # noqa: SLF001 - it has no setting for this
    attributes = ministack_s3._get_object_attributes  # noqa: SLF001 - as above
    ministack_s3._get_object_attributes = _of_null_version(attributes)  # noqa: SLF001 - as above
    for name in ("_copy_object", "_upload_part_copy"):
        setattr(ministack_s3, name, _from_null_version(getattr(ministack_s3, name)))


@cache
def wildcard(pattern: str, ignore_case: bool) -> re.Pattern[str]:  # noqa: FBT001 - as ministack calls it
    """Compile an IAM wildcard that must match a whole text.

    `*` matches any text and `?` any character, line feeds included.
    """
    parts = [{"*": ".*", "?": "."}.get(part, re.escape(part)) for part in pattern]
    return re.compile("".join(parts) + r"\Z", re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _of_null_version(answer: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap an object operation so that it accepts version `null` for an unversioned object."""

    def of_null(bucket: str, key: str, headers: dict[str, Any], query: dict[str, Any]) -> Any:
        named = query.get("versionId", "")
        if (named[0] if isinstance(named, list) else named) == NULL and _is_unversioned(bucket, key):
            query = {name: value for name, value in query.items() if name != "versionId"}
        return answer(bucket, key, headers, query)

    return of_null


def _from_null_version(copy: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a copy so that its source may be version `null` of an unversioned object.

    It serves CopyObject and UploadPartCopy.
    """

    def from_null(*arguments: Any) -> Any:
        headers = arguments[-1]
        path, _, query = headers.get(SOURCE, "").partition("?")
        bucket, _, key = unquote(path).lstrip("/").partition("/")
        if parse_qs(query).get("versionId") == [NULL] and _is_unversioned(bucket, key):
            return copy(*arguments[:-1], headers | {SOURCE: path})
        return copy(*arguments)

    return from_null


def _is_unversioned(bucket: str, key: str) -> bool:
    """Return whether the current object has no version id, so that `null` names it."""
    versions = ministack_s3._object_versions.get((bucket, key), [])  # noqa: SLF001 - it has no other way
    found = (ministack_s3._ensure_bucket(bucket) or {"objects": {}})["objects"].get(key)  # noqa: SLF001 - as above
    is_kept = any(version["version_id"] == NULL for version in versions)
    return not is_kept and found is not None and not found.get("version_id")
