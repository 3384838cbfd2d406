from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest

from tests.testbed.catalog.calling import DATA
from tests.testbed.catalog.calling import PRIVATE
from tests.testbed.catalog.calling import SCRATCH
from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.testbed.catalog.calling import Calling

BUCKETS = "{ config { _ } bucketConfigs { name title relevanceScore } buckets { name browsable } }"
ONE = "query One($b: String!) { bucketConfig(name: $b) { name } bucket(name: $b) { name } }"
LIST = "query L($b: String!, $f: String, $o: PackageListOrder) {"
LIST += " packages(bucket: $b, filter: $f) { total page(order: $o) { name modified } } }"
SWITCH = "mutation S($r: String!) { switchRole(roleName: $r) { __typename ... on Me { name }"
SWITCH += " ... on InvalidInput { errors { path name } } } }"
USERS = "{ admin { user { list { name email isAdmin isActive isService role { ... on ManagedRole { name }"
USERS += ' ... on UnmanagedRole { name } } extraRoles { __typename } } get(name: "nobody") { name } } } }'
TREE = 'query T($p: String!) { package(bucket: "quilt-mcp-test-work", name: "queries/tree") { revision {'
TREE += " contentsFlatMap(max: 2) dir(path: $p) { path size metadata children { __typename"
TREE += (
    " ... on PackageFile { path size } ... on PackageDir { path size } } } file(path: $p) { path physicalKey } } } }"
)


def test_each_user_sees_its_buckets(catalog: Calling) -> None:
    """An admin sees the configurations of all buckets, any other user those of its role."""
    seen = {user: catalog.data(BUCKETS, user=user) for user in ("test-user", "test-admin", "test-readonly")}
    assert {user: len(found["bucketConfigs"]) for user, found in seen.items()} == {
        "test-user": 6,
        "test-admin": 7,
        "test-readonly": 3,
    }
    assert [bucket["name"] for bucket in seen["test-readonly"]["buckets"]] == [
        "quilt-mcp-test-data",
        "quilt-mcp-test-packages",
        "quilt-mcp-test-perf",
    ]
    assert seen["test-user"]["config"] == {"_": None}


@pytest.mark.parametrize(
    ("bucket", "user", "is_seen"),
    [
        (WORK, "test-user", True),
        (PRIVATE, "test-user", False),
        (PRIVATE, "test-admin", True),
        ("x", "test-admin", False),
    ],
)
def test_one_bucket_is_seen_or_null(catalog: Calling, bucket: str, user: str, is_seen: bool) -> None:  # noqa: FBT001 - a parametrised value
    """A bucket that the caller may not read is null, like one that does not exist."""
    found = {"name": bucket} if is_seen else None
    assert catalog.data(ONE, {"b": bucket}, user) == {"bucketConfig": found, "bucket": found}


def test_packages_are_listed_by_name_or_time(catalog: Calling) -> None:
    """Packages are listed by name or by time and filtered by a part of the name. An unknown bucket has no list."""
    for name in ("queries-list/b", "queries-list/a"):
        catalog.package(name, {"x": b"1"})
    catalog.s3.put_object(Bucket=WORK, Key=".quilt/named_packages/queries-list-stray", Body=b"no package")
    found = catalog.data(LIST, {"b": WORK, "f": "queries-list"})["packages"]
    assert (found["total"], [p["name"] for p in found["page"]]) == (2, ["queries-list/a", "queries-list/b"])
    by_time = catalog.data(LIST, {"b": WORK, "f": "queries-list", "o": "MODIFIED"})["packages"]["page"]
    times = [package["modified"] for package in by_time]
    assert times == sorted(times, reverse=True)
    assert catalog.data(LIST, {"b": "nowhere"})["packages"] is None
    assert catalog.post(LIST, {"b": PRIVATE}).status_code == 403


def test_a_package_of_another_bucket_is_null_or_refused(catalog: Calling) -> None:
    """A package of an unknown bucket is null. One of a forbidden bucket is answered 403 with the missing right."""
    query = 'query P($b: String!) { package(bucket: $b, name: "queries/none") { name } }'
    assert catalog.data(query, {"b": "nowhere"})["package"] is None
    assert catalog.data(query, {"b": DATA})["package"] is None
    answer = catalog.post(query, {"b": PRIVATE})
    extensions = answer.json()["errors"][0]["extensions"]
    expected = {"code": "FORBIDDEN", "required": [f"s3:read:{PRIVATE}"], "role": "user", "level": "none"}
    assert (answer.status_code, extensions) == (403, expected)


def test_a_tree_has_the_sizes_below(catalog: Calling) -> None:
    """A directory has the total size below it and a path without a slash. Files and directories are told apart."""
    catalog.package("queries/tree", {"a/b/c": b"12", "a/d": b"3", "e": b""})

    def at(path: str) -> Any:
        return catalog.data(TREE, {"p": path})["package"]["revision"]

    root = at("")["dir"]
    assert (root["path"], root["size"]) == ("", 3.0)
    assert root["children"] == [
        {"__typename": "PackageDir", "path": "a", "size": 3.0},
        {"__typename": "PackageFile", "path": "e", "size": 0.0},
    ]
    assert [child["path"] for child in at("a/")["dir"]["children"]] == ["a/b", "a/d"]
    assert (at("a/d")["dir"], at("a/d")["file"]["path"]) == (None, "a/d")
    assert (at("a")["file"], at("nothing")["dir"]) == (None, None)
    assert at("")["contentsFlatMap"] is None


def test_a_revision_without_pointers_has_the_time_of_latest(catalog: Calling) -> None:
    """A revision without a pointer has the time of `latest` if it is queried by hash."""
    old = catalog.package("queries/time", {"a": b"old"})
    middle = catalog.package("queries/time", {"a": b"middle"})
    prefix = ".quilt/named_packages/queries/time/"
    for item in catalog.s3.list_objects_v2(Bucket=WORK, Prefix=prefix)["Contents"]:
        catalog.s3.delete_object(Bucket=WORK, Key=item["Key"])
    catalog.s3.put_object(Bucket=WORK, Key=f"{prefix}1700000000", Body=middle.encode())
    catalog.s3.put_object(Bucket=WORK, Key=f"{prefix}1600000000", Body=b"1" * 64)
    new = catalog.package("queries/time", {"a": b"new"})
    query = 'query R($h: String!) { package(bucket: "quilt-mcp-test-work", name: "queries/time") {'
    query += " modified revisions { total page { hash } } revision(hashOrTag: $h) { modified } } }"
    found = {top_hash: catalog.data(query, {"h": top_hash})["package"] for top_hash in (old, middle, new)}
    assert found[middle]["revision"]["modified"] == "2023-11-14T22:13:20+00:00"
    assert found[old]["revision"]["modified"] == found[new]["revision"]["modified"] == found[new]["modified"]
    assert found[new]["revisions"]["total"] == 3
    assert [revision["hash"] for revision in found[new]["revisions"]["page"]] == [new, middle]


def test_a_role_that_the_user_has_not_is_an_invalid_input(catalog: Calling) -> None:
    """A user may switch to its own role. A role that it does not have is an invalid input."""
    assert catalog.data(SWITCH, {"r": "user"})["switchRole"] == {"__typename": "Me", "name": "test-user"}
    refused = catalog.data(SWITCH, {"r": "admin"})["switchRole"]
    assert refused["errors"] == [{"path": "roleName", "name": "RoleDoesNotExist"}]


def test_an_admin_lists_the_users(catalog: Calling) -> None:
    """An admin lists the four seeded users with their roles, and an unknown user is null. Others are forbidden."""
    found = catalog.data(USERS, user="test-admin")["admin"]["user"]
    assert [(u["name"], u["role"]["name"], u["isAdmin"], u["isService"]) for u in found["list"]] == [
        ("test-admin", "admin", True, False),
        ("test-readonly", "viewer", False, False),
        ("test-service", "service", False, True),
        ("test-user", "user", False, False),
    ]
    assert found["get"] is None
    for user, level in (("test-user", "read_write"), ("test-readonly", "read")):
        answer = catalog.post(USERS, user=user)
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["level"]) == (403, level)


@pytest.mark.parametrize(
    ("operation", "injected", "status"),
    [("bucketConfigs", 500, 500), ("read", 503, 503), ("*", 418, 418), ("search", 500, 200)],
)
def test_an_injected_error_hits_its_operation_only(
    catalog: Calling, switch: Callable[..., None], operation: str, injected: int, status: int
) -> None:
    """An injected error affects its field, its kind of operation or all. A 503 has a Retry-After header."""
    switch("error", operation=operation, status=injected)
    answer = catalog.post("{ bucketConfigs { name } }")
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == ("1" if status == 503 else None)


def test_a_switch_meets_the_user_it_names(catalog: Calling, switch: Callable[..., None]) -> None:
    """A fault limited to a user affects no other, and an error with `times` ends after that many requests."""
    asked = "{ bucketConfigs { name } }"
    switch("error", operation="read", status=503, user="test-readonly", times=1)
    assert catalog.post(asked).status_code == 200
    assert [catalog.post(asked, user="test-readonly").status_code for _ in range(2)] == [503, 200]
    switch("catalog-read-latency-8s", seconds=0.5, user="test-readonly")
    took = {user: catalog.post(asked, user=user).elapsed.total_seconds() for user in ("test-user", "test-readonly")}
    assert took["test-user"] < 0.5 <= took["test-readonly"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/config.json", "config.json"),
        ("/registry/api/search", "search"),
        ("/registry/api/auth/get_credentials", "get_credentials"),
        ("/browse/x/y", "browse"),
    ],
)
def test_rest_routes_can_be_made_to_fail(catalog: Calling, switch: Callable[..., None], path: str, name: str) -> None:
    """Each REST route fails under an injected error with the route's name in the call log."""
    switch("error", operation=name, status=599)
    answer = catalog.get(path)
    assert (answer.status_code, type(answer.json()["message"])) == (599, str)


def test_a_storage_that_fails_is_an_internal_error_of_every_route(
    catalog: Calling, switch_storage: Callable[..., None]
) -> None:
    """A storage failure is answered 500 on every route, without a traceback and never as an empty list."""
    search = {"index": SCRATCH, "query": "x"}
    switch_storage("error", operation="ListObjectsV2", status=501)
    for answer in (catalog.get("/registry/api/search", **search), catalog.post(LIST, {"b": WORK})):
        assert (answer.status_code, answer.json()["message"]) == (500, "Internal Server Error")
    switch_storage("error", operation="GetObject", status=501)
    query = 'query P($b: String!) { package(bucket: $b, name: "queries/none") { name } }'
    assert catalog.post(query, {"b": WORK}).status_code == 500
