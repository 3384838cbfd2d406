"""The AWS operation of a request, identified as in botocore's service models."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from typing import Final
from urllib.parse import parse_qs

from botocore.loaders import Loader
from botocore.model import ServiceModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.model import OperationModel

CREDENTIAL: Final = re.compile(r"Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
FORM: Final = "application/x-www-form-urlencoded"
NOWHERE: Final = frozenset({"ListDirectoryBuckets", "WriteGetObjectResponse"})  # served on other hosts than S3's


@dataclass(frozen=True, slots=True)
class Operation:
    """The operation of a request, such as GetObject or sts:GetCallerIdentity; bucket and key for S3 only."""

    name: str
    service: str
    access_key: str
    bucket: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """The query parameters and headers that identify an S3 operation."""

    name: str
    query: frozenset[str]
    headers: frozenset[str]


def service_of(method: str, query: str, headers: Mapping[str, str]) -> tuple[str, str]:
    """Return service and access key of a request, read from its signature.

    An unsigned form POST is for STS; any other unsigned request is for S3.
    """
    credential = parse_qs(query).get("X-Amz-Credential", [""])[0]
    found = CREDENTIAL.search(headers.get("authorization", "") or f"Credential={credential}")
    if found:
        return found[3], found[1]
    return ("sts" if method == "POST" and headers.get("content-type", "").startswith(FORM) else "s3"), ""


def identify(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes = b"") -> Operation:
    """Return the operation of a request; `path` is URL-decoded.

    `body` is needed for services that name the operation there; S3 does not.
    """
    service, access_key = service_of(method, query, headers)
    if service != "s3":
        action = headers.get("x-amz-target", "").rsplit(".", 1)[-1] or _action(query, body) or f"{method} {path}"
        return Operation(f"{service}:{action}", service, access_key)
    bucket, _, key = path.lstrip("/").partition("/")
    asked = frozenset(parse_qs(query, keep_blank_values=True))
    return Operation(_s3_name(method, bucket, key, asked, headers), "s3", access_key, bucket, key)


def _action(query: str, body: bytes) -> str:
    """Return the action of a query-protocol request, or an empty string."""
    return parse_qs(query).get("Action", parse_qs(body.decode("latin-1")).get("Action", [""]))[0]


def _s3_name(method: str, bucket: str, key: str, asked: frozenset[str], headers: Mapping[str, str]) -> str:
    level = "key" if key else "bucket" if bucket else "account"
    for shape in _s3_shapes().get((method, level), ()):
        if shape.query <= asked and shape.headers <= headers.keys():
            return shape.name
    return "PostObject" if method == "POST" and level == "bucket" else f"{method} of {level}"


@cache
def _s3_shapes() -> dict[tuple[str, str], list[Shape]]:
    """Return S3's operations by method and level; those with most required parameters come first."""
    model = ServiceModel(Loader().load_service_model("s3", "service-2"))
    shapes: dict[tuple[str, str], list[Shape]] = {}
    for name in model.operation_names:
        operation = model.operation_model(name)
        if not operation.deprecated and name not in NOWHERE:
            shapes.setdefault((operation.http["method"], _level(operation)), []).append(_shape(operation))
    for found in shapes.values():
        found.sort(key=lambda shape: -len(shape.query) - len(shape.headers))
    return shapes


def _level(operation: OperationModel) -> str:
    members = operation.input_shape.members if operation.input_shape else {}
    return "key" if "{Key+}" in operation.http["requestUri"] else "bucket" if "Bucket" in members else "account"


def _shape(operation: OperationModel) -> Shape:
    query, headers = set(parse_qs(operation.http["requestUri"].partition("?")[2], keep_blank_values=True)), set()
    asked = operation.input_shape
    for member in [asked.members[name].serialization for name in asked.required_members] if asked else ():
        if member.get("location") == "querystring":
            query.add(member["name"])
        elif member.get("location") == "header":
            headers.add(member["name"].lower())
    return Shape(operation.name, frozenset(query), frozenset(headers))
