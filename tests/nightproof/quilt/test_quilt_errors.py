"""Refusals and failures: each has one class, one context and one sentence, whichever side refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest

from nightproof import quilt
from nightproof.quilt import records
from nightproof.quilt.records import Timeouts
from tests.nightproof.quilt.rubbish import HASH
from tests.nightproof.quilt.rubbish import KEYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.nightproof.quilt.conftest import World
    from tests.nightproof.quilt.rubbish import Rubbish

REGISTRY: Final = "s3://some-bucket"
PRIVATE: Final = "quilt-mcp-test-private"
URI: Final = "s3://some-bucket/a"
ENTRY: Final = {"logical_key": "a", "physical_key": URI}
BELOW: Final = {"logical_key": "a/b", "physical_key": URI}
FILE_KEY: Final = "physical_key"

CALLS: Final[list[tuple[str, tuple[Any, ...], dict[str, Any], str, object, int | None]]] = [
    ("get_package_info", ("one", REGISTRY), {}, "package_name", "one", None),
    ("get_package_info", ("a/b\n", REGISTRY), {}, "package_name", "a/b\n", None),
    ("get_package_info", (f"a/{'b' * 254}", REGISTRY), {}, "package_name", f"a/{'b' * 254}", None),
    ("get_package_info", (7, REGISTRY), {}, "package_name", 7, None),
    ("list_all_packages", ("s3://b/key",), {}, "registry", "s3://b/key", None),
    ("list_package_revisions", ("a/b", None), {}, "registry", None, None),
    ("get_package_info", ("a/b", REGISTRY, "abc"), {}, "top_hash", "abc", None),
    ("get_package_info", ("a/b", REGISTRY, HASH.upper()), {}, "top_hash", HASH.upper(), None),
    ("browse_content", ("a/b", REGISTRY, "/x"), {}, "path", "/x", None),
    ("browse_content", ("a/b", REGISTRY, "x//y"), {}, "path", "x//y", None),
    ("browse_content", ("a/b", REGISTRY, "../x"), {}, "path", "../x", None),
    ("browse_content", ("a/b", REGISTRY, None), {}, "path", None, None),
    ("search_packages", ("  ", REGISTRY), {}, "query", "  ", None),
    ("get_content_url", ("a/b", REGISTRY, "x"), {"expires_in": 0}, "expires_in", 0, None),
    ("get_content_url", ("a/b", REGISTRY, "x"), {"expires_in": "1"}, "expires_in", "1", None),
    ("create_package_revision", ("a/b", REGISTRY, [ENTRY]), {"metadata": []}, "metadata", [], None),
    ("update_package_revision", ("a/b", REGISTRY), {"metadata": "x"}, "metadata", "x", None),
    ("create_package_revision", ("a/b", REGISTRY, {"a": 1}), {}, "entries", {"a": 1}, None),
    ("create_package_revision", ("a/b", REGISTRY, [ENTRY, "x"]), {}, "entries", "x", 1),
    ("create_package_revision", ("a/b", REGISTRY, [ENTRY | {"size": 1}]), {}, "size", 1, 0),
    ("create_package_revision", ("a/b", REGISTRY, [ENTRY | {"meta": 1}]), {}, "meta", 1, 0),
    ("create_package_revision", ("a/b", REGISTRY, [{"logical_key": "a"}]), {}, FILE_KEY, None, 0),
    ("create_package_revision", ("a/b", REGISTRY, [ENTRY | {FILE_KEY: "s3://b/"}]), {}, FILE_KEY, "s3://b/", 0),
    ("create_package_revision", ("a/b", REGISTRY, [{FILE_KEY: URI}]), {}, "logical_key", None, 0),
    ("create_package_revision", ("a/b", REGISTRY, [ENTRY | {"logical_key": "d/"}]), {}, "logical_key", "d/", 0),
    ("update_package_revision", ("a/b", REGISTRY, [ENTRY, ENTRY]), {}, "logical_key", "a", 1),
    ("update_package_revision", ("a/b", REGISTRY, [ENTRY, BELOW]), {}, "logical_key", "a/b", 1),
    ("update_package_revision", ("a/b", REGISTRY, [BELOW, ENTRY]), {}, "logical_key", "a", 1),
    ("create_package_revision", ("a/b", REGISTRY, [{FILE_KEY: "s3://b/../x"}]), {"auto_organize": True}, "logical_key",
     "../x", 0),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "given", "more", "field", "value", "index"), CALLS)
def test_arguments_are_checked_before_anything_is_sent(
    on_rubbish: Any,
    rubbish: Rubbish,
    backend: str,
    operation: str,
    given: tuple[Any, ...],
    more: dict[str, Any],
    field: str,
    value: object,
    index: int | None,
) -> None:
    """A bad argument is named with its value and place before any request is sent."""
    rubbish.asked.clear()
    with pytest.raises(quilt.ValidationError) as caught:
        getattr(on_rubbish(backend), operation)(*given, **more)
    context = caught.value.context
    assert context.pop("validation_rule")
    expected = {"backend_type": backend, "operation": operation, "field_name": field, "field_value": value}
    assert context == expected | ({} if index is None else {"index": index})
    assert f"`{field}`" in caught.value.message
    assert len(caught.value.message) <= 300
    assert rubbish.asked == []


def invalid(name: str, path: str | None, message: str = "No.") -> dict[str, Any]:
    """Return an InvalidInput arm."""
    return {"__typename": "InvalidInput", "errors": [{"path": path, "message": message, "name": name}]}


def failed(name: str, context: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return an OperationError arm."""
    return {"__typename": "OperationError", "name": name, "message": "Failed.", "context": context}


def arm_error(on_rubbish: Any, rubbish: Rubbish, arm: dict[str, Any], **more: Any) -> quilt.QuiltOpsError:
    """Return the error of a creation that is answered with an arm."""
    rubbish.spoil("graphql", json.dumps({"data": {"package": None, "packageConstruct": arm}}).encode())
    with pytest.raises(quilt.QuiltOpsError) as caught:
        on_rubbish("platform").create_package_revision("a/b", REGISTRY, [ENTRY], **more)
    return caught.value


ARMS: Final[list[tuple[dict[str, Any], type[quilt.QuiltOpsError], dict[str, Any]]]] = [
    (invalid("PackageExists", "params.name"), quilt.ValidationError,
     {"field_name": "package_name", "field_value": "a/b"}),
    (invalid("InvalidLogicalKey", "src.entries.0.logicalKey"), quilt.ValidationError,
     {"field_name": "logical_key", "field_value": "a", "index": 0}),
    (invalid("Odd", "src.entries.9.logicalKey"), quilt.ValidationError,
     {"field_name": "logical_key", "field_value": None}),
    (invalid("Odd", "params.userMeta"), quilt.ValidationError, {"field_name": "metadata", "field_value": {"m": 1}}),
    (invalid("Odd", None), quilt.ValidationError, {"field_name": "", "field_value": None}),
    (invalid("WorkflowInvalid", "params.workflow"), quilt.ValidationError,
     {"field_name": "workflow", "field_value": None}),
    (invalid("ObjectNotFound", "src.entries.0.physicalKey"), quilt.NotFoundError,
     {"resource_type": "file", "identifier": URI, "search_location": REGISTRY}),
    (invalid("BucketNotFound", "params.bucket"), quilt.NotFoundError,
     {"resource_type": "bucket", "identifier": "some-bucket", "search_location": REGISTRY}),
    (invalid("RoleDoesNotExist", None), quilt.NotFoundError, {"resource_type": "package"}),
    (failed("RevisionNotFound"), quilt.NotFoundError, {"resource_type": "package", "identifier": "a/b"}),
    (failed("RevisionConflict"), quilt.BackendError, {"kind": "conflict", "original_exception": None}),
    (failed("Strange"), quilt.BackendError,
     {"kind": "graphql", "errors": [{"name": "Strange", "message": "Failed.", "path": None}]}),
    (failed("Forbidden"), quilt.PermissionError,
     {"required_permissions": [], "user_role": None, "access_level": "none"}),
    (failed("Forbidden", {"required": ["s3:write:b"], "role": "viewer", "level": "read"}), quilt.PermissionError,
     {"required_permissions": ["s3:write:b"], "user_role": "viewer", "access_level": "read"}),
    ({"__typename": "SomethingNew"}, quilt.BackendError, {"kind": "protocol"}),
]  # fmt: skip


@pytest.mark.parametrize(("arm", "expected", "part"), ARMS)
def test_every_arm_has_its_error(
    on_rubbish: Any, rubbish: Rubbish, arm: dict[str, Any], expected: type[quilt.QuiltOpsError], part: dict[str, Any]
) -> None:
    """The result type decides first, its error name second, and a message's words never."""
    error = arm_error(on_rubbish, rubbish, arm, metadata={"m": 1})
    assert type(error) is expected
    assert error.context | part == error.context
    assert ("index" in error.context) == ("index" in part)
    assert error.context["operation"] == "create_package_revision"


@pytest.mark.parametrize(
    ("field", "act"),
    [
        ("packageRevisionDelete", lambda ops: ops.delete_package("a/b", REGISTRY, HASH)),
        ("browsingSessionCreate", lambda ops: ops.get_content_url("a/b", REGISTRY, "x")),
        ("searchPackages", lambda ops: ops.search_packages("x", REGISTRY)),
    ],
)
def test_arms_of_other_operations_count_as_well(
    on_rubbish: Any, rubbish: Rubbish, field: str, act: Callable[[quilt.QuiltOps], object]
) -> None:
    """An error arm in the answer to a deletion, a browsing or a search is raised."""
    moment = "2026-01-01T00:00:00+00:00"
    file = {"path": "x", "size": 5.0, "physicalKey": URI, "metadata": None}
    revision = {"hash": HASH, "modified": moment, "message": None, "userMeta": None, "dir": None, "file": file}
    package = {"bucket": "some-bucket", "name": "a/b", "modified": moment, "revision": revision}
    body = {"data": {"package": package, field: failed("Strange")}}
    rubbish.spoil("graphql", json.dumps(body).encode())
    with pytest.raises(quilt.BackendError) as caught:
        act(on_rubbish("platform"))
    assert (caught.value.context["kind"], caught.value.context["errors"][0]["name"]) == ("graphql", "Strange")


def test_an_error_beside_the_data_is_raised(on_rubbish: Any, rubbish: Rubbish, backend: str) -> None:
    """A GraphQL error beside partial data is raised."""
    told = {"message": "Resolver failed.", "path": ["me", 0], "extensions": {"code": "ODD"}}
    rubbish.spoil("graphql", json.dumps({"data": {"me": None}, "errors": [told]}).encode())
    with pytest.raises(quilt.BackendError) as caught:
        on_rubbish(backend).get_auth_status()
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "get_auth_status",
        "kind": "graphql",
        "original_exception": None,
        "errors": [{"name": "ODD", "message": "Resolver failed.", "path": ["me", 0]}],
    }


@pytest.mark.parametrize("size", [0.5, -1, True, "5", float("inf")])
def test_a_size_is_whole_bytes(on_rubbish: Any, rubbish: Rubbish, size: object) -> None:
    """A size that is not a whole number of bytes is an invalid answer."""
    entry = {"physicalKey": URI, "size": size, "hash": {"type": "t", "value": "v"}, "meta": None}
    revision = {"hash": HASH, "userMeta": None, "contentsFlatMap": {"x": entry}}
    rubbish.spoil("graphql", json.dumps({"data": {"package": {"revision": revision}}}).encode())
    with pytest.raises(quilt.BackendError) as caught:
        on_rubbish("platform").diff_packages("a/b", "a/b", REGISTRY)
    assert caught.value.context["kind"] == "protocol"


def test_more_than_fits_is_not_cut(on_rubbish: Any, rubbish: Rubbish, backend: str) -> None:
    """A result over the limit is an error and is never cut, for searches and for files of a package."""
    found = {"__typename": "PackagesSearchResultSet", "total": 1001, "firstPage": {"hits": []}}
    rubbish.spoiled = {
        "graphql": (200, json.dumps({"data": {"searchPackages": found}}).encode()),
        "search": (200, b'{"hits": {"total": 1001, "hits": []}}'),
    }
    with pytest.raises(quilt.BackendError, match="more than 1000 items") as caught:
        on_rubbish(backend).search_packages("x", REGISTRY)
    assert (caught.value.context["kind"], caught.value.context["limit"]) == ("result_limit", 1000)
    revision = {"hash": HASH, "userMeta": None, "contentsFlatMap": None}
    rubbish.spoil("graphql", json.dumps({"data": {"package": {"revision": revision}}}).encode())
    with pytest.raises(quilt.BackendError, match="more than 20000 items"):
        on_rubbish("platform").diff_packages("a/b", "a/b", REGISTRY)


@pytest.mark.parametrize(
    ("code", "status", "expected", "part"),
    [
        ("NoSuchBucket", 404, quilt.NotFoundError, {"resource_type": "bucket", "identifier": "some-bucket"}),
        ("ExpiredToken", 400, quilt.AuthenticationError, {"reason": "expired", "expires_at": KEYS["Expiration"]}),
        ("SlowDown", 503, quilt.BackendError, {"kind": "s3", "s3_code": "SlowDown", "http_status": 503}),
    ],
)
def test_what_s3_refuses_has_its_error(
    on_rubbish: Any, rubbish: Rubbish, code: str, status: int, expected: type[quilt.QuiltOpsError], part: dict[str, Any]
) -> None:
    """The code of an S3 error decides the class of ours."""
    rubbish.spoil("s3", f"<Error><Code>{code}</Code></Error>".encode(), status)
    with pytest.raises(quilt.QuiltOpsError) as caught:
        on_rubbish("quilt3").list_all_packages(REGISTRY)
    assert type(caught.value) is expected
    assert caught.value.context | part == caught.value.context


def test_a_silent_s3_is_a_timeout(on_rubbish: Any, rubbish: Rubbish, monkeypatch: pytest.MonkeyPatch) -> None:
    """An S3 request without an answer is a timeout at the set limit."""
    rubbish.spoiled = {}
    ops = on_rubbish("quilt3", timeouts=Timeouts(read_s=0.3, s3_attempts=1))
    monkeypatch.setattr(rubbish, "stalled", "pointer")
    with pytest.raises(quilt.BackendError, match="S3 gave no answer") as caught:
        ops.get_package_info("a/b", REGISTRY)
    rubbish.released.set()
    context = caught.value.context
    assert (context["kind"], context["timeout_s"]) == ("timeout", 0.3)
    assert 0.3 <= context["elapsed_s"] < 3


def test_an_s3_that_is_not_there_is_unreachable(
    on_rubbish: Any, rubbish: Rubbish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused connection to S3 is an error with the address."""
    rubbish.spoiled = {}
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(quilt.BackendError, match="S3 cannot be reached") as caught:
        on_rubbish("quilt3").get_package_info("a/b", REGISTRY)
    assert (caught.value.context["kind"], "127.0.0.1:9" in caught.value.context["url"]) == ("unreachable", True)


@pytest.mark.parametrize(
    "method", ["list_all_packages", "get_package_info", "list_package_revisions", "search_packages"]
)
def test_a_hidden_bucket_is_refused(ops: quilt.QuiltOps, backend: str, method: str) -> None:
    """Reading a bucket without permission raises PermissionError with the missing right and the role."""
    arguments = {"list_all_packages": (), "search_packages": ("hidden",)}.get(method, ("secret/hidden",))
    with pytest.raises(quilt.PermissionError) as caught:
        getattr(ops, method)(*arguments, f"s3://{PRIVATE}")
    assert caught.value.context == {
        "backend_type": backend,
        "operation": method,
        "required_permissions": [f"s3:read:{PRIVATE}"],
        "user_role": "user",
        "access_level": "none",
    }


def test_a_hidden_source_is_refused(ops: quilt.QuiltOps, world: World, backend: str) -> None:
    """A package cannot be created from objects that its creator may not read."""
    world.target.seeder_s3().put_object(Bucket=PRIVATE, Key="hidden.txt", Body=b"hidden")
    entry = {"logical_key": "x", "physical_key": f"s3://{PRIVATE}/hidden.txt"}
    with pytest.raises(quilt.PermissionError) as caught:
        ops.create_package_revision(f"make/{backend}-hidden", "s3://quilt-mcp-test-work", [entry])
    assert caught.value.context["required_permissions"] == [f"s3:read:{PRIVATE}"]


@pytest.mark.parametrize("method", ["get_package_info", "list_package_revisions", "browse_content", "delete_package"])
def test_in_a_bucket_that_nobody_has_there_is_no_package(ops: quilt.QuiltOps, backend: str, method: str) -> None:
    """On both backends a package in a missing bucket is a missing package."""
    with pytest.raises(quilt.NotFoundError) as caught:
        getattr(ops, method)("a/b", "s3://no-such-bucket-np")
    assert caught.value.context == {
        "backend_type": backend,
        "operation": method,
        "resource_type": "package",
        "identifier": "a/b",
        "search_location": "s3://no-such-bucket-np",
    }


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: records.Bucket_Info("b", "", "read"), ValueError),
        (lambda: records.Bucket_Info("b", 7, "read"), TypeError),  # type: ignore[arg-type]  # the point
        (lambda: records.Content_Info("d/", 1, "directory", None), ValueError),
        (lambda: records.Content_Info("f", -1, "file", None), ValueError),
        (lambda: records.Package_Info("n", None, (), "t", "s3://a", "b", HASH, None), ValueError),
        (lambda: records.Package_Creation_Result("n", "abc", "s3://b", None, 0, success=True), ValueError),
    ],
)
def test_records_hold_only_what_they_may(make: Callable[[], object], error: type[Exception]) -> None:
    """A record with an invalid field cannot be created."""
    with pytest.raises(error):
        make()
