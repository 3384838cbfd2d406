"""The independent reader: boto3 with the harness's own credentials, on the observer channel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import urlsplit

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from nightproof.evidence import channel
from suites._support.hashes import top_hash

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

POINTERS: Final = ".quilt/named_packages"
MANIFESTS: Final = ".quilt/packages"
TIMEOUT_S: Final = 10


class Manifest:
    """A stored manifest: its header, its entries by logical key, and the hash of its content."""

    def __init__(self, text: str) -> None:
        lines = [json.loads(line) for line in text.splitlines()]
        self.header: dict[str, Any] = lines[0]
        self.entries: dict[str, dict[str, Any]] = {
            line["logical_key"]: line for line in lines[1:] if "physical_keys" in line
        }

    @property
    def computed_hash(self) -> str:
        """Return the top hash, computed from the content."""
        return top_hash(self.header, list(self.entries.values()))


class Observer:
    """Reads registries and objects directly, and uploads sources; never through the system under test."""

    def __init__(self) -> None:
        self._s3 = boto3.client("s3", config=Config(signature_version="s3v4"))
        self._sts = boto3.client("sts")

    def config_json(self, catalog_url: str) -> dict[str, Any]:
        """Read the catalog's public configuration."""
        with channel("observer"):
            answer = requests.get(f"{catalog_url}/config.json", timeout=TIMEOUT_S)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def account(self) -> str:
        """Return the AWS account of the harness's credentials."""
        with channel("observer"):
            return self._sts.get_caller_identity()["Account"]

    def read(self, bucket: str, key: str) -> bytes:
        """Read one object."""
        with channel("observer"):
            return self._s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def put(self, bucket: str, key: str, data: bytes) -> str:
        """Upload one object and return its URI."""
        with channel("observer"):
            self._s3.put_object(Bucket=bucket, Key=key, Body=data)
        return f"s3://{bucket}/{key}"

    def head_bucket(self, bucket: str) -> None:
        """Check that a bucket exists; raise ClientError if not."""
        with channel("observer"):
            self._s3.head_bucket(Bucket=bucket)

    def delete(self, bucket: str, key: str) -> None:
        """Delete one object."""
        with channel("observer"):
            self._s3.delete_object(Bucket=bucket, Key=key)

    def content_type(self, bucket: str, key: str) -> str:
        """Return the media type that an object is stored with."""
        with channel("observer"):
            return self._s3.head_object(Bucket=bucket, Key=key)["ContentType"]

    def origin(self, bucket: str) -> str:
        """Return scheme and host at which the target serves a bucket's objects."""
        parts = urlsplit(self._s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "any"}))
        return f"{parts.scheme}://{parts.netloc}"

    def latest(self, bucket: str, package: str) -> tuple[str, datetime]:
        """Return the hash in a package's `latest` pointer, and when the pointer was written."""
        with channel("observer"):
            found = self._s3.get_object(Bucket=bucket, Key=f"{POINTERS}/{package}/latest")
            return found["Body"].read().decode(), found["LastModified"]

    def exists(self, bucket: str, package: str) -> bool:
        """Return whether a package has a `latest` pointer."""
        try:
            self.latest(bucket, package)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return False
            raise
        return True

    def pointer_times(self, bucket: str, package: str) -> list[int]:
        """Return the seconds that name a package's revision pointers, ascending."""
        names = [key.rsplit("/", 1)[1] for key in self.inventory(bucket, f"{POINTERS}/{package}/")]
        return sorted(int(name) for name in names if name != "latest")

    def pointers(self, bucket: str, package: str) -> dict[int, tuple[str, float]]:
        """Return the hash in each revision pointer and when it was written, by the second that names it."""
        found: dict[int, tuple[str, float]] = {}
        for second in self.pointer_times(bucket, package):
            with channel("observer"):
                stored = self._s3.get_object(Bucket=bucket, Key=f"{POINTERS}/{package}/{second}")
            found[second] = (stored["Body"].read().decode(), stored["LastModified"].timestamp())
        return found

    def manifest(self, bucket: str, stored_under: str) -> Manifest:
        """Read the manifest that is stored under a hash."""
        return Manifest(self.read(bucket, f"{MANIFESTS}/{stored_under}").decode())

    def registry_state(self, bucket: str, package: str) -> dict[str, str]:
        """Return a package's pointers with ETag and time; equal before and after means unchanged."""
        return self.inventory(bucket, f"{POINTERS}/{package}/")

    def inventory(self, bucket: str, prefix: str) -> dict[str, str]:
        """Return ETag and time of each object below a prefix, by key."""
        with channel("observer"):
            return {found["Key"]: f"{found['ETag']} {found['LastModified']}" for found in self._list(bucket, prefix)}

    def remove(self, bucket: str, prefix: str) -> None:
        """Delete all versions and abort all unfinished uploads below a prefix that the test created."""
        with channel("observer"):
            for pending in self._uploads(bucket, prefix):
                self._s3.abort_multipart_upload(Bucket=bucket, Key=pending["Key"], UploadId=pending["UploadId"])
            for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
                listed = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                if listed:
                    self._delete(bucket, [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in listed])

    def _delete(self, bucket: str, versions: list[dict[str, str]]) -> None:
        asked: Any = {"Objects": versions, "Quiet": True}
        refused = self._s3.delete_objects(Bucket=bucket, Delete=asked).get("Errors", [])
        if refused:
            raise OSError(f"S3 did not delete {len(refused)} of {len(versions)} versions, first {refused[0]}.")

    def leftovers(self, bucket: str, prefix: str) -> list[tuple[str, str]]:
        """Return kind and key of every version, delete marker and unfinished upload below a prefix."""
        with channel("observer"):
            found = [("upload", item["Key"]) for item in self._uploads(bucket, prefix)]
            for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
                found += [("version", item["Key"]) for item in page.get("Versions", [])]
                found += [("marker", item["Key"]) for item in page.get("DeleteMarkers", [])]
            return found

    def _uploads(self, bucket: str, prefix: str) -> list[Any]:
        pages = self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
        return [item for page in pages for item in page.get("Uploads", [])]

    def _list(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from page.get("Contents", [])  # type: ignore[misc]  # the stub's typed dict is a dict
