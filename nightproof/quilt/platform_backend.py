"""The `platform` backend: GraphQL and JWT only."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import quote

from nightproof.quilt import documents
from nightproof.quilt import exceptions as errors
from nightproof.quilt import platform_shapes as shapes
from nightproof.quilt.base import CatalogOps
from nightproof.quilt.base import Entry
from nightproof.quilt.base import description_of
from nightproof.quilt.base import tags_of
from nightproof.quilt.records import Content_Info
from nightproof.quilt.records import Package_Creation_Result
from nightproof.quilt.records import Package_Info
from nightproof.quilt.records import Package_Revision

if TYPE_CHECKING:
    from nightproof.quilt.contract import Entries
    from nightproof.quilt.records import Credentials
    from nightproof.quilt.records import Timeouts

PER_PAGE: Final = 100
MOST_ENTRIES: Final = 20_000
MOST_HITS: Final = 1000
SESSION_TTL_S: Final = 180
REDIRECT: Final = 302
NOT_FOUND: Final = 404
GONE: Final = 410


class PlatformOps(CatalogOps):
    """QuiltOps over the catalog's GraphQL API."""

    backend_type = "platform"

    def __init__(
        self,
        *,
        catalog_url: str | None,
        registry: str | None,
        credentials: Credentials | None,
        timeouts: Timeouts | None,
    ) -> None:
        super().__init__(catalog_url=catalog_url, registry=registry, credentials=credentials, timeouts=timeouts)
        if not self.catalog.has_credentials:
            self.catalog.refuse("create_quilt_ops", "missing")

    def list_all_packages(self, registry: str) -> list[str]:
        """Page through the bucket's packages until their total is reached."""
        operation = "list_all_packages"
        bucket = self.rules(operation).bucket(registry)
        names: list[str] = []
        page = 1
        while True:
            found = self._ask(operation, documents.PACKAGES, {"bucket": bucket, "page": page}, "Packages")["packages"]
            if found is None:
                raise self.not_found(operation, "bucket", bucket, registry)
            names += [item["name"] for item in found["page"]]
            if len(names) >= found["total"] or not found["page"]:
                return sorted(set(names))
            page += 1

    def get_package_info(self, package_name: str, registry: str, top_hash: str | None = None) -> Package_Info:
        """Describe a revision."""
        package = self._package("get_package_info", package_name, registry, top_hash)
        revision, metadata = package["revision"], package["revision"]["userMeta"] or {}
        return Package_Info(
            name=package["name"],
            description=description_of(metadata),
            tags=tags_of(metadata),
            modified_date=package["modified"],
            registry=f"s3://{package['bucket']}",
            bucket=package["bucket"],
            top_hash=revision["hash"],
            message=revision["message"],
        )

    def get_package_metadata(self, package_name: str, registry: str, top_hash: str | None = None) -> dict[str, Any]:
        """Give the user metadata."""
        found: dict[str, Any] = (
            self._package("get_package_metadata", package_name, registry, top_hash)["revision"]["userMeta"] or {}
        )
        return found

    def list_package_revisions(self, package_name: str, registry: str) -> list[Package_Revision]:
        """Page through the revisions."""
        operation = "list_package_revisions"
        bucket = self._named(operation, package_name, registry)
        listed = self._revisions(operation, package_name, bucket)
        return [Package_Revision(item["hash"], item["modified"], item["message"]) for item in listed]

    def browse_content(
        self, package_name: str, registry: str, path: str = "", top_hash: str | None = None
    ) -> list[Content_Info]:
        """List one level, or the one file that the path names."""
        operation = "browse_content"
        bare, bucket = self.rules(operation).path(path), self._named(operation, package_name, registry)
        revision = self._browse(operation, package_name, bucket, bare, top_hash)
        if revision["file"] is not None and not path.endswith("/"):
            return [shapes.content(revision["file"], revision["modified"])]
        if revision["dir"] is None:
            raise self.not_found(operation, "path", path, f"s3://{bucket}/{package_name}")
        items = [shapes.content(child, revision["modified"]) for child in revision["dir"]["children"]]
        return sorted(items, key=lambda item: (item.type != "directory", item.path))

    def get_content_url(
        self, package_name: str, registry: str, path: str, top_hash: str | None = None, expires_in: int = 3600
    ) -> str:
        """Open a browsing session on the revision and take the URL that it redirects to."""
        operation = "get_content_url"
        bare, bucket = self.rules(operation).path(path), self._named(operation, package_name, registry)
        revision = self._browse(operation, package_name, bucket, bare, top_hash)
        if revision["file"] is None and (revision["dir"] is not None or not bare):
            self.rules(operation).refuse("path", path, "the path of a file, not of a directory")
        if revision["file"] is None:
            raise self.not_found(operation, "file", path, f"s3://{bucket}/{package_name}")
        scope = f"s3://{bucket}#package={package_name}&hash={revision['hash']}"
        variables = {"scope": scope, "ttl": max(SESSION_TTL_S, min(expires_in, 86400))}
        session = self._ask(operation, documents.BROWSING_SESSION, variables, "BrowsingSessionCreate")
        opened = self._success(operation, session["browsingSessionCreate"], "BrowsingSession")
        answer = self.catalog.redirect(
            operation, f"/browse/{opened['id']}/{quote(bare)}", {"expires_in": str(expires_in)}
        )
        if answer.status_code == GONE:
            self.catalog.refuse(operation, "expired", expires_at=opened["expires"])
        if answer.status_code == NOT_FOUND:
            raise self.not_found(operation, "file", path, f"s3://{bucket}/{package_name}")
        if answer.status_code != REDIRECT:
            raise self._protocol(operation, f"the browse route answered {answer.status_code}")
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
        """Construct exclusively; copy=True promotes the constructed revision onto itself."""
        operation = "create_package_revision"
        bucket = self._named(operation, package_name, registry)
        checked = self.rules(operation).entries(entries, auto_organize=auto_organize)
        if self._ask(operation, documents.PACKAGE_EXISTS, {"bucket": bucket, "name": package_name}, "PackageExists")[
            "package"
        ]:
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
        """Construct over the latest revision, refusing to overwrite somebody else's change."""
        operation = "update_package_revision"
        bucket = self._named(operation, package_name, registry)
        checked = None if entries is None else self.rules(operation).entries(entries, auto_organize=auto_organize)
        current = self._flat(operation, package_name, bucket, "latest", "Use create_package_revision to make it.")
        if checked is None:
            checked = [
                {"logical_key": key, "physical_key": item["physicalKey"], "full_meta": item["meta"]}
                for key, item in current["contentsFlatMap"].items()
            ]
        merged = (current["userMeta"] or {}) | (metadata or {}) if metadata or current["userMeta"] is not None else None
        params = shapes.params(bucket, package_name, message, merged, workflow)
        return self._construct(operation, params, checked, {"If-Match": current["hash"]}, copy=copy)

    def delete_package(self, package_name: str, registry: str, top_hash: str | None = None) -> None:
        """Delete the revisions one by one."""
        operation = "delete_package"
        bucket = self._named(operation, package_name, registry)
        wanted = self.rules(operation).top_hash(top_hash)
        if wanted == "latest":
            hashes = {item["hash"] for item in self._revisions(operation, package_name, bucket)}
            hashes.add(self._package(operation, package_name, registry, None)["revision"]["hash"])
        else:
            hashes = {self._package(operation, package_name, registry, wanted)["revision"]["hash"]}
        for found in sorted(hashes):
            variables = {"bucket": bucket, "name": package_name, "hash": found}
            answer = self._ask(operation, documents.DELETE_REVISION, variables, "DeleteRevision")
            self._success(operation, answer["packageRevisionDelete"], "PackageRevisionDeleteSuccess")

    def search_packages(self, query: str, registry: str) -> list[Package_Info]:
        """Search with the new dialect, and with the old one where the document is refused."""
        operation = "search_packages"
        text, bucket = self.rules(operation).query(query), self.rules(operation).bucket(registry)
        variables = {"buckets": [bucket], "text": text, "size": MOST_HITS}
        body = self.connect(operation).graphql(operation, documents.SEARCH_NEW, variables, name="SearchPackages")
        if body.get("errors") and not body.get("data"):
            data = self._ask(operation, documents.SEARCH_OLD, variables, "SearchPackages")
        else:
            data = body["data"] or {}
        found = data.get("searchPackages") or {}
        if found.get("__typename") == "EmptySearchResultSet":
            return []
        result = self._success(operation, found, "PackagesSearchResultSet")
        if result["total"] > MOST_HITS:
            raise self._limit(operation, MOST_HITS)
        hits = [shapes.hit(hit) for hit in result["firstPage"]["hits"]]
        hits.sort(key=lambda hit: hit.name)
        return sorted(hits, key=lambda hit: hit.modified_date, reverse=True)

    def _entries(self, operation: str, name: str, bucket: str, top_hash: str) -> dict[str, Entry]:
        flat = self._flat(operation, name, bucket, top_hash)["contentsFlatMap"]
        return {
            key: (item["hash"]["value"], item["hash"]["type"], shapes.size(item["size"])) for key, item in flat.items()
        }

    def _named(self, operation: str, name: str, registry: str) -> str:
        rules = self.rules(operation)
        rules.name(name)
        return rules.bucket(registry)

    def _ask(
        self, operation: str, document: str, variables: dict[str, Any], name: str, **options: Any
    ) -> dict[str, Any]:
        return self.connect(operation).data(operation, document, variables, name=name, **options)

    def _package(self, operation: str, name: str, registry: str, top_hash: str | None) -> dict[str, Any]:
        bucket, wanted = self._named(operation, name, registry), self.rules(operation).top_hash(top_hash)
        variables = {"bucket": bucket, "name": name, "hash": wanted}
        package: dict[str, Any] | None = self._ask(operation, documents.PACKAGE_INFO, variables, "PackageInfo")[
            "package"
        ]
        if package is None or package["revision"] is None:
            raise self.missing_package(operation, name, bucket, wanted)
        return package

    def _revisions(self, operation: str, name: str, bucket: str) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = []
        page = 1
        while True:
            variables = {"bucket": bucket, "name": name, "page": page}
            package = self._ask(operation, documents.REVISIONS, variables, "PackageRevisions")["package"]
            if package is None:
                raise self.missing_package(operation, name, bucket, "latest")
            listed += package["revisions"]["page"]
            if len(listed) >= package["revisions"]["total"] or not package["revisions"]["page"]:
                return listed
            page += 1

    def _browse(self, operation: str, name: str, bucket: str, path: str, top_hash: str | None) -> dict[str, Any]:
        wanted = self.rules(operation).top_hash(top_hash)
        variables = {"bucket": bucket, "name": name, "hash": wanted, "path": path}
        package = self._ask(operation, documents.BROWSE, variables, "BrowseContent")["package"]
        if package is None or package["revision"] is None:
            raise self.missing_package(operation, name, bucket, wanted)
        revision: dict[str, Any] = package["revision"]
        return revision

    def _flat(self, operation: str, name: str, bucket: str, top_hash: str, hint: str = "") -> dict[str, Any]:
        variables = {"bucket": bucket, "name": name, "hash": top_hash}
        package = self._ask(operation, documents.GET_PACKAGE, variables, "GetPackage")["package"]
        if package is None or package["revision"] is None:
            raise self.missing_package(operation, name, bucket, top_hash, hint)
        revision: dict[str, Any] = package["revision"]
        if revision["contentsFlatMap"] is None:
            raise self._limit(operation, MOST_ENTRIES)
        return revision

    def _construct(
        self,
        operation: str,
        params: dict[str, Any],
        entries: list[dict[str, Any]],
        headers: dict[str, str],
        *,
        copy: bool,
    ) -> Package_Creation_Result:
        source = {"entries": [shapes.entry(entry) for entry in entries]}
        made = self._push(operation, documents.CONSTRUCT, params, source, "packageConstruct", headers, entries)
        if copy:
            promoted = {"bucket": params["bucket"], "name": params["name"], "hash": made["revision"]["hash"]}
            made = self._push(operation, documents.PROMOTE, params, promoted, "packagePromote", {}, entries)
        top_hash = made["revision"]["hash"]
        tree = f"{self.catalog.url}/b/{params['bucket']}/packages/{params['name']}/tree/{top_hash}"
        return Package_Creation_Result(
            params["name"], top_hash, f"s3://{params['bucket']}", tree, made["revision"]["totalEntries"], success=True
        )

    def _push(
        self,
        operation: str,
        document: str,
        params: dict[str, Any],
        source: dict[str, Any],
        field: str,
        headers: dict[str, str],
        entries: list[dict[str, Any]],
    ) -> dict[str, Any]:
        name = field[0].upper() + field[1:]
        variables = {"params": params, "src": source}
        data = self._ask(operation, document, variables, name, headers=headers, timeout_s=self.timeouts.write_s)
        return self._success(operation, data[field], "PackagePushSuccess", entries)

    def _success(
        self, operation: str, arm: dict[str, Any], wanted: str, entries: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        """Give the success arm, or raise what the arm means."""
        kind = arm.get("__typename")
        if kind == wanted:
            return arm
        if kind == "InvalidInput":
            self._invalid(operation, arm["errors"][0], entries or [])
        if kind == "OperationError":
            self._failed(operation, arm)
        raise self._protocol(operation, f"the arm {kind}")

    def _invalid(self, operation: str, error: dict[str, Any], entries: list[dict[str, Any]]) -> None:
        parts = str(error.get("path") or "").split(".")
        index = next((int(part) for part in parts if part.isdigit()), None)
        if error["name"].endswith(("NotFound", "DoesNotExist")):
            uri = entries[index]["physical_key"] if index is not None and index < len(entries) else parts[-1]
            raise self.not_found(operation, "file", uri, uri.removeprefix("s3://").split("/", 1)[0])
        if error["name"] == "PackageExists":
            raise self._exists(operation, error)
        field = {"logicalKey": "logical_key", "physicalKey": "physical_key"}.get(parts[-1], parts[-1])
        value = entries[index].get(field) if index is not None and index < len(entries) else None
        self.rules(operation).refuse(field, value, error["message"], index)

    def _exists(self, operation: str, error: dict[str, Any]) -> errors.ValidationError:
        context = {
            "field_name": "package_name",
            "field_value": None,
            "validation_rule": "package must not exist; use update_package_revision",
        }
        return errors.ValidationError(
            f"{error['message']} Use update_package_revision to change it.", self.catalog.base(operation) | context
        )

    def _failed(self, operation: str, arm: dict[str, Any]) -> None:
        if arm["name"].endswith(("NotFound", "DoesNotExist")):
            raise self.not_found(operation, "package", str(arm["message"]), "the registry")
        if arm["name"] == "RevisionConflict":
            raise errors.BackendError(
                "The package was changed by somebody else meanwhile. Read it again, then repeat the update.",
                self.catalog.base(operation) | {"kind": "conflict", "original_exception": None},
            )
        raise errors.BackendError(
            "The catalog refused the operation. Look at the context for its error.",
            self.catalog.base(operation)
            | {
                "kind": "graphql",
                "original_exception": None,
                "errors": [{"name": arm["name"], "message": arm["message"], "path": None}],
            },
        )

    def _protocol(self, operation: str, what: str) -> errors.BackendError:
        return errors.BackendError(
            "The catalog's answer does not fit the schema. Compare the versions of client and catalog.",
            self.catalog.base(operation) | {"kind": "protocol", "original_exception": what},
        )

    def _limit(self, operation: str, limit: int) -> errors.BackendError:
        return errors.BackendError(
            f"The answer has more than {limit} items. Narrow the request.",
            self.catalog.base(operation) | {"kind": "result_limit", "limit": limit, "original_exception": None},
        )
