"""Packages in their S3 registry; quilt3 pushes to and this catalog writes the same registry."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import TypeVar

from botocore.exceptions import ClientError

from testbed.catalog import manifest as manifests
from testbed.catalog.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Iterator
    from datetime import datetime

    from types_boto3_s3 import S3Client

    from testbed.catalog.injection import Defects
    from testbed.catalog.manifest import Manifest

Item = TypeVar("Item")
POINTERS: Final = ".quilt/named_packages/"
MANIFESTS: Final = ".quilt/packages/"
KEPT_MANIFESTS: Final = 300
WORKERS: Final = 64
FULL_HASH: Final = 64


NAME: Final = re.compile(r"[\w-]+/[\w-]+")  # quilt3's rule; a longer name would exceed S3's key length
LONGEST_NAME: Final = 900
_seen: ContextVar[dict[tuple[str, str], tuple[str, datetime] | None] | None] = ContextVar("seen", default=None)
HASH: Final = re.compile(r"[0-9a-f]{6,64}")
TAG: Final = re.compile(r"latest|[0-9]{1,12}")
POINTER_DEPTH: Final = POINTERS.count("/") + 2


def is_name(name: str) -> bool:
    """Return whether a string is a valid package name."""
    return bool(NAME.fullmatch(name)) and len(name.encode()) <= LONGEST_NAME


@contextmanager
def one_look() -> Iterator[None]:
    """Read each `latest` pointer only once in the block.

    A query then sees one state of a package, and asks S3 once instead of three times.
    """
    token = _seen.set({})
    try:
        yield
    finally:
        _seen.reset(token)


@dataclass(frozen=True, slots=True)
class Pointer:
    """A pointer of a package; its tag is `latest` or a Unix time in seconds."""

    key: str
    tag: str
    etag: str
    modified: datetime


class Registry:
    """Reads pointers afresh and caches manifests, which never change under their hash."""

    def __init__(self, s3: S3Client, defects: Defects) -> None:
        self.s3 = s3
        self.defects = defects
        self._manifests: OrderedDict[tuple[str, str], Manifest] = OrderedDict()
        self._bodies: dict[tuple[str, str, str], str] = {}
        self._lock = threading.Lock()
        self.pool = ThreadPoolExecutor(WORKERS)

    def side_by_side(self, act: Callable[[Item], object], items: Iterable[Item]) -> None:
        """Call `act` for each item concurrently and wait; the calls share the caller's `one_look`.

        A thread of the pool must not call this: it would wait for itself.
        """
        looks = [(copy_context(), item) for item in items]
        list(self.pool.map(lambda look: look[0].run(act, look[1]), looks))

    def names(self, bucket: str) -> list[str]:
        """Return the packages of a bucket in order of name."""
        found = {"/".join(p.key.removeprefix(POINTERS).split("/")[:2]) for p in self._list(bucket, POINTERS)}
        names = sorted(name for name in found if "/" in name)
        return list(self.defects.bend("names", names, registry=self, bucket=bucket))

    def latest_pointers(self, bucket: str) -> dict[str, Pointer]:
        """Return the `latest` pointer of every package of a bucket."""
        return {
            "/".join(p.key.removeprefix(POINTERS).split("/")[:2]): p
            for p in self._list(bucket, POINTERS)
            if p.tag == "latest" and p.key.count("/") == POINTER_DEPTH
        }

    def pointers(self, bucket: str, name: str) -> list[Pointer]:
        """Return the pointers of a package; other objects under its prefix are ignored."""
        prefix = f"{POINTERS}{name}/"
        return [found for found in self._list(bucket, prefix) if TAG.fullmatch(found.key.removeprefix(prefix))]

    def latest(self, bucket: str, name: str) -> tuple[str, datetime] | None:
        """Return hash and time of the latest revision, or None if there is no such package."""
        seen = _seen.get()
        if seen is None:
            return self._latest(bucket, name)
        if (bucket, name) not in seen:
            seen[bucket, name] = self._latest(bucket, name)
        return seen[bucket, name]

    def _latest(self, bucket: str, name: str) -> tuple[str, datetime] | None:
        try:
            found = self.s3.get_object(Bucket=bucket, Key=f"{POINTERS}{name}/latest")
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404", "NoSuchBucket"}:
                return None
            raise
        return _text(found), found["LastModified"]

    def read_pointer(self, bucket: str, pointer: Pointer) -> str:
        """Return the hash in a pointer; cached by ETag."""
        known = self._bodies.get((bucket, pointer.key, pointer.etag))
        if known is None:
            known = _text(self.s3.get_object(Bucket=bucket, Key=pointer.key))
            self._bodies[bucket, pointer.key, pointer.etag] = known
        return known

    def resolve(self, bucket: str, name: str, hash_or_tag: str) -> str | None:
        """Return the full hash for `latest`, a timestamp, a hash or a unique prefix of one; else None."""
        found = self._resolve(bucket, name, hash_or_tag)
        bent = self.defects.bend("resolved", found, registry=self, bucket=bucket, name=name, asked=hash_or_tag)
        return str(bent) if bent else None

    def _resolve(self, bucket: str, name: str, hash_or_tag: str) -> str | None:
        if hash_or_tag == "latest":
            found = self.latest(bucket, name)
            return found[0] if found else None
        if hash_or_tag.isdigit() and len(hash_or_tag) < FULL_HASH:
            for pointer in self.pointers(bucket, name):
                if pointer.tag == hash_or_tag:
                    return self.read_pointer(bucket, pointer)
        if not HASH.fullmatch(hash_or_tag):
            return None
        if len(hash_or_tag) == FULL_HASH:
            return hash_or_tag if self._is_stored(bucket, hash_or_tag) else None
        keys = [p.key.removeprefix(MANIFESTS) for p in self._list(bucket, MANIFESTS + hash_or_tag)]
        return keys[0] if len(keys) == 1 else None

    def manifest(self, bucket: str, top_hash: str) -> Manifest | None:
        """Return a manifest, or None if there is none."""
        with self._lock:
            if found := self._manifests.get((bucket, top_hash)):
                self._manifests.move_to_end((bucket, top_hash))
                return found
        try:
            body = self.s3.get_object(Bucket=bucket, Key=MANIFESTS + top_hash)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404", "NoSuchBucket"}:
                return None
            raise
        return self._remember(bucket, top_hash, manifests.parse(body))

    def _is_stored(self, bucket: str, top_hash: str) -> bool:
        """Return whether S3 has a manifest; the cache does not count, because the manifest may be deleted."""
        try:
            self.s3.head_object(Bucket=bucket, Key=MANIFESTS + top_hash)
        except ClientError as error:
            if error.response["Error"]["Code"] in {"NoSuchKey", "404", "NoSuchBucket"}:
                return False
            raise
        return True

    def write(self, bucket: str, name: str, manifest: Manifest) -> str:
        """Store a revision in push order: manifest, timestamp pointer, `latest`.

        A reader that sees a pointer thus finds its manifest.
        """
        top_hash = str(self.defects.bend("stored hash", manifests.top_hash(manifest)))
        objects = {
            "manifest": (MANIFESTS + top_hash, manifests.dump(manifest)),
            "time": (f"{POINTERS}{name}/{self._second(bucket, name)}", top_hash.encode()),
            "latest": (f"{POINTERS}{name}/latest", top_hash.encode()),
        }
        for step in self.defects.bend("steps", list(objects)):
            key, body = objects[step]
            self.s3.put_object(Bucket=bucket, Key=key, Body=body)
        self._remember(bucket, top_hash, manifest)
        return top_hash

    def _second(self, bucket: str, name: str) -> int:
        """Return the current Unix second, or the next one without a revision: two writes are two revisions."""
        taken, second = {pointer.tag for pointer in self.pointers(bucket, name)}, int(time.time())
        while str(second) in taken:
            second += 1
        return second

    def delete_revision(self, bucket: str, name: str, top_hash: str) -> None:
        """Delete the pointers with this hash.

        If `latest` has it, `latest` moves to the newest revision left, or is deleted with the last one.
        """
        stamped = [p for p in self.pointers(bucket, name) if p.tag != "latest"]
        gone = [p for p in stamped if self.read_pointer(bucket, p) == top_hash]
        current = self.latest(bucket, name)
        is_latest = current is not None and current[0] == top_hash
        if not gone and not is_latest:
            raise OperationError("RevisionNotFound", f"The package `{name}` has no revision `{top_hash}`.")
        for pointer in gone:
            self.s3.delete_object(Bucket=bucket, Key=pointer.key)
        left = sorted((p for p in stamped if p not in gone), key=lambda p: int(p.tag))
        if is_latest and left:
            body = self.read_pointer(bucket, left[-1]).encode()
            self.s3.put_object(Bucket=bucket, Key=f"{POINTERS}{name}/latest", Body=body)
        elif is_latest:
            self.s3.delete_object(Bucket=bucket, Key=f"{POINTERS}{name}/latest")

    def _list(self, bucket: str, prefix: str) -> list[Pointer]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [
            Pointer(item["Key"], item["Key"].rsplit("/", 1)[-1], item["ETag"], item["LastModified"])
            for page in pages
            for item in page.get("Contents", [])
        ]

    def _remember(self, bucket: str, top_hash: str, manifest: Manifest) -> Manifest:
        with self._lock:
            self._manifests[bucket, top_hash] = manifest
            while len(self._manifests) > KEPT_MANIFESTS:
                self._manifests.popitem(last=False)
        return manifest


def _text(found: Any) -> str:
    """Return the hash in a pointer; one that is not UTF-8 becomes a hash that nothing has."""
    return str(found["Body"].read().decode(errors="replace").strip())


def header_of(message: str | None, user_meta: dict[str, Any] | None) -> dict[str, Any]:
    """Return a manifest's header; `user_meta` is absent if there is none."""
    header: dict[str, Any] = {"version": "v0", "message": message}
    return header | ({"user_meta": user_meta} if user_meta is not None else {})
