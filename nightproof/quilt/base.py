"""The operations that both backends share: everything that concerns the catalog or AWS rather than packages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import NoReturn
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from nightproof.quilt import answers
from nightproof.quilt import exceptions as errors
from nightproof.quilt.aws import IssuedKeys
from nightproof.quilt.aws import region_of
from nightproof.quilt.catalog import Catalog
from nightproof.quilt.contract import QuiltOps
from nightproof.quilt.records import Auth_Status
from nightproof.quilt.records import Bucket_Info
from nightproof.quilt.records import Catalog_Config
from nightproof.quilt.records import Credentials
from nightproof.quilt.records import Package_Creation_Result
from nightproof.quilt.records import Package_Info
from nightproof.quilt.records import Timeouts
from nightproof.quilt.s3_errors import DENIED
from nightproof.quilt.s3_errors import Sought
from nightproof.quilt.s3_errors import code_of
from nightproof.quilt.s3_errors import s3_errors
from nightproof.quilt.validation import Rules
from nightproof.quilt.validation import short

if TYPE_CHECKING:
    from typing import Literal

CONFIG_FIELDS: Final = {
    "region": "region",
    "api_gateway_endpoint": "apiGatewayEndpoint",
    "registry_url": "registryUrl",
    "analytics_bucket": "analyticsBucket",
}
ME: Final = "query AuthStatus { me { name role { name } } }"
BUCKETS: Final = "query Buckets { bucketConfigs { name relevanceScore } }"
CONDITION_ANSWERS: Final = frozenset({"404", "NoSuchKey", "412", "PreconditionFailed"})
REGION: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
PROBE: Final = ".quilt/nightproof-probe"
Entry = tuple[str, str, int]


class CatalogOps(QuiltOps):
    """Sign-in, configuration, buckets, GraphQL and AWS clients."""

    backend_type: str
    default_write_s: float

    def __init__(
        self,
        *,
        catalog_url: str | None,
        registry: str | None,
        credentials: Credentials | None,
        timeouts: Timeouts | None,
    ) -> None:
        self.timeouts = timeouts or Timeouts()
        self.catalog = Catalog(self.backend_type, credentials, self.timeouts)
        if not self.catalog.has_credentials:
            self.catalog.refuse("create_quilt_ops", "missing")
        self.write_s = self.timeouts.write_s or self.default_write_s
        self.keys = IssuedKeys(self.catalog)
        self._registry_given = registry
        self._config: Catalog_Config | None = None
        self._default_registry: str | None = None
        self._url = catalog_url.rstrip("/") if catalog_url else ""

    def rules(self, operation: str) -> Rules:
        """Return the argument rules of one operation."""
        return Rules(self.backend_type, operation)

    def connect(self, operation: str) -> Catalog:
        """Return the catalog's client, with the catalog's configuration loaded."""
        self.configuration(operation)
        return self.catalog

    def configuration(self, operation: str) -> Catalog_Config:
        """Return the configuration of the catalog in use, read on first use.

        Raise BackendError (kind `bad_config`) before a catalog is configured.
        """
        if self._config is not None:
            return self._config
        if not self._url:
            raise errors.BackendError(
                "No catalog is configured. Call configure_catalog first.",
                self.catalog.base(operation) | {"kind": "bad_config", "original_exception": "no catalog_url"},
            )
        return self._adopt(self._url, self._read_config(operation, self._url))

    def get_auth_status(self) -> Auth_Status:
        """Return the signed-in user, as the server reports it."""
        me = self.me("get_auth_status")
        config = self._config
        return Auth_Status(
            is_authenticated=True,
            logged_in_url=self._url,
            catalog_name=self._catalog_name(),
            registry_url=self.catalog.registry_url,
            region=config.region if config else None,
            tabulator_data_catalog=config.tabulator_data_catalog if config else None,
            user_name=me.name,
        )

    def me(self, operation: str) -> answers.Person:
        """Return the signed-in user, as the server reports it; raise AuthenticationError if there is none."""
        found = self.connect(operation).data(operation, ME, {}, answers.Me, name="AuthStatus")
        return found.me or self.catalog.refuse(operation, "invalid")

    def _catalog_name(self) -> str | None:
        return urlsplit(self._url).hostname

    def get_graphql_endpoint(self) -> str:
        """Return the GraphQL URL."""
        return f"{self.connect('get_graphql_endpoint').registry_url}/graphql"

    def get_graphql_auth_headers(self) -> dict[str, str]:
        """Return the Authorization header and no other."""
        operation = "get_graphql_auth_headers"
        return {"Authorization": f"Bearer {self.connect(operation).token(operation)}"}

    def execute_graphql_query(
        self,
        query: str,
        variables: dict[str, Any] | None = None,
        registry: str | None = None,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """Send the caller's document unchanged."""
        operation = "execute_graphql_query"
        if registry is not None:
            self.rules(operation).bucket(registry)
        self.rules(operation).variables(variables)
        return self.connect(operation).graphql(operation, query, variables, timeout_s=timeout_s)

    def list_buckets(self) -> list[Bucket_Info]:
        """List the catalog's buckets, with region and access level as S3 itself reports them."""
        operation = "list_buckets"
        names = sorted(bucket.name for bucket in self._buckets(operation))
        s3 = self.keys.client("s3", None, operation)
        return [self._bucket(operation, s3, name) for name in names]

    def _buckets(self, operation: str) -> list[answers.Bucket]:
        return self.connect(operation).data(operation, BUCKETS, {}, answers.Buckets, name="Buckets").bucket_configs

    def _bucket(self, operation: str, s3: Any, name: str) -> Bucket_Info:
        level: Literal["read", "read_write"] = "read_write"
        with s3_errors(self, operation, Sought("bucket", name, f"s3://{name}", name)):
            region = region_of(s3, name)
            try:
                # Never writes: no object has this ETag. Refused means read only, a failed condition that we might.
                s3.put_object(Bucket=name, Key=PROBE, IfMatch='"0"', Body=b"")
            except ClientError as error:
                if code_of(error) not in CONDITION_ANSWERS | DENIED:
                    raise
                level = "read" if code_of(error) in DENIED else "read_write"
        return Bucket_Info(name, region, level)

    def get_catalog_config(self, catalog_url: str) -> Catalog_Config:
        """Return a catalog's configuration."""
        operation = "get_catalog_config"
        if not isinstance(catalog_url, str) or not re.match(r"https?://[^/]+", catalog_url):
            self.rules(operation).refuse("catalog_url", catalog_url, "an http or https URL")
        return self._read_config(operation, catalog_url.rstrip("/"))

    def configure_catalog(self, catalog_url: str) -> None:
        """Use a catalog from now on, and choose the default registry again when it is next needed."""
        config = self.get_catalog_config(catalog_url)
        self._adopt(catalog_url.rstrip("/"), config)
        self._default_registry = None

    def get_registry_url(self) -> str | None:
        """Return the constructor's registry if the catalog has it, else its most relevant bucket, or None."""
        if not self._url:
            return None
        if self._default_registry is None:
            found = self._buckets("get_registry_url")
            given = (self._registry_given or "").removeprefix("s3://").rstrip("/")
            ranked = sorted(found, key=lambda bucket: (bucket.name != given, -bucket.relevance_score, bucket.name))
            chosen = ranked[0].name if ranked else None
            self._default_registry = f"s3://{chosen}" if chosen else None
        return self._default_registry

    def get_boto3_client(self, service_name: str, region: str | None = None) -> Any:
        """Return a client with issued keys; reject an unknown service or region name before keys are fetched."""
        operation = "get_boto3_client"
        import botocore.session  # noqa: PLC0415 - loads its data folder

        if service_name not in botocore.session.get_session().get_available_services():
            self.rules(operation).refuse("service_name", service_name, "a service that botocore knows")
        if region is not None and (not isinstance(region, str) or not REGION.fullmatch(region)):
            self.rules(operation).refuse("region", region, "the name of a region, such as us-east-1")
        self.connect(operation)
        return self.keys.client(service_name, region, operation)

    def diff_packages(
        self,
        package1_name: str,
        package2_name: str,
        registry: str,
        package1_hash: str | None = None,
        package2_hash: str | None = None,
    ) -> dict[str, list[str]]:
        """Compare the entries of two revisions by hash and size."""
        rules = self.rules("diff_packages")
        rules.name(package1_name, "package1_name")
        rules.name(package2_name, "package2_name")
        bucket = rules.bucket(registry)
        first_hash = rules.top_hash(package1_hash, "package1_hash")
        second_hash = rules.top_hash(package2_hash, "package2_hash")
        first = self._entries("diff_packages", package1_name, bucket, first_hash)
        second = self._entries("diff_packages", package2_name, bucket, second_hash)
        return {
            "added": sorted(second.keys() - first.keys()),
            "removed": sorted(first.keys() - second.keys()),
            "modified": sorted(key for key in first.keys() & second.keys() if first[key] != second[key]),
        }

    def _entries(self, operation: str, name: str, bucket: str, top_hash: str) -> dict[str, Entry]:
        """Return hash value, hash type and size in bytes of every entry, by logical key."""
        raise NotImplementedError

    def not_found(
        self, operation: str, resource: str, identifier: str, where: str, hint: str = ""
    ) -> errors.NotFoundError:
        """Return the NotFoundError for a missing resource."""
        context = {"resource_type": resource, "identifier": identifier, "search_location": where}
        message = (
            f"The {resource} `{short(identifier)}` does not exist in `{short(where)}`. {hint or 'Check its name.'}"
        )
        return errors.NotFoundError(message, self.catalog.base(operation) | context)

    def missing_package(
        self, operation: str, name: str, bucket: str, top_hash: str, hint: str = ""
    ) -> errors.NotFoundError:
        """Return the NotFoundError for a missing package or revision."""
        identifier = name if top_hash == "latest" else f"{name}@{top_hash}"
        return self.not_found(operation, "package", identifier, f"s3://{bucket}", hint)

    def exists_already(self, operation: str, name: str) -> NoReturn:
        """Raise the ValidationError for a package name that is taken."""
        self.rules(operation).refuse(
            "package_name",
            name,
            "package must not exist; use update_package_revision",
            message=f"The package `{short(name)}` exists already. Use update_package_revision to change it.",
        )

    def refuse_workflow(self, operation: str, workflow: str | None, why: str) -> NoReturn:
        """Raise the ValidationError for a package that a workflow of the registry rejects."""
        named = f"workflow `{short(workflow)}`" if workflow else "workflow that the registry asks for"
        self.rules(operation).refuse(
            "workflow",
            workflow,
            "a workflow that the registry has and the package satisfies",
            message=f"The {named} refuses the package: {short(why.rstrip('.'), 150)}.",
        )

    def conflict(self, operation: str, name: str, cause: Exception | None) -> errors.BackendError:
        """Return the BackendError (kind `conflict`) for a package that another writer changed meanwhile."""
        return errors.BackendError(
            f"The package `{short(name)}` was changed by somebody else meanwhile. Read it again, then repeat.",
            self.catalog.base(operation)
            | {"kind": "conflict", "original_exception": f"{type(cause).__name__}: {cause}" if cause else None},
        )

    def too_many(self, operation: str, limit: int) -> errors.BackendError:
        """Return the BackendError (kind `result_limit`) for a result that would be truncated."""
        return errors.BackendError(
            f"The answer has more than {limit} items. Narrow the request.",
            self.catalog.base(operation) | {"kind": "result_limit", "limit": limit, "original_exception": None},
        )

    def creation(self, name: str, bucket: str, top_hash: str, count: int) -> Package_Creation_Result:
        """Return the result record of a new revision."""
        tree = f"{self.catalog.url}/b/{bucket}/packages/{name}/tree/{top_hash}"
        return Package_Creation_Result(name, top_hash, f"s3://{bucket}", tree, count, success=True)

    def _named(self, operation: str, name: str, registry: str) -> str:
        rules = self.rules(operation)
        rules.name(name)
        return rules.bucket(registry)

    def _read_config(self, operation: str, url: str) -> Catalog_Config:
        found = self.catalog.config(operation, url)
        values = found.model_dump()
        for ours, theirs in CONFIG_FIELDS.items():
            if not values[ours]:
                raise errors.BackendError(
                    f"The configuration of `{short(url)}` lacks `{theirs}`. Check the catalog's deployment.",
                    self.catalog.base(operation)
                    | {"kind": "bad_config", "original_exception": f"missing field {theirs}"},
                )
        # The stack's name precedes `-analyticsbucket`; without that, it is what precedes the first hyphen.
        bucket = values["analytics_bucket"]
        prefix = re.split("-analyticsbucket", bucket, maxsplit=1, flags=re.IGNORECASE)[0]
        prefix = prefix if prefix != bucket else bucket.split("-", 1)[0]
        return Catalog_Config(**values, stack_prefix=prefix, tabulator_data_catalog=f"quilt-{prefix}-tabulator")

    def _adopt(self, url: str, config: Catalog_Config) -> Catalog_Config:
        self.catalog.url, self.catalog.registry_url = url, config.registry_url
        self._url, self._config = url, config
        return config


def tags_of(metadata: dict[str, Any]) -> tuple[str, ...]:
    """Return metadata `tags` if they are a list of text, else an empty tuple."""
    tags = metadata.get("tags")
    is_text = isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)
    return tuple(tags) if is_text and isinstance(tags, list) else ()


def description_of(metadata: dict[str, Any]) -> str | None:
    """Return metadata `description` if it is text, or None."""
    found = metadata.get("description")
    return found if isinstance(found, str) else None


def newest_first(hits: list[Package_Info]) -> list[Package_Info]:
    """Sort packages by time, newest first, and by name where times are equal."""
    # Two stable sorts: times descend while names ascend.
    return sorted(sorted(hits, key=lambda hit: hit.name), key=lambda hit: hit.modified_date, reverse=True)


def user_meta(metadata: dict[str, Any]) -> dict[str, Any] | None:
    """Return the user metadata of an entry, or None if it is empty or not a dict."""
    found = metadata.get("user_meta")
    return found if isinstance(found, dict) and found else None


def directory_meta(metadata: dict[str, Any]) -> dict[str, Any] | None:
    """Return the user metadata of a directory, or None if it is empty.

    Some writers wrap it in `user_meta`, like that of an entry; others do not.
    """
    return user_meta(metadata) if metadata.keys() == {"user_meta"} else metadata or None
