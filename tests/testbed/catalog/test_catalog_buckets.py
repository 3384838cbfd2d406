"""The catalog's buckets, administered through quilt3's admin client."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

import pytest
from quilt3.admin.exceptions import BucketNotFoundError
from quilt3.admin.exceptions import Quilt3AdminError
from quilt3.admin.types import Permission

from testbed.aws.provision import client
from tests.testbed.catalog.calling import CONSTRUCT
from tests.testbed.catalog.calling import DATA
from tests.testbed.catalog.calling import WORK
from tests.testbed.catalog.calling import token_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from tests.testbed.catalog.calling import Calling
    from tests.testbed.catalog.making import Making

SPARE = "nightproof-analyticsbucket"  # in the account, not in the catalog
TABLE = "schema: [{name: a, type: INT}]\nsource: {type: quilt-packages, package_name: x, logical_key: y}\n"
TABLE += "parser: {format: csv}\n"
LISTED = "{ bucketConfigs { name } buckets { name } }"
REMOVE = 'mutation { bucketRemove(name: "nightproof-analyticsbucket") { __typename } }'


@pytest.fixture
def buckets(admin: Any) -> Iterator[Any]:
    """Yield quilt3's admin client for buckets. The spare bucket is removed from the catalog after the test."""
    yield admin.buckets
    if admin.buckets.get(SPARE):
        admin.buckets.remove(SPARE)


def refusal(act: Callable[[], Any]) -> str:
    """Return the message of the error that an operation must raise."""
    with pytest.raises(Quilt3AdminError) as caught:
        act()
    return str(caught.value)


def test_an_added_bucket_has_what_it_was_given(buckets: Any) -> None:
    """An added bucket has the given properties, and is found and listed with them."""
    given: dict[str, Any] = {
        "description": "spare",
        "icon_url": "https://a/icon.png",
        "overview_url": "s3://a/b",
        "tags": ["one"],
        "relevance_score": 7,
        "scanner_parallel_shards_depth": 1,
        "skip_meta_data_indexing": True,
        "file_extensions_to_index": [".csv", ".tar.gz"],
        "index_content_bytes": 1024,
        "prefixes": ["a/"],
        "sns_notification_arn": "DO_NOT_SUBSCRIBE",
    }
    made = buckets.add(SPARE, "Spare", delay_scan=True, browsable=False, **given)
    assert {name: getattr(made, name) for name in given} == given
    assert (made.name, made.title, made.last_indexed) == (SPARE, "Spare", None)
    assert buckets.get(SPARE) == made
    assert made in buckets.list()


def test_a_change_replaces_the_whole_configuration(catalog: Calling, buckets: Any) -> None:
    """An update replaces the whole configuration: every property not given returns to its default."""
    buckets.add(SPARE, "Spare", tags=["one"], relevance_score=7, prefixes=["a/"], browsable=False)
    changed = buckets.update(SPARE, "Other", description="new")
    assert (changed.title, changed.description, changed.tags, changed.relevance_score) == ("Other", "new", [], 0)
    assert (changed.prefixes, changed.file_extensions_to_index) == ([], None)
    assert buckets.get(SPARE) == changed
    query = 'query { bucketConfig(name: "nightproof-analyticsbucket") { browsable linkedData } }'
    assert catalog.data(query, user="test-admin")["bucketConfig"] == {"browsable": True, "linkedData": None}


def test_a_bucket_belongs_to_roles_by_policies_only(catalog: Calling, admin: Any, buckets: Any) -> None:
    """Admins see a new bucket at once. Users see it through a role's policy, and lose it when it is removed."""
    buckets.add(SPARE, "Spare")
    admin_sees = catalog.data(LISTED, user="test-admin")
    assert {"name": SPARE} in admin_sees["bucketConfigs"]
    assert {"name": SPARE} not in admin_sees["buckets"]
    policy = admin.policies.create_managed("spare", permissions=[Permission.read(SPARE)])
    role = admin.roles.create_managed("spare", [policy.id])
    admin.users.create("spare", "spare@test.com", "spare")
    bearer = token_of(catalog, "spare")
    packages = 'query { packages(bucket: "nightproof-analyticsbucket") { total } }'
    try:
        assert catalog.data(LISTED, user="", Authorization=bearer)["buckets"] == [{"name": SPARE}]
        assert catalog.data(packages, user="", Authorization=bearer)["packages"] == {"total": 0}
        buckets.remove(SPARE)
        assert catalog.data(LISTED, user="", Authorization=bearer) == {"bucketConfigs": [], "buckets": []}
        assert catalog.data(packages, user="", Authorization=bearer)["packages"] is None
        assert admin.policies.get(policy.id).permissions == []
    finally:
        admin.users.delete("spare")
        admin.roles.delete(role.id)
        admin.policies.delete(policy.id)


def test_a_removed_bucket_is_gone_with_its_tables_and_its_objects_stay(
    catalog: Calling, admin: Any, buckets: Any
) -> None:
    """Removing a bucket deletes its Tabulator tables for good and keeps its objects."""
    catalog.put_object("kept", b"kept", SPARE)
    buckets.add(SPARE, "Spare")
    admin.tabulator.set_table(SPARE, "t", TABLE)
    buckets.remove(SPARE)
    assert buckets.get(SPARE) is None
    with pytest.raises(BucketNotFoundError):
        buckets.remove(SPARE)
    with pytest.raises(BucketNotFoundError):
        buckets.update(SPARE, "Spare")
    buckets.add(SPARE, "Spare")
    assert admin.tabulator.list_tables(SPARE) == []
    assert catalog.s3.get_object(Bucket=SPARE, Key="kept")["Body"].read() == b"kept"


def test_what_cannot_be_added_meets_its_own_error(catalog: Calling, buckets: Any) -> None:
    """A bucket that is added already, is missing in S3 or may not be read is refused with its own error."""
    s3 = client(catalog.target.aws_url, "s3")
    s3.create_bucket(Bucket="closed-to-the-catalog")
    assert refusal(lambda: buckets.add(DATA, "Data")) == "Bucket already added"
    assert refusal(lambda: buckets.add("not-in-the-storage", "Nothing")) == "Bucket does not exist in S3"
    assert refusal(lambda: buckets.add("No Name", "Nothing")) == "Bucket does not exist in S3"
    assert "may not read" in refusal(lambda: buckets.add("closed-to-the-catalog", "Closed"))
    s3.delete_bucket(Bucket="closed-to-the-catalog")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sns_notification_arn": "x"}, "Invalid SNS notification ARN"),
        ({"sns_notification_arn": "arn:aws:sns:us-east-1:%s:topic"}, "Notification topic not found"),
        ({"sns_notification_arn": "arn:aws:sns:us-east-1:999999999999:topic"}, "Notification configuration error"),
        ({"file_extensions_to_index": [".csv", "txt"]}, "Invalid file extensions to index"),
        ({"index_content_bytes": -1}, "Invalid index content bytes"),
        ({"index_content_bytes": 1024 * 1024 + 1}, "Invalid index content bytes"),
    ],
)
def test_a_bad_configuration_is_refused_when_adding_and_when_changing(
    catalog: Calling, buckets: Any, given: dict[str, Any], message: str
) -> None:
    """An invalid configuration is refused on add and on update, and changes nothing."""
    account = catalog.target.aws_client("sts", "ci-seeder").get_caller_identity()["Account"]
    given = {name: value % account if "%s" in str(value) else value for name, value in given.items()}
    before = buckets.get(DATA)
    assert refusal(lambda: buckets.add(SPARE, "Spare", **given)) == message
    assert refusal(lambda: buckets.update(DATA, "Data", **given)) == message
    assert (buckets.get(SPARE), buckets.get(DATA)) == (None, before)


def test_a_title_is_not_empty(catalog: Calling, buckets: Any) -> None:
    """An empty title fails the request with 400, because the union has no member for it."""
    query = 'mutation { bucketUpdate(name: "quilt-mcp-test-data", input: {title: " "}) { __typename } }'
    answer = catalog.post(query, user="test-admin")
    assert (answer.status_code, "title" in answer.json()["message"]) == (400, True)
    assert buckets.get(DATA).title == "Test data"


def test_without_a_subscription_no_bucket_is_added(catalog: Calling, buckets: Any, switch: Callable[..., None]) -> None:
    """After the subscription has ended no bucket can be added. Every user may query its state."""
    before = catalog.data("{ subscription { active timestamp } }")["subscription"]
    assert before["active"]
    assert datetime.fromisoformat(before["timestamp"]).tzinfo
    switch("subscription-ended")
    assert catalog.data("{ subscription { active } }")["subscription"] == {"active": False}
    assert refusal(lambda: buckets.add(SPARE, "Spare")) == "Invalid subscription"


def test_a_bucket_that_is_indexed_now_stays(buckets: Any, switch: Callable[..., None]) -> None:
    """A bucket cannot be removed while it is being indexed. Others can."""
    buckets.add(SPARE, "Spare")
    switch("indexing", bucket=SPARE)
    assert refusal(lambda: buckets.remove(SPARE)) == "Cannot remove bucket while indexing is in progress"
    switch("indexing", bucket=DATA)
    buckets.remove(SPARE)


def test_a_storage_that_fails_is_no_arm(buckets: Any, switch_storage: Callable[..., None]) -> None:
    """A storage failure ends the request with 500, and no bucket is added."""
    switch_storage("error", operation="ListObjectsV2", bucket=SPARE, status=500, code="InternalError")
    with pytest.raises(Exception, match="500"):
        buckets.add(SPARE, "Spare")
    assert buckets.get(SPARE) is None


def test_the_embedded_catalog_has_no_status(catalog: Calling) -> None:
    """The status is `Unavailable` for admins, and forbidden to others."""
    query = "{ status { __typename } }"
    assert catalog.data(query, user="test-admin")["status"] == {"__typename": "Unavailable"}
    assert catalog.post(query).status_code == 403


@pytest.mark.parametrize(
    "query",
    [
        'mutation { bucketAdd(input: {name: "x", title: "x"}) { __typename } }',
        'mutation { bucketUpdate(name: "quilt-mcp-test-data", input: {title: "x"}) { __typename } }',
        REMOVE,
        '{ bucketConfig(name: "quilt-mcp-test-data") { prefixes } }',
        '{ bucketConfig(name: "quilt-mcp-test-data") { snsNotificationArn } }',
    ],
)
def test_only_admins_reach_the_configuration_of_buckets(catalog: Calling, query: str) -> None:
    """Non-admins may neither change buckets nor read their configuration."""
    answer = catalog.post(query)
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["required"]) == (403, ["admin"])


def test_an_added_bucket_takes_packages_and_is_searched(catalog: Calling, making: Making, buckets: Any) -> None:
    """An added bucket accepts packages, and search finds them until it is removed. Its objects stay."""
    buckets.add(SPARE, "Spare")
    bearer = making.user(making.role(Permission.read_write(SPARE)).name)
    params = {"params": {"bucket": SPARE, "name": "spare/one"}, "src": {"entries": []}}
    arm = catalog.data(CONSTRUCT, params, user="", Authorization=bearer)["packageConstruct"]
    assert arm["__typename"] == "PackagePushSuccess"
    search = '{ searchPackages(searchString: "spare") { __typename } searchObjects { __typename } }'
    found = catalog.data(search, user="", Authorization=bearer)
    assert found["searchPackages"] == {"__typename": "PackagesSearchResultSet"}
    buckets.remove(SPARE)
    found = catalog.data(search, user="", Authorization=bearer)
    assert {arm["__typename"] for arm in found.values()} == {"EmptySearchResultSet"}
    refused = catalog.data(CONSTRUCT, params, user="", Authorization=bearer)["packageConstruct"]
    assert refused["errors"][0]["name"] == "BucketNotFound"
    pointers = catalog.s3.list_objects_v2(Bucket=SPARE, Prefix=".quilt/")["Contents"]
    assert len(pointers) == 3
    for pointer in pointers:
        catalog.s3.delete_object(Bucket=SPARE, Key=pointer["Key"])


def test_of_additions_at_the_same_time_one_succeeds(buckets: Any, switch_storage: Callable[..., None]) -> None:
    """Of concurrent additions or removals of a bucket, one succeeds, and the others get an error."""
    switch_storage("latency", operation="ListObjectsV2", bucket=SPARE, seconds=0.2)

    def outcome(act: Callable[[], Any]) -> str:
        try:
            act()
        except Quilt3AdminError as error:
            return str(error) or type(error).__name__
        return "done"

    with ThreadPoolExecutor(4) as pool:
        added = list(pool.map(lambda number: outcome(lambda: buckets.add(SPARE, f"Spare {number}")), range(4)))
        removed = list(pool.map(lambda _: outcome(lambda: buckets.remove(SPARE)), range(4)))
    assert sorted(added) == ["Bucket already added"] * 3 + ["done"]
    assert [removed.count("done"), len(set(removed))] == [1, 2]


COLLABORATORS = "{ collaborators { collaborator { username email } permissionLevel } }"


def test_collaborators_are_the_active_users_of_roles_that_have_the_bucket(catalog: Calling, admin: Any) -> None:
    """Collaborators are active users whose role has the bucket. Those of an unmanaged role are potential ones."""
    query = 'query { bucket(name: "quilt-mcp-test-data") ' + COLLABORATORS + " potentialCollaborators { username } }"
    for name, role in (("works-here", "editor"), ("works-elsewhere", "service"), ("works-no-more", "viewer")):
        admin.users.create(name, f"{name}@test.com", role)
    admin.users.set_active("works-no-more", active=False)
    found = catalog.data(query)
    levels = {c["collaborator"]["username"]: c["permissionLevel"] for c in found["bucket"]["collaborators"]}
    expected = {"test-admin": "READ_WRITE", "test-user": "READ", "test-readonly": "READ", "works-here": "READ"}
    assert expected.items() <= levels.items()
    assert not {"test-service", "works-elsewhere", "works-no-more"} & levels.keys()
    potential = {c["username"] for c in found["potentialCollaborators"]}
    assert {"test-service", "works-elsewhere"} <= potential
    assert not potential & levels.keys()
    for name in ("works-here", "works-elsewhere", "works-no-more"):
        admin.users.delete(name)


def test_event_rules_are_switched_by_admins(catalog: Calling) -> None:
    """Only admins may switch event rules. A switched rule reads back so, and an unknown one cannot be switched."""
    rules = '{ admin { packager { eventRules { name enabled } eventRule(name: "x") { name } } } }'
    toggle = "mutation T($n: String!, $e: Boolean!) { admin { packager { toggleEventRule(name: $n, enabled: $e) {"
    toggle += (
        " __typename ... on PackagerEventRule { name enabled } ... on InvalidInput { errors { path name } } } } } }"
    )

    def switched(name: str, *, enabled: bool) -> Any:
        given = {"n": name, "e": enabled}
        return catalog.data(toggle, given, user="test-admin")["admin"]["packager"]["toggleEventRule"]

    for enabled in (True, False):
        assert switched("ro-crate", enabled=enabled) == {
            "__typename": "PackagerEventRule", "name": "ro-crate", "enabled": enabled,
        }  # fmt: skip
        found = catalog.data(rules, user="test-admin")["admin"]["packager"]
        assert {"name": "ro-crate", "enabled": enabled} in found["eventRules"]
    assert {"name": "healthomics", "enabled": False} in found["eventRules"]
    assert found["eventRule"] is None
    assert switched("x", enabled=True)["errors"] == [{"path": "name", "name": "EventRuleNotFound"}]
    assert catalog.post(rules).status_code == 403


def test_the_testbed_has_no_archive(catalog: Calling) -> None:
    """A restore is answered NotSupported to users with write access, and is forbidden to others."""
    restore = "mutation R($b: String!, $d: Int!) { restoreObject(bucket: $b, key: $b, tier: STANDARD, days: $d) {"
    restore += " ... on OperationError { name } ... on InvalidInput { errors { path } } } }"
    assert catalog.data(restore, {"b": WORK, "d": 1})["restoreObject"] == {"name": "NotSupported"}
    assert catalog.data(restore, {"b": WORK, "d": 0})["restoreObject"] == {"errors": [{"path": "days"}]}
    assert catalog.post(restore, {"b": DATA, "d": 1}).status_code == 403
