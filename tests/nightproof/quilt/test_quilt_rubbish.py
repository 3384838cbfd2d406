"""Answers that are none: whatever a server sends, an operation ends in one of the contract's errors."""

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
    """Run an operation and give the contract's error that it raised; any other exception is a failure."""
    try:
        act()
    except quilt.QuiltOpsError as error:
        return error
    return None


def check_ends_well(act: Callable[[], object], operation: str) -> None:
    """Run an operation that may succeed by luck and otherwise raises an error that is fit for a person."""
    error = error_of(act)
    if error is not None:
        assert error.context["operation"] == operation
        assert error.message[0].isupper()
        assert error.message.endswith(".")
        assert len(error.message) <= 300
        assert not {"{", "Traceback"} & set(error.message.split())


FEW: Final = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    """GraphQL may answer HTML, null, wrong types or nothing at all."""
    rubbish.spoil("graphql", body, status)
    ops = on_rubbish("platform")
    check_ends_well(lambda: OPERATIONS[operation](ops), operation)


@pytest.mark.parametrize("operation", ["browse_content", "list_package_revisions", "diff_packages", "get_content_url"])
@FEWER
@given(body=MANIFESTS)
def test_quilt3_survives_any_manifest(
    rubbish: Rubbish, on_rubbish: Callable[..., quilt.QuiltOps], operation: str, body: bytes
) -> None:
    """A manifest may lack what the library takes for granted."""
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
    """So may every route that quilt3 needs, S3 included."""
    rubbish.spoil(route, body, status)
    ops = on_rubbish("quilt3")
    check_ends_well(lambda: OPERATIONS[operation](ops), operation)


def test_a_manifest_with_a_key_twice_is_no_answer(rubbish: Rubbish, on_rubbish: Callable[..., quilt.QuiltOps]) -> None:
    """The library raises an exception of yet another family there."""
    entry = {"logical_key": "a", "physical_keys": ["s3://b/k"], "size": 1, "hash": {"type": "t", "value": "v"}}
    lines = [{"version": "v0"}, entry | {"meta": {}}, entry | {"meta": {}}]
    rubbish.spoil("manifest", "\n".join(json.dumps(line) for line in lines).encode())
    error = error_of(lambda: on_rubbish("quilt3").browse_content("a/b", REGISTRY))
    assert error is not None
    assert error.context["kind"] == "protocol"
    assert "Duplicate logical key" in error.context["original_exception"]
