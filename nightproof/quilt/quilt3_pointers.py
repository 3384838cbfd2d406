"""Package pointers and manifest names of a registry, read straight from S3."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from botocore.exceptions import ClientError

from nightproof.quilt import answers
from nightproof.quilt.administration import AdministeredOps
from nightproof.quilt.s3_errors import Sought
from nightproof.quilt.s3_errors import code_of
from nightproof.quilt.s3_errors import s3_errors

if TYPE_CHECKING:
    from datetime import datetime

POINTERS: Final = ".quilt/named_packages/"
MANIFESTS: Final = ".quilt/packages/"
WRITES: Final = frozenset({"create_package_revision", "update_package_revision", "delete_package"})
STAMP: Final = re.compile(r"[0-9]{1,12}")


class PointerOps(AdministeredOps):
    """Access to pointers with the keys of the signed-in user."""

    _client: tuple[answers.Keys, Any] | None = None

    def s3(self, operation: str) -> Any:
        """Return a client with the current keys, kept until they change: making one takes longer than most requests."""
        self.connect(operation)
        keys = self.keys.current(operation)
        if self._client is None or self._client[0] is not keys:
            self._client = (keys, self.keys.client("s3", None, operation))
        return self._client[1]

    def hash_at(self, operation: str, bucket: str, key: str) -> tuple[str, datetime]:
        """Return the hash that a pointer holds, and when it was written."""
        found = self.s3(operation).get_object(Bucket=bucket, Key=key)
        text = found["Body"].read().decode(errors="replace").strip()
        return self.catalog.fit(operation, answers.TopHash, text), found["LastModified"]

    def latest(self, operation: str, name: str, bucket: str) -> tuple[str, datetime] | None:
        """Return hash and time of the pointer `latest`, or None if there is none."""
        with s3_errors(self, operation, bucket_sought(operation, bucket)):
            try:
                return self.hash_at(operation, bucket, f"{POINTERS}{name}/latest")
            except ClientError as error:
                # A creation reports a missing bucket; every other operation reports the package in it as missing.
                absent = {"NoSuchKey", "404"} | (set() if operation == "create_package_revision" else {"NoSuchBucket"})
                if code_of(error) not in absent:
                    raise
        return None

    def stamps(self, operation: str, bucket: str, name: str) -> list[int]:
        """Return the Unix seconds that name a package's pointers, newest first."""
        prefix = f"{POINTERS}{name}/"
        pages = self.s3(operation).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        tags = [item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", [])]
        return sorted((int(tag) for tag in tags if STAMP.fullmatch(tag)), reverse=True)

    def names_revision(self, operation: str, bucket: str, name: str, top_hash: str) -> bool:
        """Return whether a pointer of the package names the revision."""
        latest = self.latest(operation, name, bucket)
        stamps = self.stamps(operation, bucket, name)
        named = (self.hash_at(operation, bucket, f"{POINTERS}{name}/{stamp}")[0] for stamp in stamps)
        return (latest is not None and latest[0] == top_hash) or top_hash in named

    def full_hash(self, operation: str, name: str, bucket: str, wanted: str) -> str:
        """Return the one hash with this prefix; raise NotFoundError if there is none or more than one."""
        with s3_errors(self, operation, package_sought(operation, name, bucket)):
            found = self.s3(operation).list_objects_v2(Bucket=bucket, Prefix=MANIFESTS + wanted, MaxKeys=2)
        keys = [item["Key"].removeprefix(MANIFESTS) for item in found.get("Contents", [])]
        if len(keys) != 1:
            raise self.missing_package(operation, name, bucket, wanted)
        return str(keys[0])


def bucket_sought(operation: str, bucket: str) -> Sought:
    """Return the subject of a request about a registry's bucket."""
    right = "write" if operation in WRITES else "read"
    return Sought("bucket", bucket, f"s3://{bucket}", bucket, right)


def package_sought(operation: str, identifier: str, bucket: str) -> Sought:
    """Return the subject of a request about a package."""
    right = "write" if operation in WRITES else "read"
    return Sought("package", identifier, f"s3://{bucket}", bucket, right)
