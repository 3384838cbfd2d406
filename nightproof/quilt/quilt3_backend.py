"""The `quilt3` backend: the quilt3 library straight on S3; the catalog only for sign-in, search and GraphQL."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import NamedTuple

from quilt3.data_transfer import S3NoValidClientError
from quilt3.exceptions import PackageException
from quilt3.packages import PackageEntry
from quilt3.util import QuiltConflictException
from quilt3.util import QuiltException

from nightproof.quilt import answers
from nightproof.quilt import quilt3_nodes as nodes
from nightproof.quilt.aws import limits
from nightproof.quilt.aws import region_of
from nightproof.quilt.base import Entry
from nightproof.quilt.base import description_of
from nightproof.quilt.base import newest_first
from nightproof.quilt.base import tags_of
from nightproof.quilt.quilt3_admin import administer
from nightproof.quilt.quilt3_entries import fill
from nightproof.quilt.quilt3_pointers import MANIFESTS
from nightproof.quilt.quilt3_pointers import POINTERS
from nightproof.quilt.quilt3_pointers import WRITES
from nightproof.quilt.quilt3_pointers import PointerOps
from nightproof.quilt.quilt3_pointers import bucket_sought
from nightproof.quilt.quilt3_pointers import package_sought
from nightproof.quilt.quilt3_push import push
from nightproof.quilt.quilt3_session import LIBRARY
from nightproof.quilt.quilt3_session import SENT_WRITES
from nightproof.quilt.quilt3_session import User
from nightproof.quilt.quilt3_session import stored_session
from nightproof.quilt.records import Content_Info
from nightproof.quilt.records import Package_Creation_Result
from nightproof.quilt.records import Package_Info
from nightproof.quilt.records import Package_Revision
from nightproof.quilt.s3_errors import Sought
from nightproof.quilt.s3_errors import deny
from nightproof.quilt.s3_errors import s3_errors
from nightproof.quilt.validation import is_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nightproof.quilt.admin_calls import Call
    from nightproof.quilt.contract import Entries
    from nightproof.quilt.records import Credentials
    from nightproof.quilt.records import Timeouts

MOST_HITS: Final = 1000
# The library does not validate what it reads: damaged pointers and manifests end in any of these.
DAMAGE: Final = (
    QuiltException,
    PackageException,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
)


class Opened(NamedTuple):
    """One revision of a package, and the hash and time of `latest`."""

    bucket: str
    top_hash: str
    package: Any
    latest_hash: str
    latest_time: str


class Quilt3Ops(PointerOps):
    """QuiltOps through the quilt3 library."""

    backend_type = "quilt3"
    default_write_s = 120

    def __init__(
        self,
        *,
        catalog_url: str | None,
        registry: str | None,
        credentials: Credentials | None,
        timeouts: Timeouts | None,
    ) -> None:
        given = credentials or stored_session(catalog_url)
        super().__init__(catalog_url=catalog_url, registry=registry, credentials=given, timeouts=timeouts)

    def _catalog_name(self) -> str | None:
        return None  # quilt3 itself has no name for a catalog

    def list_all_packages(self, registry: str) -> list[str]:
        """List the registry's packages."""
        operation = "list_all_packages"
        bucket = self.rules(operation).bucket(registry)
        with self._library(operation, bucket_sought(operation, bucket)) as library:
            # The library lists any object among the pointers, also under names that no package can have.
            return sorted(name for name in set(library.list_packages(f"s3://{bucket}")) if is_name(name))

    def get_package_info(self, package_name: str, registry: str, top_hash: str | None = None) -> Package_Info:
        """Return a package at one revision, from its pointer and manifest."""
        operation = "get_package_info"
        opened = self._open(operation, package_name, registry, top_hash)
        package = opened.package
        return Package_Info(
            name=package_name,
            description=description_of(nodes.metadata(package)),
            tags=tags_of(nodes.metadata(package)),
            modified_date=opened.latest_time,
            registry=f"s3://{opened.bucket}",
            bucket=opened.bucket,
            top_hash=opened.top_hash,
            message=package._meta.get("message"),  # noqa: SLF001 - quilt3 has no public way to the message
        )

    def get_package_metadata(self, package_name: str, registry: str, top_hash: str | None = None) -> dict[str, Any]:
        """Return the user metadata of a revision."""
        package = self._open("get_package_metadata", package_name, registry, top_hash).package
        return nodes.metadata(package)

    def list_package_revisions(self, package_name: str, registry: str) -> list[Package_Revision]:
        """Read the pointers and each revision's message."""
        operation = "list_package_revisions"
        bucket = self._named(operation, package_name, registry)
        if not self.latest(operation, package_name, bucket):
            raise self.missing_package(operation, package_name, bucket, "latest")
        revisions = []
        with s3_errors(self, operation, package_sought(operation, package_name, bucket)):
            for stamp in self.stamps(operation, bucket, package_name):
                top_hash = self.hash_at(operation, bucket, f"{POINTERS}{package_name}/{stamp}")[0]
                header = self.s3(operation).get_object(Bucket=bucket, Key=MANIFESTS + top_hash)["Body"].readline()
                message = self.catalog.fit_json(operation, answers.ManifestHeader, header).message
                revisions.append(Package_Revision(top_hash, nodes.moment(stamp), message))
        return revisions

    def browse_content(
        self, package_name: str, registry: str, path: str = "", top_hash: str | None = None
    ) -> list[Content_Info]:
        """List the children of a node, or the one file at the path."""
        operation = "browse_content"
        bare = self.rules(operation).path(path)
        opened = self._open(operation, package_name, registry, top_hash)
        node = nodes.node(opened.package, bare)
        if node is None or (isinstance(node, PackageEntry) and path.endswith("/")):
            raise self.not_found(operation, "path", path, f"s3://{opened.bucket}/{package_name}")
        modified = self._time_of(operation, package_name, opened)
        if isinstance(node, PackageEntry):
            return [nodes.content(bare, node, modified)]
        items = [
            nodes.content(f"{bare}/{name}" if bare else name, child, modified) for name, child in nodes.children(node)
        ]
        return sorted(items, key=lambda item: (item.type != "directory", item.path))

    def get_content_url(
        self, package_name: str, registry: str, path: str, top_hash: str | None = None, expires_in: int = 3600
    ) -> str:
        """Return a presigned URL of the object behind an entry, its version pinned."""
        operation = "get_content_url"
        bare = self.rules(operation).path(path)
        self.rules(operation).life(expires_in)
        opened = self._open(operation, package_name, registry, top_hash)
        node = nodes.node(opened.package, bare)
        if node is None or (isinstance(node, PackageEntry) and path.endswith("/")):
            raise self.not_found(operation, "file", path, f"s3://{opened.bucket}/{package_name}")
        if not isinstance(node, PackageEntry):
            self.rules(operation).refuse("path", path, "the path of a file, not of a directory")
        key = node.physical_key
        target = {"Bucket": key.bucket, "Key": key.path}
        if key.version_id and key.version_id != "null":
            target["VersionId"] = key.version_id
        s3, sought = self.s3(operation), Sought("file", path, f"s3://{key.bucket}", key.bucket)
        with s3_errors(self, operation, sought):
            region = region_of(s3, key.bucket)  # S3 rejects a URL that is signed for another region
        if region != s3.meta.region_name:
            s3 = self.keys.client("s3", region, operation)
        return str(s3.generate_presigned_url("get_object", Params=target, ExpiresIn=expires_in))

    def create_package_revision(
        self,
        package_name: str,
        registry: str,
        entries: Entries,
        *,
        message: str = "",
        metadata: dict[str, Any] | None = None,
        auto_organize: bool = False,
        copy: bool = False,
        workflow: str | None = None,
    ) -> Package_Creation_Result:
        """Push a new package."""
        operation = "create_package_revision"
        bucket = self._named(operation, package_name, registry)
        checked = self.rules(operation).entries(entries, auto_organize=auto_organize)
        self.rules(operation).header(message, self.rules(operation).metadata(metadata))
        if self.latest(operation, package_name, bucket):
            self.exists_already(operation, package_name)
        with self._library(operation, bucket_sought(operation, bucket)) as library:
            package = library.Package()
            fill(self, operation, package, checked)
            if metadata is not None:
                package.set_meta(metadata)
            return push(self, operation, package, package_name, bucket, message, workflow, copy=copy)

    def update_package_revision(
        self,
        package_name: str,
        registry: str,
        entries: Entries | None = None,
        *,
        message: str = "",
        metadata: dict[str, Any] | None = None,
        auto_organize: bool = False,
        copy: bool = False,
        workflow: str | None = None,
    ) -> Package_Creation_Result:
        """Browse the latest revision, replace its entries, push on top of it."""
        operation = "update_package_revision"
        bucket = self._named(operation, package_name, registry)
        checked = None if entries is None else self.rules(operation).entries(entries, auto_organize=auto_organize)
        self.rules(operation).header(message, self.rules(operation).metadata(metadata))
        if not self.latest(operation, package_name, bucket):
            raise self.missing_package(
                operation, package_name, bucket, "latest", "Use create_package_revision to make it."
            )
        with self._library(operation, package_sought(operation, package_name, bucket)) as library:
            package = library.Package.browse(package_name, f"s3://{bucket}")
            nodes.check(package)
            if checked is not None:
                for key in list(package.keys()):
                    package.delete(key)
                fill(self, operation, package, checked)
            merged = nodes.metadata(package) | (metadata or {})
            self.rules(operation).header(message, merged)
            if metadata is not None:
                package.set_meta(merged)
            elif package.meta is None:
                package._meta.pop("user_meta")  # noqa: SLF001 - null is none, which the catalog does not write
            return push(self, operation, package, package_name, bucket, message, workflow, copy=copy)

    def delete_package(self, package_name: str, registry: str, top_hash: str | None = None) -> None:
        """Delete all pointers, or those of one revision."""
        operation = "delete_package"
        doomed = self.rules(operation).doomed(top_hash)
        opened = self._open(operation, package_name, registry, doomed)
        bucket, only = opened.bucket, None if doomed is None else opened.top_hash
        with self._library(operation, package_sought(operation, package_name, bucket)) as library:
            before = SENT_WRITES.count
            try:
                library.delete_package(package_name, f"s3://{bucket}", top_hash=only)
            except QuiltException as error:
                # A manifest outlives its pointers: opening it does not prove that the package still has it.
                if only is None or self.names_revision(operation, bucket, package_name, only):
                    raise self.catalog.refused_here(operation, error, SENT_WRITES.count - before) from error
                raise self.missing_package(operation, package_name, bucket, doomed or only) from error

    def search_packages(self, query: str, registry: str) -> list[Package_Info]:
        """Search the package index over the registry's REST route."""
        operation = "search_packages"
        text, bucket = self.rules(operation).query(query), self.rules(operation).bucket(registry)
        body = {"query": {"query_string": {"query": text, "default_operator": "OR"}}, "size": MOST_HITS}
        params = {"index": f"{bucket}_packages", "action": "freeform", "body": json.dumps(body), "size": str(MOST_HITS)}
        found = self.connect(operation).get_json(operation, "/api/search", answers.SearchHits, params).hits
        if found.total > MOST_HITS:
            raise self.too_many(operation, MOST_HITS)
        return newest_first([nodes.hit(hit.source, bucket) for hit in found.hits])

    def _entries(self, operation: str, name: str, bucket: str, top_hash: str) -> dict[str, Entry]:
        package = self._open(operation, name, f"s3://{bucket}", top_hash).package
        return {key: (entry.hash["value"], entry.hash["type"], int(entry.size)) for key, entry in package.walk()}

    @contextmanager
    def _library(self, operation: str, sought: Sought) -> Iterator[Any]:
        """Yield the library, signed in as this instance's user; translate its exceptions into the contract's errors."""
        answer_s = self._answer_s(operation)
        with s3_errors(self, operation, sought, answer_s), LIBRARY.entered(self._user(operation)) as library:
            try:
                yield library
            except S3NoValidClientError as error:
                deny(self, operation, sought, error)
            except QuiltConflictException as error:
                raise self.conflict(operation, sought.identifier, error) from error
            except DAMAGE as error:
                raise self.catalog.protocol(operation, f"{type(error).__name__}: {error}") from error

    def _user(self, operation: str) -> User:
        """Return the signed-in user, in the form that the library's gate needs."""
        catalog, config = self.connect(operation), self.configuration(operation)
        keys = self.keys.current(operation)
        bounds = limits(self.timeouts, self._answer_s(operation))
        return User(catalog.url, config, keys, bounds, catalog.token(operation))

    def _answer_s(self, operation: str) -> float:
        """Return how long the library waits for one response, in seconds."""
        return self.write_s if operation in WRITES else self.timeouts.read_s

    def ask(self, operation: str, call: Call, arguments: dict[str, Any]) -> Any:
        """Call the library's own function."""
        return administer(self.catalog, self._user(operation), operation, call, arguments)

    def _open(self, operation: str, name: str, registry: str, top_hash: str | None) -> Opened:
        """Open a revision, or raise NotFoundError."""
        bucket, wanted = self._named(operation, name, registry), self.rules(operation).top_hash(top_hash)
        latest = self.latest(operation, name, bucket)
        if latest is None:
            raise self.missing_package(operation, name, bucket, wanted)
        full = latest[0] if wanted == "latest" else self.full_hash(operation, name, bucket, wanted)
        with self._library(operation, package_sought(operation, f"{name}@{full}", bucket)) as library:
            package = library.Package.browse(name, f"s3://{bucket}", top_hash=full)
            nodes.check(package)
        return Opened(bucket, full, package, latest[0], latest[1].astimezone(UTC).isoformat())

    def _time_of(self, operation: str, name: str, opened: Opened) -> str:
        """Return a revision's time: that of `latest`, or the second that names its newest pointer."""
        if opened.top_hash == opened.latest_hash:
            return opened.latest_time
        with s3_errors(self, operation, package_sought(operation, name, opened.bucket)):
            for stamp in self.stamps(operation, opened.bucket, name):
                if self.hash_at(operation, opened.bucket, f"{POINTERS}{name}/{stamp}")[0] == opened.top_hash:
                    return nodes.moment(stamp)
        return opened.latest_time  # another push in the same second overwrote its pointer
