"""Permissions of roles: what the catalog and S3 reject, and that both follow a change at once."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from nightproof import quilt
from nightproof.evidence import case
from suites._support.hashes import sha256_hex

if TYPE_CHECKING:
    from collections.abc import Callable

    from suites._support.observer import Observer
    from suites._support.people import People
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings
    from suites._support.work import Work

JOURNEY = "administer"
TIMEOUT_S = 30
PACKAGE = "test-user/simple-csv"
FILE = "data1.csv"
HIDDEN = "secret/hidden"
SEARCH = """query Search($text: String!) { searchPackages(buckets: [], searchString: $text) {
  ... on PackagesSearchResultSet { firstPage(size: 100) { hits { bucket name } } } } }"""
OPEN = """mutation Open($scope: String!) { browsingSessionCreate(scope: $scope) {
  ... on BrowsingSession { id } } }"""
CLOSE = "mutation Close($id: ID!) { browsingSessionDispose(id: $id) { __typename } }"


def refused(act: Callable[[], object], bucket: str, right: str = "write") -> tuple[str | None, str]:
    """Return role and access level of a rejection; check that one missing permission on one bucket caused it."""
    with pytest.raises(quilt.QuiltOpsError) as caught:
        act()
    assert type(caught.value) is quilt.PermissionError
    assert caught.value.context["required_permissions"] == [f"s3:{right}:{bucket}"]
    return caught.value.context["user_role"], caught.value.context["access_level"]


def s3_code(act: Callable[[], object]) -> str:
    """Return the code with which AWS rejects a call."""
    with pytest.raises(ClientError) as caught:
        act()
    return caught.value.response["Error"]["Code"]


def unmatched(s3: Any, bucket: str) -> Callable[[], object]:
    """Return a write that never succeeds.

    No object has this ETag, so only a missing permission leads to AccessDenied.
    """
    return lambda: s3.put_object(Bucket=bucket, Key="np-probe/none", IfMatch='"0"', Body=b"x")


@case(tier="critical", category="permissions", needs=("admin", "write"), journey=JOURNEY)
def test_readonly_cannot_write(
    as_user: Callable[[str], quilt.QuiltOps], work: Work, observer: Observer, target: Settings
) -> None:
    """A read-only user cannot create, update or delete, neither through the interface nor with issued credentials."""
    viewer, source = (
        as_user("readonly"),
        [{"logical_key": FILE, "physical_key": f"s3://{target.data}/simple-csv/{FILE}"}],
    )
    mine, new = work.create("mine", source), work.package_name("theirs")
    before = observer.registry_state(work.bucket, mine), observer.registry_state(target.packages, PACKAGE)
    assert before[0] != {}
    for bucket, level, present in ((work.bucket, "none", mine), (target.packages, "read", PACKAGE)):
        registry = f"s3://{bucket}"
        for act in (
            lambda registry=registry: viewer.create_package_revision(new, registry, source),
            lambda registry=registry, name=present: viewer.update_package_revision(name, registry, source),
            lambda registry=registry, name=present: viewer.delete_package(name, registry),
        ):
            assert refused(act, bucket) == ("viewer", level)
        assert s3_code(unmatched(viewer.get_boto3_client("s3"), bucket)) == "AccessDenied"
        assert observer.registry_state(bucket, new) == {}
    after = observer.registry_state(work.bucket, mine), observer.registry_state(target.packages, PACKAGE)
    assert after == before


@case(tier="critical", category="permissions", needs=("admin",), journey=JOURNEY)
def test_bucket_hidden_from_role(quilt_ops: quilt.QuiltOps, admin_ops: quilt.QuiltOps, target: Settings) -> None:
    """A bucket that the role may not read is neither listed nor found nor readable; an admin can do all three."""
    registry, names = f"s3://{target.private}", {(target.private, HIDDEN)}
    assert target.private in [bucket.name for bucket in admin_ops.list_buckets()]
    assert names <= hits(admin_ops, "hidden")
    assert admin_ops.get_package_info(HIDDEN, registry).name == HIDDEN

    assert target.private not in [bucket.name for bucket in quilt_ops.list_buckets()]
    assert target.private not in {bucket for bucket, _ in hits(quilt_ops, "hidden")}
    for act in (
        lambda: quilt_ops.search_packages("hidden", registry),
        lambda: quilt_ops.browse_content(HIDDEN, registry),
        lambda: quilt_ops.list_all_packages(registry),
    ):
        assert refused(act, target.private, "read") == ("user", "none")
    assert rest_search(admin_ops, f"{target.private}_packages")[0] == requests.codes.ok
    assert rest_search(quilt_ops, f"{target.private}_packages")[0] == requests.codes.forbidden
    status, found = rest_search(quilt_ops, ",".join(f"{bucket}_packages" for bucket in target.visible_buckets))
    assert (status, HIDDEN in found) == (requests.codes.ok, False)


def hits(ops: quilt.QuiltOps, text: str) -> set[tuple[str, str]]:
    """Search all buckets that a user sees; return bucket and name of each hit."""
    found = ops.execute_graphql_query(SEARCH, {"text": text})["data"]["searchPackages"]
    return {(hit["bucket"], hit["name"]) for hit in found.get("firstPage", {}).get("hits", ())}


def rest_search(ops: quilt.QuiltOps, index: str) -> tuple[int, list[str]]:
    """Search an index through the REST interface; return HTTP status and package names."""
    status = ops.get_auth_status()
    answer = requests.get(
        f"{status.registry_url}/api/search", params={"index": index, "action": "search", "query": "hidden"},
        headers=ops.get_graphql_auth_headers(), timeout=TIMEOUT_S,
    )  # fmt: skip
    listed = answer.json().get("hits", {}).get("hits", [])
    return answer.status_code, [hit["_source"].get("ptr_name") for hit in listed]


@case(tier="high", category="permissions", needs=("admin", "write", "mint_jwt"), journey=JOURNEY)
def test_role_change_takes_effect(
    admin_ops: quilt.QuiltOps, people: People, work: Work, observer: Observer, target: Settings
) -> None:
    """A permission applies as soon as the user gets the role, and ends as soon as the role is changed."""
    source = [{"logical_key": FILE, "physical_key": f"s3://{target.data}/simple-csv/{FILE}"}]
    name, package, later = (
        people.create("rights", "viewer").name,
        work.package_name("rights"),
        work.package_name("late"),
    )

    def create(package: str) -> object:
        return people.sign_in(name).create_package_revision(package, work.registry, source)

    assert refused(lambda: create(package), work.bucket) == ("viewer", "none")
    admin_ops.admin.set_user_role(name, "editor")
    create(package)
    assert observer.exists(work.bucket, package)
    admin_ops.admin.set_user_role(name, "viewer")
    assert refused(lambda: create(later), work.bucket) == ("viewer", "none")
    assert not observer.exists(work.bucket, later)


@case(tier="high", category="permissions", needs=("admin",), journey=JOURNEY)
def test_issued_keys_are_scoped(
    quilt_ops: quilt.QuiltOps, admin_ops: quilt.QuiltOps, seeds: Seeds, target: Settings
) -> None:
    """Issued credentials read what the role may read, and nothing else in the account."""
    s3 = quilt_ops.get_boto3_client("s3")
    body = s3.get_object(Bucket=target.data, Key=f"simple-csv/{FILE}")["Body"].read()
    assert sha256_hex(body) == seeds.sha256("simple-csv", FILE)
    admin_role = next(role.arn for role in admin_ops.admin.list_roles() if role.name == "admin")
    sts, pointer = quilt_ops.get_boto3_client("sts"), f".quilt/named_packages/{HIDDEN}/latest"
    denied = {
        "write data": unmatched(s3, target.data),
        "read private": lambda: s3.get_object(Bucket=target.private, Key=pointer),
        "list users": quilt_ops.get_boto3_client("iam").list_users,
        "become admin": lambda: sts.assume_role(RoleArn=admin_role, RoleSessionName="np-probe"),
    }
    assert {what: s3_code(act) for what, act in denied.items()} == dict.fromkeys(denied, "AccessDenied")


@case(
    tier="high", category="permissions", needs=("admin",), journey=JOURNEY,
    unsupported={"quilt3": "browsing-session"},
)  # fmt: skip
def test_browsing_session_is_bound(
    quilt_ops: quilt.QuiltOps, as_user: Callable[[str], quilt.QuiltOps], seeds: Seeds, target: Settings
) -> None:
    """A browsing session serves only its user and the files of its revision, until it is closed."""
    scope = f"{target.registry}#package={PACKAGE}&hash={seeds.top_hash(PACKAGE)}"
    session = quilt_ops.execute_graphql_query(OPEN, {"scope": scope})["data"]["browsingSessionCreate"]["id"]

    def status(ops: quilt.QuiltOps, path: str) -> int:
        url, headers = f"{target.catalog_url}/browse/{session}/{path}", ops.get_graphql_auth_headers()
        return requests.get(url, headers=headers, timeout=TIMEOUT_S, allow_redirects=False).status_code

    viewer = as_user("readonly")
    assert viewer.get_package_info(PACKAGE, target.registry).top_hash == seeds.top_hash(PACKAGE)
    assert status(quilt_ops, FILE) == requests.codes.found
    assert status(viewer, FILE) == requests.codes.forbidden
    assert status(quilt_ops, "elsewhere.csv") == requests.codes.not_found
    closed = quilt_ops.execute_graphql_query(CLOSE, {"id": session})
    assert closed["data"]["browsingSessionDispose"]["__typename"] == "Ok"
    assert status(quilt_ops, FILE) == requests.codes.gone
