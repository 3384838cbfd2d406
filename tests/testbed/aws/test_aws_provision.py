"""The account matches the inventory: it is read back at every start, and each user has exactly the declared rights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

import pytest
from botocore.exceptions import ClientError

from testbed.aws import provision
from testbed.aws.provision import ProvisioningError
from testbed.aws.provision import client
from tests.testbed.aws.asking import WORK
from tests.testbed.aws.asking import Asking
from tests.testbed.aws.asking import refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path

DATA, SCRATCH, PACKAGES, PERF, PRIVATE, WEST = (
    f"quilt-mcp-test-{name}" for name in ("data", "scratch", "packages", "perf", "private", "west")
)
ANALYTICS = "nightproof-analyticsbucket"
FOREIGN = "nightproof-somebody-elses"
BUCKETS = (DATA, SCRATCH, PACKAGES, WORK, PERF, PRIVATE, WEST, ANALYTICS)
# By user: the buckets it may read, and those it may write.
TABLE = {
    "ci-runner": ({DATA, SCRATCH, PACKAGES, WORK, PERF, WEST, ANALYTICS}, {SCRATCH, WORK}),
    "ci-seeder": (set(BUCKETS), set(BUCKETS)),
}
KEY = "tests/no-such-object"
READS: dict[str, dict[str, Any]] = {
    "list_objects_v2": {},
    "list_object_versions": {},
    "list_multipart_uploads": {},
    "get_bucket_location": {},
    "get_bucket_versioning": {},
    "get_bucket_tagging": {},
    "get_object": {"Key": KEY},
    "get_object_tagging": {"Key": KEY},
}
WRITES: dict[str, dict[str, Any]] = {
    "put_object": {"Key": KEY, "Body": b"", "IfMatch": '"never"'},
    "put_object_tagging": {"Key": KEY, "Tagging": {"TagSet": []}},
    "delete_object": {"Key": KEY, "VersionId": "0" * 32},
    "create_multipart_upload": {"Key": KEY},
}
NOBODYS: dict[str, dict[str, Any]] = {
    "put_bucket_policy": {"Policy": "{}"},
    "put_bucket_versioning": {"VersioningConfiguration": {"Status": "Suspended"}},
    "put_bucket_tagging": {"Tagging": {"TagSet": []}},
    "put_object_acl": {"Key": KEY, "ACL": "public-read"},
    "get_object_acl": {"Key": KEY},
    "get_bucket_policy": {},
    "get_bucket_acl": {},
    "delete_bucket_lifecycle": {},
    "delete_bucket": {},
}


@pytest.fixture(scope="module")
def _foreign(aws: Asking) -> Iterator[None]:
    """Create a bucket that is not in the inventory, and delete it after the module."""
    root = client(aws.url, "s3")
    root.create_bucket(Bucket=FOREIGN)
    yield
    root.delete_bucket(Bucket=FOREIGN)


@pytest.mark.usefixtures("_foreign")
@pytest.mark.parametrize("bucket", [*BUCKETS, FOREIGN])
@pytest.mark.parametrize("user", sorted(TABLE))
def test_rights_are_those_of_the_table(aws: Asking, user: str, bucket: str) -> None:
    """Each action on each bucket, tried with the user's own keys, is allowed or denied as in the table."""
    s3, (readable, writable) = aws.client("s3", user), TABLE[user]
    allowed = {
        name: refused(lambda name=name, more=more: getattr(s3, name)(Bucket=bucket, **more)) != "AccessDenied"  # type: ignore[misc]
        for name, more in (READS | WRITES | NOBODYS).items()
    }
    expected = dict.fromkeys(READS, bucket in readable) | dict.fromkeys(WRITES, bucket in writable)
    assert allowed == expected | dict.fromkeys(NOBODYS, False)


@pytest.mark.parametrize("user", sorted(TABLE))
def test_nobody_rules_the_account(aws: Asking, user: str) -> None:
    """No user may change buckets, users, Glue or Athena, or assume a person's role.

    The tests' role is the runner's alone.
    """
    iam, sts = aws.client("iam", user), aws.client("sts", user)
    denied: list[Callable[[], object]] = [
        lambda: aws.client("s3", user).create_bucket(Bucket="nightproof-new"),
        iam.list_users,
        lambda: iam.create_access_key(UserName="catalog-service"),
        lambda: iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument="{}"),
        lambda: sts.assume_role(RoleArn="arn:aws:iam::000000000000:role/nightproof-admin", RoleSessionName="tests"),
        lambda: aws.client("glue", user).delete_database(Name="quilt_mcp_test_db"),
        lambda: aws.client("athena", user).delete_work_group(WorkGroup="quilt-mcp-test-workgroup"),
    ]
    codes = [refused(call) for call in denied]
    assert {code.removesuffix("Exception") for code in codes} == {"AccessDenied"}, codes
    role = {"RoleArn": "arn:aws:iam::000000000000:role/quilt-mcp-test-role", "RoleSessionName": "tests"}
    assert (refused(lambda: sts.assume_role(**role)) == "") == (user == "ci-runner")


def test_the_seeder_may_inspect(aws: Asking) -> None:
    """The seeder may read encryption, lifecycle and public access, which the preflight checks with its keys."""
    assert aws.s3.get_bucket_encryption(Bucket=DATA)["ServerSideEncryptionConfiguration"]["Rules"]
    assert aws.s3.get_bucket_lifecycle_configuration(Bucket=SCRATCH)["Rules"][0]["Expiration"] == {"Days": 1}
    assert all(aws.s3.get_public_access_block(Bucket=DATA)["PublicAccessBlockConfiguration"].values())


def test_athena_answers_from_glue(aws: Asking) -> None:
    """Athena's databases and tables are Glue's, including a table created a moment ago."""
    athena, glue = aws.client("athena", "ci-runner"), aws.client("glue", "ci-runner")
    catalog = {"CatalogName": "AwsDataCatalog"}
    databases = athena.list_databases(**catalog)["DatabaseList"]
    assert [database["Name"] for database in databases] == [
        database["Name"] for database in glue.get_databases()["DatabaseList"]
    ]
    assert "quilt_mcp_test_db" in [database["Name"] for database in databases]
    where = {"DatabaseName": "quilt_mcp_test_db"}
    columns = [{"Name": "seen", "Type": "int"}]
    glue.create_table(**where, TableInput={"Name": "fresh", "StorageDescriptor": {"Columns": columns}})
    try:
        tables = athena.list_table_metadata(**catalog, **where)["TableMetadataList"]
        assert {table["Name"]: table["Columns"] for table in tables}["fresh"] == columns
        ours = {table["Name"]: table["Columns"] for table in tables}["test_table_1"]
        assert [column["Name"] for column in ours] == ["id", "name", "value", "timestamp"]
    finally:
        glue.delete_table(**where, Name="fresh")


def _renamed(answer: dict[str, Any]) -> None:
    answer["TagSet"][0]["Value"] = "other"


LIES: list[tuple[str, str, Callable[[dict[str, Any]], object], str]] = [
    (
        "s3",
        "GetBucketLocation",
        lambda a: a.update(LocationConstraint="eu-west-1"),
        "bucket `quilt-mcp-test-data`: region",
    ),
    (
        "s3",
        "GetBucketVersioning",
        lambda a: a.update(Status="Suspended"),
        "bucket `quilt-mcp-test-data`: bucket versioning",
    ),
    ("s3", "GetBucketTagging", _renamed, "bucket `quilt-mcp-test-data`: bucket tagging"),
    ("s3", "GetBucketEncryption", dict.clear, "bucket `quilt-mcp-test-data`: bucket encryption"),
    ("s3", "GetPublicAccessBlock", dict.clear, "bucket `quilt-mcp-test-data`: public access block"),
    ("s3", "GetBucketLifecycleConfiguration", lambda a: a.update(Rules=[]), "bucket lifecycle configuration"),
    ("iam", "GetUserPolicy", lambda a: a.update(PolicyDocument="{}"), "IAM user `ci-runner`: policy"),
    ("iam", "ListUserPolicies", lambda a: a["PolicyNames"].append("more"), "IAM user `ci-runner`: list of policies"),
    ("iam", "GetRole", lambda a: a["Role"].update(AssumeRolePolicyDocument="{}"), "IAM role `nightproof-admin`: trust"),
    ("iam", "GetRolePolicy", lambda a: a.update(PolicyDocument="{}"), "IAM role `nightproof-admin`: policy"),
    ("sts", "GetCallerIdentity", lambda a: a.update(Arn="arn:root"), "keys of `ci-runner`: caller"),
    ("glue", "GetDatabase", lambda a: a["Database"].update(LocationUri="s3://x"), "Glue database `quilt_mcp_test_db`"),
    ("glue", "GetTable", lambda a: a["Table"]["StorageDescriptor"].update(Columns=[]), "Glue table `test_table_1`"),
    ("athena", "GetWorkGroup", lambda a: a["WorkGroup"].update(Configuration={}), "Athena workgroup"),
]


@pytest.mark.parametrize(("service", "operation", "lie", "named"), LIES, ids=[lie[1] for lie in LIES])
def test_what_does_not_read_back_is_named(
    aws: Asking,
    monkeypatch: pytest.MonkeyPatch,
    service: str,
    operation: str,
    lie: Callable[[dict[str, Any]], object],
    named: str,
) -> None:
    """A property that reads back differently stops the start with an error that names the property."""

    def lying(url: str, name: str, *args: Any, **kwargs: Any) -> Any:
        made = client(url, name, *args, **kwargs)
        if name == service:
            made.meta.events.register(f"after-call.{name}.{operation}", lambda parsed, **_: lie(parsed))
        return made

    monkeypatch.setattr(provision, "client", lying)
    with pytest.raises(ProvisioningError, match="reads back as") as caught:
        provision.provision(aws.url, aws.target.state_dir / "testbed" / "keys.json")
    assert named in str(caught.value)


def test_an_unexpected_refusal_is_not_swallowed(aws: Asking, switch: Callable[..., None]) -> None:
    """Provisioning ignores "exists already" and raises any other error."""
    switch("error", operation="iam:CreateUser", status=409, code="LimitExceeded")
    with pytest.raises(ClientError, match="LimitExceeded"):
        provision.provision(aws.url, aws.target.state_dir / "testbed" / "keys.json")


def test_keys_are_kept_and_damaged_ones_replaced(aws: Asking, tmp_path: Path) -> None:
    """A second start returns the same keys from a file of mode 0600. A damaged file counts as empty."""
    kept = aws.target.state_dir / "testbed" / "keys.json"
    before = json.loads(kept.read_text())
    assert provision.provision(aws.url, kept) == before
    assert kept.stat().st_mode & 0o777 == 0o600
    (tmp_path / "keys.json").write_text("{")
    assert provision._known_keys(tmp_path / "keys.json") == {}


def test_lost_keys_are_replaced_not_added(s3_url: str) -> None:
    """If the key file is lost but the account is not, a user gets one new key and the old one is deleted."""
    iam = client(s3_url, "iam")
    statements = [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]
    old, new = [provision._user(iam, "somebody", statements, None) for _ in range(2)]
    held = [key["AccessKeyId"] for key in iam.list_access_keys(UserName="somebody")["AccessKeyMetadata"]]
    assert held == [new["access_key_id"]] != [old["access_key_id"]]
