"""Set up the account as the inventory declares, at every start: a killed ministack loses versioning, IAM and Glue.

Every step can be repeated, and every property that AWS would keep is read back.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from testbed.aws import inventory

if TYPE_CHECKING:
    from pathlib import Path

    from types_boto3_glue import GlueClient
    from types_boto3_iam import IAMClient
    from types_boto3_s3 import S3Client

    from testbed.aws.inventory import Bucket

Keys = dict[str, dict[str, str]]
POLICY: Final = "nightproof"
COLUMNS: Final = (("id", "int"), ("name", "string"), ("value", "double"), ("timestamp", "timestamp"))


class ProvisioningError(Exception):
    """A property of the account reads back differently from what was set."""


def client(url: str, service: str, region: str = "us-east-1", key: dict[str, str] | None = None) -> Any:
    """Return a boto3 client of the embedded account; as root unless a key is given."""
    keys = key or {"access_key_id": "test", "secret_access_key": "test"}
    return boto3.client(
        service,  # type: ignore[call-overload]  # a name at run time
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=keys["access_key_id"],
        aws_secret_access_key=keys["secret_access_key"],
        config=Config(signature_version="s3v4", retries={"mode": "standard", "total_max_attempts": 3})
        if service == "s3"
        else Config(retries={"mode": "standard", "total_max_attempts": 3}),
    )


def provision(url: str, keys_path: Path) -> Keys:
    """Create or update buckets, identities, Glue and the workgroup; return the users' access keys."""
    account = client(url, "sts").get_caller_identity()["Account"]
    by_region = {region: client(url, "s3", region) for region in {bucket.region for bucket in inventory.BUCKETS}}
    for bucket in inventory.BUCKETS:
        _bucket(by_region[bucket.region], bucket)
    iam = client(url, "iam")
    keys = _users(iam, account, keys_path)
    for name, key in keys.items():
        caller = client(url, "sts", key=key).get_caller_identity()["Arn"]
        _require(f"keys of `{name}`: caller", caller, f"arn:aws:iam::{account}:user/{name}")
    _roles(iam, account)
    _glue(client(url, "glue"))
    _workgroup(client(url, "athena"))
    return keys


def _bucket(s3: S3Client, bucket: Bucket) -> None:
    with _already_there("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
        if bucket.region == "us-east-1":
            s3.create_bucket(Bucket=bucket.name)
        else:
            where: Any = {"LocationConstraint": bucket.region}
            s3.create_bucket(Bucket=bucket.name, CreateBucketConfiguration=where)
    what = f"bucket `{bucket.name}`"
    location = s3.get_bucket_location(Bucket=bucket.name).get("LocationConstraint")
    _require(f"{what}: region", location, None if bucket.region == "us-east-1" else bucket.region)
    for name, parameters in _properties(bucket).items():
        getattr(s3, f"put_{name}")(Bucket=bucket.name, **parameters)
        [(parameter, value)] = parameters.items()
        answer = getattr(s3, f"get_{name}")(Bucket=bucket.name)
        _require(f"{what}: {name.replace('_', ' ')}", answer.get(parameter, answer), value)
    versioning = s3.get_bucket_versioning(Bucket=bucket.name).get("Status")
    _require(f"{what}: versioning", versioning, "Enabled" if bucket.is_versioned else None)


def _require(what: str, found: Any, given: Any) -> None:
    """Raise ProvisioningError unless a property reads back as set; AWS may add members."""
    if not _holds(found, given):
        raise ProvisioningError(f"The {what} reads back as {found!r} instead of {given!r}.")


def _holds(found: Any, given: Any) -> bool:
    if isinstance(given, dict):
        return isinstance(found, dict) and all(_holds(found.get(name), value) for name, value in given.items())
    if isinstance(given, list) and isinstance(found, list):
        return len(found) == len(given) and all(any(_holds(f, g) for f in found) for g in given)
    return bool(found == given)


def _properties(bucket: Bucket) -> dict[str, dict[str, Any]]:
    tags = {"Purpose": inventory.PURPOSE, "DataType": bucket.data_type, "Mutable": str(bucket.is_mutable).lower()}
    algorithm = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    blocks = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
    found: dict[str, dict[str, Any]] = {
        "bucket_tagging": {"Tagging": {"TagSet": [{"Key": k, "Value": v} for k, v in tags.items()]}},
        "bucket_encryption": {"ServerSideEncryptionConfiguration": {"Rules": [algorithm]}},
        "public_access_block": {"PublicAccessBlockConfiguration": blocks},
    }
    if bucket.is_versioned:
        found["bucket_versioning"] = {"VersioningConfiguration": {"Status": "Enabled"}}
    if rules := _lifecycle(bucket):
        found["bucket_lifecycle_configuration"] = {"LifecycleConfiguration": {"Rules": rules}}
    return found


def _lifecycle(bucket: Bucket) -> list[dict[str, Any]]:
    base: dict[str, Any] = {"Status": "Enabled", "Filter": {"Prefix": ""}}
    if bucket.noncurrent_days:
        return [base | {"ID": "noncurrent", "NoncurrentVersionExpiration": {"NoncurrentDays": bucket.noncurrent_days}}]
    if bucket.expire_days:
        abort = {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": bucket.expire_days}}
        return [base | {"ID": "expire", "Expiration": {"Days": bucket.expire_days}} | abort]
    return []


def _users(iam: IAMClient, account: str, keys_path: Path) -> Keys:
    known = _known_keys(keys_path)
    keys = {
        name: _user(iam, name, statements, known.get(name))
        for name, statements in inventory.policies_of_users(account).items()
    }
    keys_path.parent.mkdir(parents=True, exist_ok=True)
    fresh = keys_path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(keys), encoding="utf-8")
    os.replace(fresh, keys_path)  # noqa: PTH105 - the atomic one
    return keys


def _known_keys(path: Path) -> Keys:
    """Return the access keys of earlier starts; a missing or damaged file means none.

    Missing keys are created anew.
    """
    try:
        known: Keys = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return known


def _user(iam: IAMClient, name: str, statements: list[dict[str, Any]], known: dict[str, str] | None) -> dict[str, str]:
    with _already_there("EntityAlreadyExists"):
        iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName=POLICY, PolicyDocument=json.dumps(_document(statements)))
    what = f"IAM user `{name}`"
    policy = iam.get_user_policy(UserName=name, PolicyName=POLICY)["PolicyDocument"]
    _require(f"{what}: policy", policy, _document(statements))
    _require(f"{what}: list of policies", iam.list_user_policies(UserName=name)["PolicyNames"], [POLICY])
    held = [key["AccessKeyId"] for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]]
    if known and known["access_key_id"] in held:
        return known
    for stale in held:
        iam.delete_access_key(UserName=name, AccessKeyId=stale)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]}


def _roles(iam: IAMClient, account: str) -> None:
    for name, (read, write) in inventory.ROLES.items():
        statements = [*inventory.bucket_statements(read, write), *inventory.analytics_statements()]
        _role(iam, f"nightproof-{name}", f"arn:aws:iam::{account}:user/catalog-service", statements)
    runner = inventory.policies_of_users(account)["ci-runner"][:-1]
    _role(iam, inventory.TEST_ROLE, f"arn:aws:iam::{account}:user/ci-runner", runner, "QuiltMCPTestAccess")


def _role(iam: IAMClient, name: str, trusted: str, statements: list[dict[str, Any]], policy: str = POLICY) -> None:
    trust = _document([{"Effect": "Allow", "Principal": {"AWS": trusted}, "Action": "sts:AssumeRole"}])
    with _already_there("EntityAlreadyExists"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=json.dumps(_document(statements)))
    what = f"IAM role `{name}`"
    _require(f"{what}: trust", iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"], trust)
    found = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
    _require(f"{what}: policy", found, _document(statements))


def _glue(glue: GlueClient) -> None:
    location = "s3://quilt-mcp-test-data/athena/"
    database: Any = {"Name": inventory.DATABASE, "LocationUri": location}
    table: Any = {
        "Name": inventory.TABLE,
        "TableType": "EXTERNAL_TABLE",
        "StorageDescriptor": {
            "Columns": [{"Name": name, "Type": kind} for name, kind in COLUMNS],
            "Location": f"{location}{inventory.TABLE}/",
            "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        },
    }
    with _already_there("AlreadyExistsException"):
        glue.create_database(DatabaseInput=database)
    glue.update_database(Name=inventory.DATABASE, DatabaseInput=database)
    with _already_there("AlreadyExistsException"):
        glue.create_table(DatabaseName=inventory.DATABASE, TableInput=table)
    glue.update_table(DatabaseName=inventory.DATABASE, TableInput=table)
    found: Any = glue.get_database(Name=inventory.DATABASE)["Database"]
    _require(f"Glue database `{inventory.DATABASE}`", found, database)
    found = glue.get_table(DatabaseName=inventory.DATABASE, Name=inventory.TABLE)["Table"]
    _require(f"Glue table `{inventory.TABLE}`", found, table)


def _workgroup(athena: Any) -> None:
    output = {
        "OutputLocation": "s3://quilt-mcp-test-scratch/athena-results/",
        "EncryptionConfiguration": {"EncryptionOption": "SSE_S3"},
    }
    rules = {"EnforceWorkGroupConfiguration": True, "PublishCloudWatchMetricsEnabled": True}
    with _already_there("InvalidRequestException"):
        athena.create_work_group(Name=inventory.WORKGROUP, Configuration={"ResultConfiguration": output} | rules)
    updates = {"ResultConfigurationUpdates": output} | rules
    athena.update_work_group(WorkGroup=inventory.WORKGROUP, ConfigurationUpdates=updates)
    found = athena.get_work_group(WorkGroup=inventory.WORKGROUP)["WorkGroup"]["Configuration"]
    _require(f"Athena workgroup `{inventory.WORKGROUP}`", found, {"ResultConfiguration": output} | rules)


def _document(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements}


@contextlib.contextmanager
def _already_there(*codes: str) -> Any:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] not in codes:
            raise
