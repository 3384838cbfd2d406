"""QuiltOps: one contract, two backends.

Same input and same registry state give the same return value or the same error. Every failure is one of the five
errors of `nightproof.quilt.exceptions`; nothing hides one behind an empty answer. Times are ISO 8601 UTC text, sizes
bytes, hashes 64 hex digits. A change has returned only when a following read sees it; only search may lag.
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
        """Say who is signed in; a bad token raises AuthenticationError."""

    @abstractmethod
    def get_graphql_endpoint(self) -> str:
        """Give the GraphQL URL, without trailing slash."""

    @abstractmethod
    def get_graphql_auth_headers(self) -> dict[str, str]:
        """Give exactly the Authorization header."""

    @abstractmethod
    def search_packages(self, query: str, registry: str) -> list[Package_Info]:
        """Find latest revisions by any of the terms, newest first."""

    @abstractmethod
    def list_all_packages(self, registry: str) -> list[str]:
        """List package names, ascending."""

    @abstractmethod
    def get_package_info(self, package_name: str, registry: str, top_hash: str | None = None) -> Package_Info:
        """Describe a package at a revision."""

    @abstractmethod
    def get_package_metadata(self, package_name: str, registry: str, top_hash: str | None = None) -> dict[str, Any]:
        """Give the user metadata of a revision, `{}` when none."""

    @abstractmethod
    def list_package_revisions(self, package_name: str, registry: str) -> list[Package_Revision]:
        """List revisions, newest first."""

    @abstractmethod
    def browse_content(
        self, package_name: str, registry: str, path: str = "", top_hash: str | None = None
    ) -> list[Content_Info]:
        """List exactly one level: directories first, then files; a file's path gives that one file."""

    @abstractmethod
    def get_content_url(
        self, package_name: str, registry: str, path: str, top_hash: str | None = None, expires_in: int = 3600
    ) -> str:
        """Give a presigned URL of a file; `expires_in` in seconds."""

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
        """Create a package; one that exists is refused and untouched."""

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
        """Replace the entries, or keep them with their hashes (None), and merge the metadata.

        What was said of a directory is not kept: a construction has no place for it.
        """

    @abstractmethod
    def delete_package(self, package_name: str, registry: str, top_hash: str | None = None) -> None:
        """Remove all revisions (None), or the one that a hash, a prefix of it or `latest` names."""

    @abstractmethod
    def diff_packages(
        self,
        package1_name: str,
        package2_name: str,
        registry: str,
        package1_hash: str | None = None,
        package2_hash: str | None = None,
    ) -> dict[str, list[str]]:
        """Compare two revisions by hash and size: added, removed, modified."""

    @abstractmethod
    def list_buckets(self) -> list[Bucket_Info]:
        """List the catalog's buckets by name."""

    @abstractmethod
    def get_catalog_config(self, catalog_url: str) -> Catalog_Config:
        """Read a catalog's config.json."""

    @abstractmethod
    def configure_catalog(self, catalog_url: str) -> None:
        """Use another catalog from now on."""

    @abstractmethod
    def get_registry_url(self) -> str | None:
        """Give the default package registry, None before a catalog is configured."""

    @abstractmethod
    def execute_graphql_query(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        registry: str | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """Give the whole answer; a document the server rejects is returned with its errors."""

    @abstractmethod
    def get_boto3_client(self, service_name: str, region: str | None = None) -> Any:
        """Make a boto3 client with the keys that the catalog issues."""

    @property
    @abstractmethod
    def admin(self) -> AdminOps:
        """Give what admins may do, as the signed-in user."""

    @abstractmethod
    def list_tabulator_tables(self, bucket: str) -> list[dict[str, str]]:
        """List `{"name", "config"}` of a bucket's Tabulator tables by name; texts byte for byte as they were set."""

    @abstractmethod
    def get_tabulator_table(self, bucket: str, table_name: str) -> dict[str, str]:
        """Give one table."""

    @abstractmethod
    def create_tabulator_table(self, bucket: str, table_name: str, config: str) -> dict[str, str]:
        """Make a table; one that exists is refused and untouched."""

    @abstractmethod
    def update_tabulator_table(self, bucket: str, table_name: str, config: str) -> dict[str, str]:
        """Replace the configuration of a table that exists."""

    @abstractmethod
    def rename_tabulator_table(self, bucket: str, old_name: str, new_name: str) -> dict[str, str]:
        """Give a table another name that is free."""

    @abstractmethod
    def delete_tabulator_table(self, bucket: str, table_name: str) -> None:
        """Remove a table that exists."""

    @abstractmethod
    def get_open_query_status(self) -> dict[str, bool]:
        """Say, as `enabled`, whether tables may be queried with AWS keys that the catalog did not issue."""

    @abstractmethod
    def set_open_query(self, enabled: bool) -> dict[str, bool]:  # noqa: FBT001 - the contract's signature
        """Allow or forbid such queries; the answer is read back from the server."""

    @abstractmethod
    def create_api_key(self, name: str, expires_in_days: int = 90) -> New_API_Key:
        """Make an API key for oneself; its secret serves as access token until the key ends."""
