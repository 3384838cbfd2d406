"""The `platform` backend: GraphQL and JWT only."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import TypeVar
from urllib.parse import quote

from pydantic.alias_generators import to_camel

from nightproof.quilt import documents
from nightproof.quilt import exceptions as errors
from nightproof.quilt import platform_answers as answers
from nightproof.quilt import platform_shapes as shapes
from nightproof.quilt.administration import AdministeredOps
from nightproof.quilt.base import Entry
from nightproof.quilt.base import description_of
from nightproof.quilt.base import newest_first
from nightproof.quilt.base import tags_of
from nightproof.quilt.platform_arms import raise_arm
from nightproof.quilt.records import Content_Info
from nightproof.quilt.records import Package_Creation_Result
from nightproof.quilt.records import Package_Info
from nightproof.quilt.records import Package_Revision
from nightproof.quilt.validation import is_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nightproof.quilt.admin_calls import Call
    from nightproof.quilt.answers import Record
    from nightproof.quilt.contract import Entries

Shape = TypeVar("Shape")

MOST_ENTRIES: Final = 20_000
MOST_HITS: Final = 1000
SESSION_TTL_S: Final = 180
LONGEST_SESSION_S: Final = 86_400
REDIRECT: Final = 302
NOT_FOUND: Final = 404
GONE: Final = 410


class PlatformOps(AdministeredOps):
    """QuiltOps over the catalog's GraphQL API."""

    backend_type = "platform"
    default_write_s = 60

    def list_all_packages(self, registry: str) -> list[str]:
        """Page through the bucket's packages until their total is reached."""
        operation = "list_all_packages"
        bucket = self.rules(operation).bucket(registry)
        names: list[str] = []
        page = 1
        while True:
            variables = {"bucket": bucket, "page": page}
            found = self._ask(operation, documents.PACKAGES, variables, "Packages", answers.Packages).packages
            if found is None:
                raise self.not_found(operation, "bucket", bucket, f"s3://{bucket}")
            names += [package.name for package in found.page]
            if len(names) >= found.total or not found.page:
                return sorted(name for name in set(names) if is_name(name))
            page += 1

    def get_package_info(self, package_name: str, registry: str, top_hash: str | None = None) -> Package_Info:
        """Return a package at one revision."""
        package, revision = self._package("get_package_info", package_name, registry, top_hash)
        metadata = revision.user_meta or {}
        return Package_Info(
            name=package.name,
            description=description_of(metadata),
            tags=tags_of(metadata),
            modified_date=package.modified,
            registry=f"s3://{package.bucket}",
            bucket=package.bucket,
            top_hash=revision.hash,
            message=revision.message,
        )

    def get_package_metadata(self, package_name: str, registry: str, top_hash: str | None = None) -> dict[str, Any]:
        """Return the user metadata of a revision."""
        return self._package("get_package_metadata", package_name, registry, top_hash)[1].user_meta or {}

    def list_package_revisions(self, package_name: str, registry: str) -> list[Package_Revision]:
        """Page through the revisions."""
        operation = "list_package_revisions"
        bucket = self._named(operation, package_name, registry)
        listed = self._revisions(operation, package_name, bucket)
        return [Package_Revision(item.hash, item.modified, item.message) for item in listed]

    def browse_content(
        self, package_name: str, registry: str, path: str = "", top_hash: str | None = None
    ) -> list[Content_Info]:
        """List one level, or the one file that the path names."""
        operation = "browse_content"
        bare, bucket = self.rules(operation).path(path), self._named(operation, package_name, registry)
        revision = self._browse(operation, package_name, bucket, bare, top_hash)
        if revision.file is not None and not path.endswith("/"):
            return [shapes.content(revision.file, revision.modified)]
        if revision.dir is None:
            raise self.not_found(operation, "path", path, f"s3://{bucket}/{package_name}")
        items = [shapes.content(child, revision.modified) for child in revision.dir.children]
        return sorted(items, key=lambda item: (item.type != "directory", item.path))

    def get_content_url(
        self, package_name: str, registry: str, path: str, top_hash: str | None = None, expires_in: int = 3600
    ) -> str:
        """Open a browsing session on the revision and return the URL that it redirects to."""
        operation = "get_content_url"
        bare, bucket = self.rules(operation).path(path), self._named(operation, package_name, registry)
        self.rules(operation).life(expires_in)
        revision = self._browse(operation, package_name, bucket, bare, top_hash)
        where = f"s3://{bucket}/{package_name}"
        if revision.file is None and (revision.dir is not None or not bare):
            self.rules(operation).refuse("path", path, "the path of a file, not of a directory")
        if revision.file is None or path.endswith("/"):
            raise self.not_found(operation, "file", path, where)
        scope = f"s3://{bucket}#package={package_name}&hash={revision.hash}"
        variables = {"scope": scope, "ttl": max(SESSION_TTL_S, min(expires_in, LONGEST_SESSION_S))}
        opened = self._ask(
            operation, documents.BROWSING_SESSION, variables, "BrowsingSessionCreate", answers.Opened
        ).browsing_session_create
        if not isinstance(opened, answers.BrowsingSession):
            revised = {"bucket": bucket, "name": package_name, "hash": revision.hash}
            raise_arm(self, operation, opened, revised | {"ttl": expires_in, "scope": path})
        answer = self.catalog.redirect(operation, f"/browse/{opened.id}/{quote(bare)}", {"expires_in": str(expires_in)})
        if answer.status_code == GONE:
            self.catalog.refuse(operation, "expired", expires_at=opened.expires)
        if answer.status_code == NOT_FOUND:
            raise self.not_found(operation, "file", path, where)
        if answer.status_code != REDIRECT or not answer.headers.get("Location"):
            raise self.catalog.protocol(operation, f"the browse route answered {answer.status_code}")
        return str(answer.headers["Location"])

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
        """Construct a package that must not exist yet; `copy=True` promotes the new revision onto itself."""
        operation = "create_package_revision"
        bucket = self._named(operation, package_name, registry)
        checked = self.rules(operation).entries(entries, auto_organize=auto_organize)
        self.rules(operation).header(message, self.rules(operation).metadata(metadata))
        variables = {"bucket": bucket, "name": package_name}
        with self._to_write(bucket):
            exists = self._ask(operation, documents.PACKAGE_EXISTS, variables, "PackageExists", answers.PackageExists)
        if exists.package:
            self.exists_already(operation, package_name)
        params = shapes.params(bucket, package_name, message, metadata, workflow)
        return self._construct(operation, params, checked, {"If-None-Match": "*"}, copy=copy)

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
        """Construct on top of the latest revision; If-Match rejects the change if another writer was faster."""
        operation = "update_package_revision"
        bucket = self._named(operation, package_name, registry)
        checked = None if entries is None else self.rules(operation).entries(entries, auto_organize=auto_organize)
        self.rules(operation).header(message, self.rules(operation).metadata(metadata))
        with self._to_write(bucket):
            hint = "Use create_package_revision to make it."
            current, present = self._flat(operation, package_name, bucket, "latest", hint)
        if checked is None:
            checked = [
                {"logical_key": key, "physical_key": item.physical_key, "kept": item} for key, item in present.items()
            ]
        merged = (current.user_meta or {}) | (metadata or {}) if metadata or current.user_meta is not None else None
        self.rules(operation).header(message, merged)
        params = shapes.params(bucket, package_name, message, merged, workflow)
        return self._construct(operation, params, checked, {"If-Match": current.hash}, copy=copy)

    def delete_package(self, package_name: str, registry: str, top_hash: str | None = None) -> None:
        """Delete the revisions one by one."""
        operation = "delete_package"
        bucket = self._named(operation, package_name, registry)
        doomed = self.rules(operation).doomed(top_hash)
        with self._to_write(bucket):
            hashes = {self._package(operation, package_name, registry, doomed)[1].hash}
            if doomed is None:
                hashes |= {item.hash for item in self._revisions(operation, package_name, bucket)}
        for found in sorted(hashes):
            variables = {"bucket": bucket, "name": package_name, "hash": found}
            gone = self._ask(
                operation, documents.DELETE_REVISION, variables, "DeleteRevision", answers.Deleted
            ).package_revision_delete
            if not isinstance(gone, answers.DeleteSuccess):
                raise_arm(self, operation, gone, variables | {"hash": doomed or found})

    @contextmanager
    def _to_write(self, bucket: str) -> Iterator[None]:
        """Replace a PermissionError of the read that precedes a change by one that requires the write right."""
        try:
            yield
        except errors.PermissionError as error:
            operation, role, level = (error.context[key] for key in ("operation", "user_role", "access_level"))
            raise self.catalog.denied(operation, [f"s3:write:{bucket}"], role, level) from error

    def search_packages(self, query: str, registry: str) -> list[Package_Info]:
        """Search with the new dialect, and with the old one if the registry rejects the document."""
        operation = "search_packages"
        text, bucket = self.rules(operation).query(query), self.rules(operation).bucket(registry)
        variables = {"buckets": [bucket], "text": text, "size": MOST_HITS}
        catalog = self.connect(operation)
        body = catalog.graphql(operation, documents.SEARCH_NEW, variables, name="SearchPackages")
        if body.get("errors") and not body.get("data"):
            body = catalog.graphql(operation, documents.SEARCH_OLD, variables, name="SearchPackages")
        found = catalog.data_of(operation, body, answers.Found).search_packages
        if isinstance(found, answers.EmptyResultSet):
            return []
        page = found.first_page if isinstance(found, answers.ResultSet) else found
        if not isinstance(page, answers.HitsPage):
            raise_arm(self, operation, page, {"searchString": query, "buckets": registry})
        if isinstance(found, answers.ResultSet) and found.total > MOST_HITS:
            raise self.too_many(operation, MOST_HITS)
        return newest_first([shapes.hit(hit) for hit in page.hits])

    def ask(self, operation: str, call: Call, arguments: dict[str, Any]) -> Any:
        """Send a call's document and return its result."""
        variables = {to_camel(name): value for name, value in arguments.items()}
        return call.result(self._ask(operation, call.document, variables, call.name, call.shape()))

    def _entries(self, operation: str, name: str, bucket: str, top_hash: str) -> dict[str, Entry]:
        _, present = self._flat(operation, name, bucket, top_hash)
        return {key: (item.hash.value, item.hash.type, item.size) for key, item in present.items()}

    def _ask(
        self,
        operation: str,
        document: str,
        variables: dict[str, Any],
        name: str,
        shape: type[Shape],
        **options: Any,
    ) -> Shape:
        return self.connect(operation).data(operation, document, variables, shape, name=name, **options)

    def _package(
        self, operation: str, name: str, registry: str, top_hash: str | None
    ) -> tuple[answers.PackageFacts, answers.RevisionInfo]:
        bucket, wanted = self._named(operation, name, registry), self.rules(operation).top_hash(top_hash)
        variables = {"bucket": bucket, "name": name, "hash": wanted}
        package = self._ask(operation, documents.PACKAGE_INFO, variables, "PackageInfo", answers.PackageInfo).package
        revision = package.revision if package else None
        if package is None or revision is None or not self._is_asked(operation, revision.hash, wanted):
            raise self.missing_package(operation, name, bucket, wanted)
        return package, revision

    def _revisions(self, operation: str, name: str, bucket: str) -> list[answers.Revision]:
        listed: list[answers.Revision] = []
        page = 1
        while True:
            variables = {"bucket": bucket, "name": name, "page": page}
            package = self._ask(
                operation, documents.REVISIONS, variables, "PackageRevisions", answers.Revisions
            ).package
            if package is None:
                raise self.missing_package(operation, name, bucket, "latest")
            listed += package.revisions.page
            if len(listed) >= package.revisions.total or not package.revisions.page:
                return listed
            page += 1

    def _browse(
        self, operation: str, name: str, bucket: str, path: str, top_hash: str | None
    ) -> answers.BrowsedRevision:
        wanted = self.rules(operation).top_hash(top_hash)
        variables = {"bucket": bucket, "name": name, "hash": wanted, "path": path}
        package = self._ask(operation, documents.BROWSE, variables, "BrowseContent", answers.Browsed).package
        revision = package.revision if package else None
        if revision is None or not self._is_asked(operation, revision.hash, wanted):
            raise self.missing_package(operation, name, bucket, wanted)
        if revision.file is not None and revision.file.path != path:
            raise self.catalog.protocol(operation, f"asked for the file {path}, the catalog gave {revision.file.path}")
        return revision

    def _flat(
        self, operation: str, name: str, bucket: str, top_hash: str, hint: str = ""
    ) -> tuple[answers.FlatRevision, dict[str, answers.FlatEntry]]:
        variables = {"bucket": bucket, "name": name, "hash": top_hash}
        package = self._ask(operation, documents.GET_PACKAGE, variables, "GetPackage", answers.Flat).package
        revision = package.revision if package else None
        if revision is None or not self._is_asked(operation, revision.hash, top_hash):
            raise self.missing_package(operation, name, bucket, top_hash, hint)
        if revision.contents_flat_map is None:
            raise self.too_many(operation, MOST_ENTRIES)
        return revision, revision.contents_flat_map

    def _is_asked(self, operation: str, found: str, wanted: str) -> bool:
        """Return whether a revision is the requested one.

        The catalog reads a short number as a timestamp instead of a hash prefix; then the revision counts as missing.
        """
        if wanted == "latest" or found.startswith(wanted):
            return True
        if wanted.isdecimal() and len(wanted) < len(found):
            return False
        raise self.catalog.protocol(operation, f"asked for the revision {wanted}, the catalog gave {found}")

    def _construct(
        self,
        operation: str,
        params: Record,
        entries: list[dict[str, Any]],
        headers: dict[str, str],
        *,
        copy: bool,
    ) -> Package_Creation_Result:
        options = {"timeout_s": self.write_s}
        variables = {"params": params, "src": {"entries": [shapes.entry(entry) for entry in entries]}}
        made = self._ask(
            operation,
            documents.CONSTRUCT,
            variables,
            "PackageConstruct",
            answers.Constructed,
            headers=headers,
            **options,
        ).package_construct
        if not isinstance(made, answers.PushSuccess):
            raise_arm(self, operation, made, params, entries)
        if copy:
            source = {"bucket": params["bucket"], "name": params["name"], "hash": made.revision.hash}
            variables = {"params": params, "src": source}
            made = self._ask(
                operation, documents.PROMOTE, variables, "PackagePromote", answers.Promoted, **options
            ).package_promote
            if not isinstance(made, answers.PushSuccess):
                raise_arm(self, operation, made, params, entries)
        return self.creation(params["name"], params["bucket"], made.revision.hash, made.revision.total_entries)
