"""Name the AWS operation of a request, as the service's own documentation does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final
from urllib.parse import parse_qs
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

CREDENTIAL: Final = re.compile(r"Credential=([^/]+)/\d{8}/([^/]+)/([^/]+)/aws4_request")
SUBRESOURCES: Final = {
    "versioning": "BucketVersioning",
    "lifecycle": "BucketLifecycleConfiguration",
    "encryption": "BucketEncryption",
    "publicAccessBlock": "PublicAccessBlock",
    "policy": "BucketPolicy",
    "tagging": "Tagging",
    "location": "BucketLocation",
    "acl": "Acl",
    "attributes": "ObjectAttributes",
}
VERBS: Final = {"GET": "Get", "PUT": "Put", "DELETE": "Delete", "HEAD": "Head", "POST": "Post"}


@dataclass(frozen=True, slots=True)
class Operation:
    """What a request asks: `name` such as GetObject or sts:GetCallerIdentity; bucket and key for S3 only."""

    name: str
    service: str
    access_key: str
    bucket: str = ""
    key: str = ""


def identify(method: str, path: str, query: str, headers: Mapping[str, str]) -> Operation:
    """Tell the operation from signature scope, path, query and target header."""
    asked = parse_qs(query, keep_blank_values=True)
    signature = headers.get("authorization", "") or f"Credential={asked.get('X-Amz-Credential', [''])[0]}"
    found = CREDENTIAL.search(signature)
    access_key, service = (found[1], found[3]) if found else ("", "s3")
    if service != "s3":
        target = headers.get("x-amz-target", "").rsplit(".", 1)[-1]
        return Operation(f"{service}:{target or asked.get('Action', ['Query'])[0]}", service, access_key)
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    return Operation(_s3_name(method, key, asked, headers), "s3", access_key, bucket, key)


def _s3_name(method: str, key: str, asked: Mapping[str, list[str]], headers: Mapping[str, str]) -> str:
    if name := _multipart_name(method, key, asked, headers):
        return name
    for parameter, noun in SUBRESOURCES.items():
        if parameter in asked:
            return f"{VERBS.get(method, method)}{noun}"
    if not key:
        return _bucket_name(method, asked)
    if method == "PUT" and "x-amz-copy-source" in headers:
        return "CopyObject"
    return f"{VERBS.get(method, method)}Object"


def _multipart_name(method: str, key: str, asked: Mapping[str, list[str]], headers: Mapping[str, str]) -> str:
    if "uploads" in asked:
        return "CreateMultipartUpload" if key else "ListMultipartUploads"
    if "uploadId" not in asked:
        return ""
    if method == "PUT":
        return "UploadPartCopy" if "x-amz-copy-source" in headers else "UploadPart"
    return {"POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}.get(method, "ListParts")


def _bucket_name(method: str, asked: Mapping[str, list[str]]) -> str:
    if method == "POST" and "delete" in asked:
        return "DeleteObjects"
    if method == "GET":
        return (
            "ListObjectVersions" if "versions" in asked else "ListObjectsV2" if "list-type" in asked else "ListObjects"
        )
    return {"PUT": "CreateBucket", "DELETE": "DeleteBucket"}.get(method, "HeadBucket")
