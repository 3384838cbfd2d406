"""Calls that must fail, and what their errors must contain besides backend and operation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.quilt import QuiltOps
    from suites._support.settings import Settings

SIMPLE: Final = "test-user/simple-csv"
METHODS: Final = {"quilt3": "local", "platform": "jwt"}


@dataclass(frozen=True)
class Provoked:
    """One call that must fail; its error's message must contain `named`."""

    operation: str
    act: Callable[[], object]
    named: str
    context: dict[str, Any]


def unauthenticated(ops: QuiltOps, backend: str, registry: str) -> list[Provoked]:
    """Return calls of a user with a revoked token: on S3, on packages, on users."""
    context = {"auth_method": METHODS[backend], "reason": "revoked"}
    return [
        Provoked("list_buckets", ops.list_buckets, "token", context),
        Provoked("search_packages", lambda: ops.search_packages("csv", registry), "token", context),
        Provoked("admin.list_users", ops.admin.list_users, "token", context),
    ]


def _invalid(operation: str, field: str, value: object, act: Callable[[], object], **more: Any) -> Provoked:
    return Provoked(operation, act, f"`{field}`", {"field_name": field, "field_value": value} | more)


def invalid(ops: QuiltOps, registry: str) -> list[Provoked]:
    """Return ten calls with an argument that the client can reject without asking a server."""
    good = {"logical_key": "a.csv", "physical_key": "s3://bucket/a.csv"}
    bad = {"logical_key": "b.csv", "physical_key": "https://example.com/b.csv"}
    return [
        _invalid("get_package_info", "package_name", "a.b/c", lambda: ops.get_package_info("a.b/c", registry)),
        _invalid(
            "create_package_revision", "physical_key", bad["physical_key"],
            lambda: ops.create_package_revision("np/invalid", registry, [good, bad]), index=1,
        ),
        _invalid("list_all_packages", "registry", "s3://a/b", lambda: ops.list_all_packages("s3://a/b")),
        _invalid("browse_content", "path", "../x", lambda: ops.browse_content(SIMPLE, registry, "../x")),
        _invalid("get_content_url", "expires_in", 0, lambda: ops.get_content_url(SIMPLE, registry, "a", expires_in=0)),
        _invalid(
            "diff_packages", "package2_hash", "abc",
            lambda: ops.diff_packages(SIMPLE, SIMPLE, registry, package2_hash="abc"),
        ),
        _invalid("search_packages", "query", "  ", lambda: ops.search_packages("  ", registry)),
        _invalid("get_boto3_client", "service_name", "s4", lambda: ops.get_boto3_client("s4")),
        _invalid("get_catalog_config", "catalog_url", "ftp://a", lambda: ops.get_catalog_config("ftp://a")),
        _invalid("admin.create_user", "email", "nobody", lambda: ops.admin.create_user("np-x", "nobody", "user")),
    ]  # fmt: skip


def _absent(operation: str, resource: str, identifier: str, where: str, act: Callable[[], object]) -> Provoked:
    context = {"resource_type": resource, "identifier": identifier, "search_location": where}
    return Provoked(operation, act, f"`{identifier}`", context)


def absent(ops: QuiltOps, admin: QuiltOps, target: Settings, new_user: str) -> list[Provoked]:
    """Return one call for each of the eight types of resources that may be missing."""
    registry, package = target.registry, f"{target.registry}/{SIMPLE}"
    nowhere, bucket = f"{target.catalog_url}/no-such-catalog", "nightproof-no-such-bucket"
    email = f"{new_user}@example.org"
    return [
        _absent(
            "get_package_info", "package", "test-user/no-such-package", registry,
            lambda: ops.get_package_info("test-user/no-such-package", registry),
        ),
        _absent("browse_content", "path", "no/dir", package, lambda: ops.browse_content(SIMPLE, registry, "no/dir")),
        _absent("get_content_url", "file", "no.csv", package, lambda: ops.get_content_url(SIMPLE, registry, "no.csv")),
        _absent("admin.get_user", "user", new_user, "catalog", lambda: admin.admin.get_user(new_user)),
        _absent(
            "admin.create_user", "role", "no-such-role", "catalog",
            lambda: admin.admin.create_user(new_user, email, "no-such-role"),
        ),
        _absent(
            "get_tabulator_table", "table", "no_such_table", f"s3://{target.data}",
            lambda: admin.get_tabulator_table(target.data, "no_such_table"),
        ),
        _absent(
            "list_tabulator_tables", "bucket", bucket, f"s3://{bucket}", lambda: admin.list_tabulator_tables(bucket)
        ),
        _absent("get_catalog_config", "catalog", nowhere, nowhere, lambda: ops.get_catalog_config(nowhere)),
    ]  # fmt: skip


def _forbidden(operation: str, required: str, role: str, level: str, act: Callable[[], object]) -> Provoked:
    context = {"required_permissions": [required], "user_role": role, "access_level": level}
    return Provoked(operation, act, f"`{required}`", context)


def forbidden(ops: QuiltOps, viewer: QuiltOps, target: Settings, new_user: str, package: str) -> list[Provoked]:
    """Return calls beyond the caller's role: one needs an admin, one write access, one read access."""
    email = f"{new_user}@example.org"
    entries = [{"logical_key": "data1.csv", "physical_key": f"s3://{target.data}/simple-csv/data1.csv"}]
    private = f"s3://{target.private}"
    return [
        _forbidden(
            "admin.create_user", "admin", "user", "read_write",
            lambda: ops.admin.create_user(new_user, email, "user"),
        ),
        _forbidden(
            "create_package_revision", f"s3:write:{target.work}", "viewer", "none",
            lambda: viewer.create_package_revision(package, target.work_registry, entries),
        ),
        _forbidden(
            "get_package_info", f"s3:read:{target.private}", "user", "none",
            lambda: ops.get_package_info("secret/hidden", private),
        ),
    ]  # fmt: skip


def failing(ops: QuiltOps, registry: str, status: int) -> Provoked:
    """Return a call that a catalog answers with an error status."""
    context = {"kind": "http", "http_status": status}
    return Provoked("search_packages", lambda: ops.search_packages("csv", registry), f"HTTP {status}", context)


def judged(admin: QuiltOps, target: Settings, table: str) -> Provoked:
    """Return a call that only the server can reject, so that the server's text reaches the message."""
    config = "schema: [] # no parser"
    context = {"field_name": "config", "field_value": config}
    act = partial(admin.create_tabulator_table, target.work, table, config)
    return Provoked("create_tabulator_table", act, "`config`", context)
