"""The `quilt3` backend: the quilt3 library straight on S3; the catalog only for sign-in, search and GraphQL."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import NamedTuple

import quilt3
from botocore.exceptions import ClientError
from quilt3.packages import PackageEntry
from quilt3.util import QuiltConflictException
from quilt3.util import QuiltException

from nightproof.quilt import exceptions as errors
from nightproof.quilt import quilt3_nodes as nodes
from nightproof.quilt.aws import MISSING
from nightproof.quilt.aws import code_of
from nightproof.quilt.aws import raise_s3
from nightproof.quilt.base import CatalogOps
from nightproof.quilt.base import Entry
from nightproof.quilt.base import description_of
from nightproof.quilt.base import tags_of
from nightproof.quilt.quilt3_session import sign_in
from nightproof.quilt.quilt3_session import stored_session
from nightproof.quilt.records import Content_Info
from nightproof.quilt.records import Package_Creation_Result
from nightproof.quilt.records import Package_Info
from nightproof.quilt.records import Package_Revision

if TYPE_CHECKING:
    from datetime import datetime

    from nightproof.quilt.contract import Entries
    from nightproof.quilt.records import Credentials
    from nightproof.quilt.records import Timeouts

POINTERS: Final = ".quilt/named_packages/"
MANIFESTS: Final = ".quilt/packages/"
FULL_HASH: Final = 64
MOST_HITS: Final = 1000


class Opened(NamedTuple):
    """One revision of a package, and what `latest` is."""

    bucket: str
    top_hash: str
    package: Any
    latest_hash: str
    latest_time: str


class Quilt3Ops(CatalogOps):
    """QuiltOps through the quilt3 library."""

    backend_type = "quilt3"

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
        if not self.catalog.has_credentials:
            self.catalog.refuse("create_quilt_ops", "missing")
        self._session: Any = None

    def _catalog_name(self) -> str | None:
        return None  # quilt3 itself has no notion of it

    def list_all_packages(self, registry: str) -> list[str]:
        """List the registry's packages."""
        operation = "list_all_packages"
        bucket = self.rules(operation).bucket(registry)
        with self._s3_errors(operation, "bucket", bucket, registry, bucket):
            return sorted(self._quilt3(operation).list_packages(f"s3://{bucket}"))

    def get_package_info(self, package_name: str, registry: str, top_hash: str | None = None) -> Package_Info:
        """Describe a revision from its pointer and manifest."""
        operation = "get_package_info"
        opened = self._open(operation, package_name, registry, top_hash)
        package = opened.package
        return Package_Info(
            name=package_name,
            description=description_of(package.meta),
            tags=tags_of(package.meta),
            modified_date=opened.latest_time,
            registry=f"s3://{opened.bucket}",
            bucket=opened.bucket,
            top_hash=opened.top_hash,
            message=package._meta.get("message"),  # noqa: SLF001 - quilt3 has no public way to the message
        )

    def get_package_metadata(self, package_name: str, registry: str, top_hash: str | None = None) -> dict[str, Any]:
        """Give the user metadata."""
        package = self._open("get_package_metadata", package_name, registry, top_hash).package
        return dict(package.meta)

    def list_package_revisions(self, package_name: str, registry: str) -> list[Package_Revision]:
        """Read the pointers and each revision's message."""
        operation = "list_package_revisions"
        bucket = self._named(operation, package_name, registry)
        s3 = self._s3(operation)
        revisions = []
        for stamp in self._stamps(s3, bucket, package_name):
            top_hash = nodes.text(s3.get_object(Bucket=bucket, Key=f"{POINTERS}{package_name}/{stamp}"))
            header = json.loads(s3.get_object(Bucket=bucket, Key=MANIFESTS + top_hash)["Body"].readline())
            revisions.append(Package_Revision(top_hash, nodes.moment(stamp), header.get("message")))
        if not revisions:
            raise self.missing_package(operation, package_name, bucket, "latest")
        return revisions

    def browse_content(
        self, package_name: str, registry: str, path: str = "", top_hash: str | None = None
    ) -> list[Content_Info]:
        """List the children of a node."""
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
        """Presign the object behind an entry, its version pinned."""
        operation = "get_content_url"
        bare = self.rules(operation).path(path)
        opened = self._open(operation, package_name, registry, top_hash)
        node = nodes.node(opened.package, bare)
        if node is None:
            raise self.not_found(operation, "file", path, f"s3://{opened.bucket}/{package_name}")
        if not isinstance(node, PackageEntry):
            self.rules(operation).refuse("path", path, "the path of a file, not of a directory")
        key = node.physical_key
        target = {"Bucket": key.bucket, "Key": key.path}
        if key.version_id and key.version_id != "null":
            target["VersionId"] = key.version_id
        return str(self._s3(operation).generate_presigned_url("get_object", Params=target, ExpiresIn=expires_in))

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
        if self._latest(operation, package_name, bucket):
            self.exists_already(operation, package_name)
        package = self._quilt3(operation).Package()
        self._fill(operation, package, checked)
        if metadata is not None:
            package.set_meta(metadata)
        return self._push(operation, package, package_name, bucket, message, workflow, copy=copy)

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
        if not self._latest(operation, package_name, bucket):
            raise self.missing_package(
                operation, package_name, bucket, "latest", "Use create_package_revision to make it."
            )
        package = self._quilt3(operation).Package.browse(package_name, f"s3://{bucket}")
        if checked is not None:
            for key in list(package.keys()):
                package.delete(key)
            self._fill(operation, package, checked)
        if metadata is not None:
            package.set_meta({**package.meta, **metadata})
        return self._push(operation, package, package_name, bucket, message, workflow, copy=copy)

    def delete_package(self, package_name: str, registry: str, top_hash: str | None = None) -> None:
        """Delete the pointers, or those of one revision."""
        operation = "delete_package"
        wanted = self.rules(operation).top_hash(top_hash)
        opened = self._open(operation, package_name, registry, top_hash)
        bucket, only = opened.bucket, None if wanted == "latest" else opened.top_hash
        with self._s3_errors(operation, "package", package_name, f"s3://{bucket}", bucket):
            self._quilt3(operation).delete_package(package_name, f"s3://{bucket}", top_hash=only)

    def search_packages(self, query: str, registry: str) -> list[Package_Info]:
        """Search over the registry's REST route; the index names the packages, the registry describes them."""
        operation = "search_packages"
        text, bucket = self.rules(operation).query(query), self.rules(operation).bucket(registry)
        body = {"query": {"query_string": {"query": text, "default_operator": "OR"}}, "size": MOST_HITS}
        params = {"index": f"{bucket}_packages", "action": "freeform", "body": json.dumps(body), "size": str(MOST_HITS)}
        found = self.connect(operation).get_json(operation, "/api/search", params)["hits"]
        if found["total"] > MOST_HITS:
            raise errors.BackendError(
                f"The answer has more than {MOST_HITS} items. Narrow the request.",
                self.catalog.base(operation) | {"kind": "result_limit", "limit": MOST_HITS, "original_exception": None},
            )
        hits = [nodes.hit(hit["_source"], bucket) for hit in found["hits"]]
        hits.sort(key=lambda hit: hit.name)
        return sorted(hits, key=lambda hit: hit.modified_date, reverse=True)

    def _entries(self, operation: str, name: str, bucket: str, top_hash: str) -> dict[str, Entry]:
        package = self._open(operation, name, f"s3://{bucket}", top_hash).package
        return {key: (entry.hash["value"], entry.hash["type"], int(entry.size)) for key, entry in package.walk()}

    def _named(self, operation: str, name: str, registry: str) -> str:
        rules = self.rules(operation)
        rules.name(name)
        return rules.bucket(registry)

    def _quilt3(self, operation: str) -> Any:
        """Give the library with this instance's user signed in."""
        catalog = self.connect(operation)
        return sign_in(catalog.url, self.keys.current(operation))

    def _s3(self, operation: str) -> Any:
        self.connect(operation)
        if self._session is None:
            self._session = self.keys.client("s3", None, self.rules(operation), operation)
        return self._session

    def _latest(self, operation: str, name: str, bucket: str) -> tuple[str, datetime] | None:
        try:
            found = self._s3(operation).get_object(Bucket=bucket, Key=f"{POINTERS}{name}/latest")
        except ClientError as error:
            if code_of(error) in {"NoSuchKey", "404"}:
                return None
            raise_s3(
                error,
                self.catalog,
                operation,
                resource="bucket",
                identifier=bucket,
                where=f"s3://{bucket}",
                bucket=bucket,
            )
        return nodes.text(found), found["LastModified"]

    def _stamps(self, s3: Any, bucket: str, name: str) -> list[int]:
        """List the seconds that name a package's pointers, newest first."""
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{POINTERS}{name}/")
        tags = [item["Key"].rsplit("/", 1)[-1] for page in pages for item in page.get("Contents", [])]
        return sorted((int(tag) for tag in tags if tag.isdigit()), reverse=True)

    def _open(self, operation: str, name: str, registry: str, top_hash: str | None) -> Opened:
        """Open a revision, or raise NotFoundError."""
        bucket, wanted = self._named(operation, name, registry), self.rules(operation).top_hash(top_hash)
        latest = self._latest(operation, name, bucket)
        if latest is None:
            raise self.missing_package(operation, name, bucket, wanted)
        full = latest[0] if wanted == "latest" else self._full_hash(operation, name, bucket, wanted)
        library = self._quilt3(operation)
        with self._s3_errors(operation, "package", f"{name}@{full}", f"s3://{bucket}", bucket):
            package = library.Package.browse(name, f"s3://{bucket}", top_hash=full)
        return Opened(bucket, full, package, latest[0], latest[1].astimezone(UTC).isoformat())

    def _full_hash(self, operation: str, name: str, bucket: str, wanted: str) -> str:
        found = self._s3(operation).list_objects_v2(Bucket=bucket, Prefix=MANIFESTS + wanted, MaxKeys=2)
        keys = [item["Key"].removeprefix(MANIFESTS) for item in found.get("Contents", [])]
        if len(keys) != 1:
            raise self.missing_package(operation, name, bucket, wanted)
        return str(keys[0])

    def _time_of(self, operation: str, name: str, opened: Opened) -> str:
        """Give a revision's time: that of `latest`, or the second its newest pointer is named after."""
        if opened.top_hash == opened.latest_hash:
            return opened.latest_time
        s3 = self._s3(operation)
        for stamp in self._stamps(s3, opened.bucket, name):
            pointer = s3.get_object(Bucket=opened.bucket, Key=f"{POINTERS}{name}/{stamp}")
            if nodes.text(pointer) == opened.top_hash:
                return nodes.moment(stamp)
        return opened.latest_time  # its pointer was lost to another push of the same second

    def _fill(self, operation: str, package: Any, entries: list[dict[str, Any]]) -> None:
        for entry in entries:
            uri = entry["physical_key"]
            bucket = uri.removeprefix("s3://").split("/", 1)[0]
            try:
                package.set(entry["logical_key"], uri, meta=entry["meta"])
            except (ClientError, QuiltException) as error:
                if isinstance(error, ClientError) and code_of(error) not in MISSING:
                    raise_s3(
                        error, self.catalog, operation, resource="file", identifier=uri, where=bucket, bucket=bucket
                    )
                raise self.not_found(operation, "file", uri, bucket) from error

    def _push(
        self, operation: str, package: Any, name: str, bucket: str, message: str, workflow: str | None, *, copy: bool
    ) -> Package_Creation_Result:
        selector = quilt3.Package.selector_fn_copy_all if copy else (lambda *_: False)
        options = {"workflow": workflow} if workflow else {}
        try:
            with self._s3_errors(operation, "bucket", bucket, f"s3://{bucket}", bucket):
                pushed = package.push(
                    name,
                    registry=f"s3://{bucket}",
                    message=message or None,
                    selector_fn=selector,
                    force=False,
                    **options,
                )
        except QuiltConflictException as error:
            if operation == "create_package_revision":
                self.exists_already(operation, name)
            raise errors.BackendError(
                "The package was changed by somebody else meanwhile. Read it again, then repeat the update.",
                self.catalog.base(operation)
                | {"kind": "conflict", "original_exception": f"{type(error).__name__}: {error}"},
            ) from error
        tree = f"{self.catalog.url}/b/{bucket}/packages/{name}/tree/{pushed.top_hash}"
        count = sum(1 for _ in pushed.walk())
        return Package_Creation_Result(name, pushed.top_hash, f"s3://{bucket}", tree, count, success=True)

    def _s3_errors(self, operation: str, resource: str, identifier: str, where: str, bucket: str) -> _S3Errors:
        return _S3Errors(self, operation, resource, identifier, where, bucket)


class _S3Errors:
    """Turns botocore errors of a block into the contract's."""

    def __init__(self, ops: Quilt3Ops, operation: str, resource: str, identifier: str, where: str, bucket: str) -> None:
        self._ops = ops
        self._args = {"resource": resource, "identifier": identifier, "where": where, "bucket": bucket}
        self._operation = operation

    def __enter__(self) -> None:
        """Enter the block."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Translate a ClientError, let everything else pass."""
        if isinstance(error, ClientError):
            raise_s3(error, self._ops.catalog, self._operation, **self._args)
