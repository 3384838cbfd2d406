"""QuiltOps: one contract, two backends.

The same input and registry state lead to the same return value or the same error. Every failure is one of the five
errors of `nightproof.quilt.exceptions`; no method hides one behind an empty result. An argument that breaks a rule
raises ValidationError before anything is changed. A named resource that does not exist raises NotFoundError, and a
missing right PermissionError. BackendError covers every other failure; `kind` in its context states which.

Times are ISO 8601 UTC text, sizes are bytes, hashes are 64 hex digits. A `registry` is `s3://<bucket>`. A `top_hash` is
a full hash, a prefix of at least 6 digits, or `latest` (also None, except in `delete_package`). A method that changes
something returns only when a following read sees the change. Only search may lag.
"""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from nightproof.quilt.admin_contract import AdminOps
    from nightproof.quilt.admin_records import New_API_Key
    from nightproof.quilt.records import Auth_Status
    from nightproof.quilt.records import Bucket_Info
    from nightproof.quilt.records import Catalog_Config
    from nightproof.quilt.records import Content_Info
    from nightproof.quilt.records import Package_Creation_Result
    from nightproof.quilt.records import Package_Info
    from nightproof.quilt.records import Package_Revision

Entries = list[dict[str, Any]]


class QuiltOps(ABC):
    """The operations of a Quilt catalog and its registries."""

    @abstractmethod
    def get_auth_status(self) -> Auth_Status:
        """Return the signed-in user; raise AuthenticationError for an invalid token."""

    @abstractmethod
    def get_graphql_endpoint(self) -> str:
        """Return the GraphQL URL, without a trailing slash."""

    @abstractmethod
    def get_graphql_auth_headers(self) -> dict[str, str]:
        """Return the Authorization header and no other."""

    @abstractmethod
    def search_packages(self, query: str, registry: str) -> list[Package_Info]:
        """Return the packages whose latest revision matches any of the terms, newest first.

        Raise BackendError (kind `result_limit`) for more than 1,000 matches.
        """

    @abstractmethod
    def list_all_packages(self, registry: str) -> list[str]:
        """List package names, ascending."""

    @abstractmethod
    def get_package_info(self, package_name: str, registry: str, top_hash: str | None = None) -> Package_Info:
        """Return a package at one revision; `modified_date` is always that of the package.

        Raise NotFoundError if the package or the revision does not exist.
        """

    @abstractmethod
    def get_package_metadata(self, package_name: str, registry: str, top_hash: str | None = None) -> dict[str, Any]:
        """Return the user metadata of a revision, `{}` if it has none."""

    @abstractmethod
    def list_package_revisions(self, package_name: str, registry: str) -> list[Package_Revision]:
        """List revisions, newest first; raise NotFoundError if the package does not exist."""

    @abstractmethod
    def browse_content(
        self, package_name: str, registry: str, path: str = "", top_hash: str | None = None
    ) -> list[Content_Info]:
        """List exactly one level: directories first, then files. The path of a file returns that one file.

        Raise NotFoundError if the path does not exist.
        """

    @abstractmethod
    def get_content_url(
        self, package_name: str, registry: str, path: str, top_hash: str | None = None, expires_in: int = 3600
    ) -> str:
        """Return a presigned URL of a file; `expires_in` is 1 to 604,800 seconds.

        Raise NotFoundError if the path does not exist, ValidationError if it is a directory.
        """

    @abstractmethod
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
        """Create a package; raise ValidationError, and leave the package unchanged, if it exists.

        An entry has `physical_key` (`s3://bucket/key[?versionId=v]`), `logical_key` and optional `meta`. With
        `auto_organize`, a missing `logical_key` is taken from the object's key. `copy` copies the objects into the
        registry's bucket.
        """

    @abstractmethod
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
        """Replace the entries, or keep them with their hashes if None, and merge the metadata.

        Metadata of directories is lost: the registry's packageConstruct has no field for it. Raise NotFoundError if the
        package does not exist, BackendError (kind `conflict`) if another writer changed it meanwhile.
        """

    @abstractmethod
    def delete_package(self, package_name: str, registry: str, top_hash: str | None = None) -> None:
        """Delete all revisions (None), or the one that a full hash, a prefix of it or `latest` names.

        Raise NotFoundError if the package or the revision does not exist.
        """

    @abstractmethod
    def diff_packages(
        self,
        package1_name: str,
        package2_name: str,
        registry: str,
        package1_hash: str | None = None,
        package2_hash: str | None = None,
    ) -> dict[str, list[str]]:
        """Compare two revisions by hash and size; return sorted logical keys as `added`, `removed` and `modified`.

        Raise NotFoundError if a package or a revision does not exist.
        """

    @abstractmethod
    def list_buckets(self) -> list[Bucket_Info]:
        """List the catalog's buckets by name."""

    @abstractmethod
    def get_catalog_config(self, catalog_url: str) -> Catalog_Config:
        """Return the configuration in a catalog's config.json.

        Raise NotFoundError if the address has no catalog, BackendError (kind `bad_config`) if a field is missing.
        """

    @abstractmethod
    def configure_catalog(self, catalog_url: str) -> None:
        """Use another catalog from now on; raise the same errors as `get_catalog_config`."""

    @abstractmethod
    def get_registry_url(self) -> str | None:
        """Return the default package registry, or None without a configured catalog or without any bucket in it."""

    @abstractmethod
    def execute_graphql_query(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        registry: str | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """Return the whole body of the response; a document that the server rejects is returned with its errors.

        `timeout_s` is in seconds; None means `Timeouts.read_s`. `registry` is checked and otherwise unused.
        """

    @abstractmethod
    def get_boto3_client(self, service_name: str, region: str | None = None) -> Any:
        """Return a boto3 client with the keys that the catalog issues; the region defaults to us-east-1."""

    @property
    @abstractmethod
    def admin(self) -> AdminOps:
        """Return the admin operations, performed as the signed-in user."""

    @abstractmethod
    def list_tabulator_tables(self, bucket: str) -> list[dict[str, str]]:
        """List `{"name", "config"}` of a bucket's Tabulator tables by name; texts byte for byte as they were set."""

    @abstractmethod
    def get_tabulator_table(self, bucket: str, table_name: str) -> dict[str, str]:
        """Return one table as `{"name", "config"}`; raise NotFoundError if it does not exist."""

    @abstractmethod
    def create_tabulator_table(self, bucket: str, table_name: str, config: str) -> dict[str, str]:
        """Create a table; raise ValidationError, and leave the table unchanged, if it exists."""

    @abstractmethod
    def update_tabulator_table(self, bucket: str, table_name: str, config: str) -> dict[str, str]:
        """Replace the configuration of a table; raise NotFoundError if it does not exist."""

    @abstractmethod
    def rename_tabulator_table(self, bucket: str, old_name: str, new_name: str) -> dict[str, str]:
        """Rename a table; raise NotFoundError if it does not exist, ValidationError if the new name is taken."""

    @abstractmethod
    def delete_tabulator_table(self, bucket: str, table_name: str) -> None:
        """Delete a table; raise NotFoundError if it does not exist."""

    @abstractmethod
    def get_open_query_status(self) -> dict[str, bool]:
        """Return, as `enabled`, whether tables may be queried with AWS keys that the catalog did not issue."""

    @abstractmethod
    def set_open_query(self, enabled: bool) -> dict[str, bool]:  # noqa: FBT001 - the contract's signature
        """Allow or forbid queries with AWS keys of other origin; return the status as read back from the server."""

    @abstractmethod
    def create_api_key(self, name: str, expires_in_days: int = 90) -> New_API_Key:
        """Create an API key for the signed-in user, valid for 1 to 365 days.

        Its secret serves as access token until the key expires.
        """
