"""Pushes of packages: half through the catalog's packageConstruct, half by the quilt3 library."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import Self
from typing import cast
from urllib.parse import quote

import requests

from nightproof.datasets.catalogue import bucket_of
from nightproof.datasets.catalogue import key_of
from nightproof.datasets.manifest import pins
from nightproof.errors import Blocked
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

    from types_boto3_s3 import S3Client

    from nightproof.datasets.catalogue import Revision
    from nightproof.datasets.put import Storage

POINTERS: Final = ".quilt/named_packages/"
MANIFESTS: Final = ".quilt/packages/"
DELETED: Final = "test-user/deleted-pkg"
TIMEOUT_S: Final = 120
APART_S: Final = 1.1  # a pointer is named after the second of its push
CONSTRUCT: Final = (
    "mutation PackageConstruct($params: PackagePushParams!, $src: PackageConstructSource!) {"
    " packageConstruct(params: $params, src: $src) { __typename ... on PackagePushSuccess { revision { hash } }"
    " ... on InvalidInput { errors { message } } ... on OperationError { message } } }"
)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The catalog as an admin, and the environment of a quilt3 child."""

    registry_url: str
    access_token: str
    child_env: Mapping[str, str]

    def ask(self, document: str, variables: dict[str, Any]) -> dict[str, Any]:
        """Send one operation and return its data; raise Blocked if there is none."""
        try:
            answer = requests.post(
                f"{self.registry_url}/graphql",
                json={"query": document, "variables": variables},
                headers={"Authorization": f"Bearer {self.access_token}"},
                timeout=(5, TIMEOUT_S),
            )
            found: dict[str, Any] | None = answer.json().get("data") if answer.ok else None
        except (requests.RequestException, AttributeError) as error:
            raise Blocked(f"The catalog did not answer the seeding ({error}): look at its log.") from error
        if not found:
            raise Blocked(
                f"The catalog answered the seeding with HTTP {answer.status_code} {answer.text[:200]}: look at its log."
            )
        return found

    def construct(self, bucket: str, name: str, message: str, metadata: Any, entries: Mapping[str, str]) -> str:
        """Create a revision of objects by their URIs; return its hash, or the catalog's error instead."""
        params = {"bucket": bucket, "name": name, "message": message, "userMeta": metadata}
        listed = [{"logicalKey": key, "physicalKey": uri} for key, uri in entries.items()]
        arm = self.ask(CONSTRUCT, {"params": params, "src": {"entries": listed}})["packageConstruct"]
        return str((arm.get("revision") or {}).get("hash", arm))


class Pusher:
    """A pusher of revisions; its quilt3 child starts with the first revision that needs it and ends with the pusher."""

    def __init__(self, storage: Storage, catalog: Catalog) -> None:
        self._storage = storage
        self._catalog = catalog
        self._library: Library | None = None
        self._last = 0.0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def push_apart(self, revision: Revision) -> None:
        """Push in another second than the last push, so that the times of pointers tell the order."""
        await_value(lambda: time.monotonic() >= self._last + APART_S, 2 * APART_S)
        self.push(revision)
        self._last = time.monotonic()

    def push(self, revision: Revision) -> None:
        """Push one revision; raise Blocked unless its hash is the precomputed one."""
        places = {key: uri_of(self._storage, source) for key, source in revision.entries.items()}
        if revision.by_quilt3:
            self._library = self._library or self._stack.enter_context(Library(self._catalog.child_env))
            found = self._library.push(revision, places)
        else:
            found = self._catalog.construct(
                revision.bucket, revision.package, revision.message, revision.metadata, places
            )
        if found != (expected := revision.expected(pins())):
            raise Blocked(
                f"The package `{revision.package}` got the hash {found[:200]} instead of {expected}: "
                "compare the hash algorithm of client and catalog."
            )


class Library:
    """quilt3 in a child process: it fixes its folders at import, and ours must not be the user's."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._stack = ExitStack()
        home = self._stack.enter_context(tempfile.TemporaryDirectory())
        folders = {"HOME": home, "XDG_DATA_HOME": f"{home}/data", "XDG_CACHE_HOME": f"{home}/cache"}
        self._log = Path(home, "log")
        with self._log.open("wb") as log:
            self._child = self._stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-m", "nightproof.datasets.quilt3_push"],
                    env={"PATH": os.environ["PATH"], **env, **folders},
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                )
            )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def push(self, revision: Revision, places: Mapping[str, str]) -> str:
        """Push one revision by reference and return its hash; raise Blocked if there is none within 120 s."""
        request = {
            "name": revision.package, "registry": f"s3://{revision.bucket}", "message": revision.message,
            "metadata": revision.metadata, "entries": places,
        }  # fmt: skip
        stdin, stdout = cast("IO[str]", self._child.stdin), cast("IO[str]", self._child.stdout)
        timer = threading.Timer(TIMEOUT_S, self._child.kill)
        timer.start()
        try:
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
            answer = stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        finally:
            timer.cancel()
        if not answer:
            said = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            raise Blocked(
                f"quilt3 could not push `{revision.package}` ({''.join(said)}): look at the registry's bucket."
            )
        return answer


def uri_of(storage: Storage, source: str) -> str:
    """Return the URI of a seed's object, with the version that was recorded."""
    dataset, path = source.split("/", 1)
    version = storage.placement.version(dataset, path)
    return f"s3://{bucket_of(dataset, storage.names)}/{quote(key_of(dataset, path))}?versionId={version}"


def pointers_of(storage: Storage, revision: Revision) -> dict[str, str]:
    """Return the pointers of a revision's package: `latest` or a Unix second, to a top hash.

    Pointers to the revision itself are recognised by their ETag and not read, where the ETag is the MD5 of the body.
    """
    prefix, own = f"{POINTERS}{revision.package}/", revision.expected(pins())
    etag = f'"{hashlib.md5(own.encode(), usedforsecurity=False).hexdigest()}"'
    found = {}
    for key, found_etag in _listed(storage.s3, revision.bucket, prefix).items():
        body = own if found_etag == etag else read(storage.s3, revision.bucket, key).decode(errors="replace")
        found[key.removeprefix(prefix)] = body
    return found


def clear(s3: S3Client, bucket: str, package: str) -> None:
    """Delete every pointer of a package, and so the package."""
    for key in _listed(s3, bucket, f"{POINTERS}{package}/"):
        s3.delete_object(Bucket=bucket, Key=key)


def read(s3: S3Client, bucket: str, key: str) -> bytes:
    """Read an object."""
    with closing(s3.get_object(Bucket=bucket, Key=key)["Body"]) as body:
        return body.read()


def _listed(s3: S3Client, bucket: str, prefix: str) -> dict[str, str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {item["Key"]: item["ETag"] for page in pages for item in page.get("Contents", [])}


def note_pointers(storage: Storage, revisions: Sequence[Revision]) -> None:
    """Record the pointer times: the order of a search depends on them."""
    wanted = {revision.package: revision for revision in revisions}
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(partial(pointers_of, storage), wanted.values())
        for package, pointers in zip(wanted, found, strict=True):
            storage.placement.put_pointers(package, {tag: value for tag, value in pointers.items() if tag != "latest"})
    storage.placement.save()


def create_and_delete(storage: Storage, catalog: Catalog, bucket: str) -> None:
    """Leave the traces of a package that once existed, so that listings that show deleted packages are noticed."""
    if not storage.s3.list_object_versions(Bucket=bucket, Prefix=f"{POINTERS}{DELETED}/").get("DeleteMarkers"):
        catalog.construct(bucket, DELETED, "Baseline: deleted", None, {})
    clear(storage.s3, bucket, DELETED)
