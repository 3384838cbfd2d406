"""Invalid answers: whatever a server sends, an operation ends in one of the contract's errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Final

import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nightproof import quilt
from tests.nightproof.quilt.rubbish import HASH

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.nightproof.quilt.rubbish import Rubbish

REGISTRY: Final = "s3://some-bucket"
ENTRY: Final = {"logical_key": "a", "physical_key": "s3://some-bucket/a"}
OPERATIONS: Final[dict[str, Callable[[quilt.QuiltOps], object]]] = {
    "get_auth_status": lambda ops: ops.get_auth_status(),
    "get_graphql_auth_headers": lambda ops: ops.get_graphql_auth_headers(),
    "execute_graphql_query": lambda ops: ops.execute_graphql_query("{ me { name } }"),
    "list_buckets": lambda ops: ops.list_buckets(),
    "get_registry_url": lambda ops: ops.get_registry_url(),
    "get_boto3_client": lambda ops: ops.get_boto3_client("sts"),
    "search_packages": lambda ops: ops.search_packages("x", REGISTRY),
    "list_all_packages": lambda ops: ops.list_all_packages(REGISTRY),
    "get_package_info": lambda ops: ops.get_package_info("a/b", REGISTRY),
    "get_package_metadata": lambda ops: ops.get_package_metadata("a/b", REGISTRY),
    "list_package_revisions": lambda ops: ops.list_package_revisions("a/b", REGISTRY),
    "browse_content": lambda ops: ops.browse_content("a/b", REGISTRY),
    "get_content_url": lambda ops: ops.get_content_url("a/b", REGISTRY, "x"),
    "create_package_revision": lambda ops: ops.create_package_revision("a/b", REGISTRY, [ENTRY]),
    "update_package_revision": lambda ops: ops.update_package_revision("a/b", REGISTRY, [ENTRY]),
    "delete_package": lambda ops: ops.delete_package("a/b", REGISTRY),
    "diff_packages": lambda ops: ops.diff_packages("a/b", "a/c", REGISTRY),
}
ADMIN_OPERATIONS: Final[dict[str, Callable[[quilt.QuiltOps], object]]] = {
    "list_tabulator_tables": lambda ops: ops.list_tabulator_tables("b"),
    "get_tabulator_table": lambda ops: ops.get_tabulator_table("b", "t"),
    "create_tabulator_table": lambda ops: ops.create_tabulator_table("b", "t", "x"),
    "update_tabulator_table": lambda ops: ops.update_tabulator_table("b", "t", "x"),
    "rename_tabulator_table": lambda ops: ops.rename_tabulator_table("b", "t", "u"),
    "delete_tabulator_table": lambda ops: ops.delete_tabulator_table("b", "t"),
    "get_open_query_status": lambda ops: ops.get_open_query_status(),
    "set_open_query": lambda ops: ops.set_open_query(enabled=True),
    "create_api_key": lambda ops: ops.create_api_key("k"),
    "admin.list_users": lambda ops: ops.admin.list_users(),
    "admin.get_user": lambda ops: ops.admin.get_user("u"),
    "admin.create_user": lambda ops: ops.admin.create_user("u", "u@v.w", "r"),
    "admin.delete_user": lambda ops: ops.admin.delete_user("u"),
    "admin.set_user_email": lambda ops: ops.admin.set_user_email("u", "u@v.w"),
    "admin.set_user_admin": lambda ops: ops.admin.set_user_admin("u", admin=True),
    "admin.set_user_active": lambda ops: ops.admin.set_user_active("u", active=True),
    "admin.reset_user_password": lambda ops: ops.admin.reset_user_password("u"),
    "admin.set_user_role": lambda ops: ops.admin.set_user_role("u", "r"),
    "admin.add_user_roles": lambda ops: ops.admin.add_user_roles("u", ["r", "s"]),
    "admin.remove_user_roles": lambda ops: ops.admin.remove_user_roles("u", ["r"]),
    "admin.list_roles": lambda ops: ops.admin.list_roles(),
    "admin.get_sso_config": lambda ops: ops.admin.get_sso_config(),
    "admin.set_sso_config": lambda ops: ops.admin.set_sso_config("x"),
    "admin.remove_sso_config": lambda ops: ops.admin.remove_sso_config(),
    "admin.list_api_keys": lambda ops: ops.admin.list_api_keys(),
    "admin.get_api_key": lambda ops: ops.admin.get_api_key("k"),
    "admin.revoke_api_key": lambda ops: ops.admin.revoke_api_key("k"),
}
WORDS: Final = (
    "data", "errors", "message", "extensions", "code", "path", "me", "name", "role", "bucketConfigs", "relevanceScore",
    "packages", "package", "total", "page", "revision", "revisions", "hash", "modified", "userMeta", "dir", "file",
    "children", "__typename", "size", "physicalKey", "metadata", "contentsFlatMap", "packageConstruct", "context",
    "packageRevisionDelete", "searchPackages", "firstPage", "hits", "_source", "browsingSessionCreate", "bucket",
)  # fmt: skip
TEXTS: Final = st.sampled_from([HASH, "", "a/b", "PackageFile", "PackagePushSuccess", "InvalidInput", "2026-01-01"])
LEAVES: Final = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.text(max_size=5)
VALUES: Final = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
)
BODIES: Final = st.one_of(
    VALUES.map(lambda value: json.dumps(value).encode()),
    VALUES.map(lambda value: json.dumps({"data": value}).encode()),
    st.sampled_from([b"", b"<html>maintenance</html>", b"\xff\xfe\x00", b"null", b'{"data": null}', b'{"data": []}']),
    st.binary(max_size=20),
)


def error_of(act: Callable[[], object]) -> quilt.QuiltOpsError | None:
    """Run an operation; return the contract's error that it raised, or None. Any other exception is a failure."""
    try:
        act()
    except quilt.QuiltOpsError as error:
        return error
    return None


def check_ends_well(act: Callable[[], object], operation: str) -> None:
    """Run an operation that may succeed by chance, and otherwise must raise a readable error."""
    error = error_of(act)
    if error is not None:
        assert error.context["operation"] == operation
        assert error.message[0].isupper()
        assert error.message.endswith(".")
        assert len(error.message) <= 300
        assert not {"{", "Traceback"} & set(error.message.split())


FEW: Final = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SOME: Final = settings(FEW, max_examples=12)
FEWER: Final = settings(FEW, max_examples=4)


LINES: Final = st.fixed_dictionaries(
    {},
    optional={
        "logical_key": TEXTS | LEAVES,
        "physical_keys": st.lists(st.sampled_from(["s3://b/k", "", "no uri"]) | LEAVES, max_size=2) | LEAVES,
        "size": LEAVES,
        "hash": st.fixed_dictionaries({"type": LEAVES, "value": LEAVES}) | LEAVES,
        "meta": VALUES,
    },
)
MANIFESTS: Final = st.lists(LINES | VALUES, max_size=3).map(
    lambda lines: "\n".join(json.dumps(line) for line in [{"version": "v0"}, *lines]).encode()
)


@pytest.mark.parametrize("operation", sorted(OPERATIONS.keys() - {"get_graphql_auth_headers", "get_boto3_client"}))
@FEW
@given(body=BODIES, status=st.sampled_from([200, 200, 200, 400, 401, 403, 404, 500]))
def test_the_platform_survives_any_graphql_answer(
    rubbish: Rubbish, on_rubbish: Callable[..., quilt.QuiltOps], operation: str, body: bytes, status: int
) -> None:
    """Whatever GraphQL answers (HTML, null, wrong types, nothing), only errors of the contract are raised."""
    rubbish.spoil("graphql", body, status)
    ops = on_rubbish("platform")
    check_ends_well(lambda: OPERATIONS[operation](ops), operation)


ROLES: Final = st.fixed_dictionaries(
    {"__typename": st.sampled_from(["ManagedRole", "UnmanagedRole", "Role"]), "id": TEXTS, "name": TEXTS},
    optional={"arn": TEXTS, "policies": VALUES, "permissions": st.just([]) | VALUES},
)
USERS: Final = st.fixed_dictionaries(
    {
        "__typename": st.just("User"),
        "name": st.sampled_from(["u", ""]),
        "email": TEXTS,
        "dateJoined": st.sampled_from(["2026-01-01T00:00:00+00:00", "1700000000", "2026-01-01"]) | LEAVES,
        "lastLogin": st.sampled_from(["2026-01-01T00:00:00Z", "20260101T000000Z"]),
        **dict.fromkeys(("isActive", "isAdmin", "isSsoOnly", "isService"), st.just(value=True)),
        "role": st.none() | ROLES,
        "extraRoles": st.lists(ROLES, max_size=2),
    }
)
ERRORS: Final = st.fixed_dictionaries(
    {
        "path": st.sampled_from(["", "name", "input.role", "roles", "config", "tableName", "bucketName", None]),
        "name": st.sampled_from(["Conflict", "RoleDoesNotExist", "TableNotFound", "Other"]),
        "message": st.text(max_size=400),
    },
    optional={"context": VALUES},
)
ARMS: Final = st.one_of(
    USERS,
    st.just({"__typename": "Ok"}),
    st.fixed_dictionaries({"__typename": st.just("InvalidInput"), "errors": st.lists(ERRORS, max_size=2)}),
    ERRORS.map(lambda error: error | {"__typename": "OperationError"}),
    st.fixed_dictionaries({"__typename": st.just("SsoConfig"), "text": TEXTS, "timestamp": TEXTS, "uploader": USERS}),
    VALUES,
)
FIELDS: Final = ("delete", "setEmail", "setRole", "addRoles", "removeRoles", "setAdmin", "setActive", "resetPassword")


@st.composite
def administered(draw: st.DrawFn) -> bytes:
    """Return an answer that is valid or nearly valid for every admin operation."""
    arm, users = draw(ARMS), draw(st.lists(USERS, max_size=2))
    tables = {"tabulatorTables": draw(st.sampled_from([[], [{"name": "t", "config": "x"}], [{"name": "t"}]]))}
    mutate = draw(st.none() | st.just(dict.fromkeys(FIELDS, arm)))
    user = {"list": users, "get": draw(st.none() | USERS), "create": arm, "mutate": mutate}
    keys = {"list": draw(VALUES), "get": draw(st.none() | VALUES), "revoke": arm}
    changes = dict.fromkeys(("bucketSetTabulatorTable", "bucketRenameTabulatorTable", "setSsoConfig"), arm)
    query = {"tabulatorOpenQuery": draw(LEAVES)}
    admin = {"user": user, "apiKeys": keys, "ssoConfig": arm, "setTabulatorOpenQuery": query} | changes | query
    me = {"name": "me", "role": {"name": "r"}}
    roles = draw(st.lists(ROLES, max_size=2))
    data = {"admin": admin, "me": me, "roles": roles, "bucketConfig": tables, "apiKeyCreate": arm} | changes
    return json.dumps({"data": data}).encode()


@pytest.fixture
def lasting(backend: str, on_rubbish: Callable[..., quilt.QuiltOps]) -> quilt.QuiltOps:
    """Return one instance for all examples of a test: signing quilt3 in takes longer than asking."""
    return on_rubbish(backend)


@pytest.mark.parametrize("operation", ADMIN_OPERATIONS)
@SOME
@given(body=st.one_of(BODIES, administered(), administered()), status=st.sampled_from([200, 200, 200, 400, 401, 500]))
def test_admin_operations_survive_any_answer(
    rubbish: Rubbish, lasting: quilt.QuiltOps, operation: str, body: bytes, status: int
) -> None:
    """Whatever an admin operation is answered, only errors of the contract are raised."""
    rubbish.spoil("graphql", body, status)
    check_ends_well(lambda: ADMIN_OPERATIONS[operation](lasting), operation)


@pytest.mark.parametrize("operation", ["browse_content", "list_package_revisions", "diff_packages", "get_content_url"])
@FEWER
@given(body=MANIFESTS)
def test_quilt3_survives_any_manifest(
    rubbish: Rubbish, on_rubbish: Callable[..., quilt.QuiltOps], operation: str, body: bytes
) -> None:
    """Whatever a manifest holds, quilt3 raises only errors of the contract."""
    rubbish.spoil("manifest", body)
    ops = on_rubbish("quilt3")
    check_ends_well(lambda: OPERATIONS[operation](ops), operation)


@pytest.mark.parametrize("route", ["config", "token", "keys", "search", "manifest", "pointer", "s3"])
@pytest.mark.parametrize("operation", ["list_buckets", "search_packages", "browse_content", "list_package_revisions"])
@FEWER
@given(body=BODIES, status=st.sampled_from([200, 200, 401, 403, 404]))
def test_quilt3_survives_any_answer(
    rubbish: Rubbish, on_rubbish: Callable[..., quilt.QuiltOps], operation: str, route: str, body: bytes, status: int
) -> None:
    """Whatever the routes of quilt3 answer, S3 included, only errors of the contract are raised."""
    rubbish.spoil(route, body, status)
    ops = on_rubbish("quilt3")
    check_ends_well(lambda: OPERATIONS[operation](ops), operation)


def test_a_manifest_with_a_key_twice_is_no_answer(rubbish: Rubbish, on_rubbish: Callable[..., quilt.QuiltOps]) -> None:
    """A manifest with a duplicate key is an invalid answer."""
    entry = {"logical_key": "a", "physical_keys": ["s3://b/k"], "size": 1, "hash": {"type": "t", "value": "v"}}
    lines = [{"version": "v0"}, entry | {"meta": {}}, entry | {"meta": {}}]
    rubbish.spoil("manifest", "\n".join(json.dumps(line) for line in lines).encode())
    error = error_of(lambda: on_rubbish("quilt3").browse_content("a/b", REGISTRY))
    assert error is not None
    assert error.context["kind"] == "protocol"
    assert "Duplicate logical key" in error.context["original_exception"]


def test_an_empty_manifest_is_no_answer(rubbish: Rubbish, on_rubbish: Callable[..., quilt.QuiltOps]) -> None:
    """An empty manifest is an invalid answer."""
    rubbish.spoil("manifest", b"")
    error = error_of(lambda: on_rubbish("quilt3").browse_content("a/b", REGISTRY))
    assert error is not None
    assert error.context["kind"] == "protocol"
