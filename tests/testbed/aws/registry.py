"""Packages in a bucket, written object by object without quilt3."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

from tests.testbed.aws.asking import WORK
from tests.testbed.aws.asking import manifest

if TYPE_CHECKING:
    from tests.testbed.aws.asking import Asking


class Registry:
    """Packages in a bucket, written object by object under a user name unique to the test."""

    def __init__(self, aws: Asking, prefix: str) -> None:
        self.aws = aws
        self.user = f"u{prefix.split('/')[1][:12]}"
        self.pointers = f".quilt/named_packages/{self.user}/"
        self.written: list[str] = []

    def push(self, name: str, second: int, *keys: str, **header: Any) -> str:
        """Write manifest, timestamp pointer and `latest`, and return the manifest's hash."""
        top_hash, body = manifest(*keys, **({"message": f"{self.user} {name} {second}"} | header))
        pointers = [f"{self.pointers}{name}/{tag}" for tag in (second, "latest")]
        self.written.append(top_hash)
        for key, content in [(f".quilt/packages/{top_hash}", body), *((p, top_hash.encode()) for p in pointers)]:
            self.aws.s3.put_object(Bucket=WORK, Key=key, Body=content)
        return top_hash

    def latest(self, name: str) -> str:
        """Return the content of the `latest` pointer."""
        return self.body(f"{self.pointers}{name}/latest").decode()

    def manifest(self, top_hash: str) -> list[dict[str, Any]]:
        """Return the parsed lines of a manifest."""
        return [json.loads(line) for line in self.body(f".quilt/packages/{top_hash}").splitlines()]

    def keys(self, top_hash: str) -> list[str]:
        """Return the logical keys of a manifest."""
        return [entry["logical_key"] for entry in self.manifest(top_hash)[1:]]

    def names(self) -> list[str]:
        """Return the package names, listed as quilt3 does."""
        listed = self.aws.s3.list_objects_v2(Bucket=WORK, Prefix=self.pointers, Delimiter="/")
        return [entry["Prefix"].split("/")[-2] for entry in listed.get("CommonPrefixes", [])]

    def tags(self, name: str) -> list[str]:
        """Return the pointer names of a package."""
        listed = self.aws.s3.list_objects_v2(Bucket=WORK, Prefix=f"{self.pointers}{name}/")
        return [entry["Key"].rpartition("/")[2] for entry in listed.get("Contents", [])]

    def body(self, key: str) -> bytes:
        """Return the bytes of an object."""
        return bytes(self.aws.s3.get_object(Bucket=WORK, Key=key)["Body"].read())

    def clean(self) -> None:
        """Delete every version of what was pushed, because other tests list this bucket too."""
        for prefix in (self.pointers, *(f".quilt/packages/{top_hash}" for top_hash in self.written)):
            listed = self.aws.s3.list_object_versions(Bucket=WORK, Prefix=prefix)
            for entry in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
                self.aws.s3.delete_object(Bucket=WORK, Key=entry["Key"], VersionId=entry["VersionId"])
