"""The REST routes beside GraphQL: configuration and keys."""

from __future__ import annotations

import functools
import json
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from testbed.catalog.roles import Rights

KEY_LIFE_S = 3600
SERVER_ERROR = 500


def configuration(catalog_url: str, aws_url: str) -> dict[str, Any]:
    """Give config.json."""
    return {
        "region": "us-east-1",
        "apiGatewayEndpoint": f"{catalog_url}/registry/api",
        "binaryApiGatewayEndpoint": f"{catalog_url}/registry/bin",
        "registryUrl": f"{catalog_url}/registry",
        "s3Proxy": aws_url,
        "analyticsBucket": "nightproof-analyticsbucket",
        "serviceBucket": "nightproof-analyticsbucket",
        "mode": "PRODUCT",
        "alwaysRequiresAuth": True,
        "passwordAuth": "ENABLED",
        "ssoAuth": "DISABLED",
        "ssoProviders": "",
        "stackVersion": "nightproof-testbed",
        "mixpanelToken": "",
        "noDownload": False,
        "crc64Checksums": False,
    }


class NoKeysError(Exception):
    """AWS lends no keys of a role."""


def credentials(name: str, rights: Rights, life_s: float = KEY_LIFE_S) -> dict[str, Any]:
    """Issue AWS keys of a role to a user, narrowed by a session policy and by the role's policies of other hands.

    They name the end of a full life; a shorter one, down to seconds, stands for keys that are taken back before.
    """
    unlimited = Config(parameter_validation=False)  # the client itself refuses lives below 900 s
    arns: Any = [{"arn": arn} for arn in rights.policies]
    try:
        issued = boto3.client("sts", config=unlimited).assume_role(
            RoleArn=rights.arn,
            RoleSessionName=name,
            DurationSeconds=int(life_s),
            Policy=json.dumps(session_policy(rights), separators=(",", ":")),
            PolicyArns=arns,
        )["Credentials"]
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= SERVER_ERROR:
            raise
        message = f"AWS lends no keys of the role `{rights.role}`: {error.response['Error']['Message']}"
        raise NoKeysError(f"{message.rstrip('.')}. Correct its ARN or its policies.") from error
    return {
        "AccessKeyId": issued["AccessKeyId"],
        "SecretAccessKey": issued["SecretAccessKey"],
        "SessionToken": issued["SessionToken"],
        "Expiration": (issued["Expiration"] + timedelta(seconds=KEY_LIFE_S - int(life_s))).isoformat(),
    }


@functools.cache
def account() -> str:
    """Give the account that the catalog's own keys belong to."""
    return boto3.client("sts").get_caller_identity()["Account"]


def role_arn(role: str) -> str:
    """Give the ARN of a role in the testbed's account."""
    return f"arn:aws:iam::{account()}:role/nightproof-{role}"


def session_policy(rights: Rights) -> dict[str, Any]:
    """Write a role's bucket permissions, and reading of Athena and Glue, as a policy."""
    statements: list[dict[str, Any]] = [{"Effect": "Allow", "Action": ["athena:*", "glue:Get*"], "Resource": "*"}]
    if rights.reads:
        statements.append(
            {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": _arns(rights.reads, "", "/*")}
        )
    if rights.writes:
        actions = ["s3:PutObject*", "s3:DeleteObject*", "s3:AbortMultipartUpload"]
        statements.append({"Effect": "Allow", "Action": actions, "Resource": _arns(rights.writes, "/*")})
    return {"Version": "2012-10-17", "Statement": statements}


def _arns(buckets: frozenset[str], *suffixes: str) -> list[str]:
    return [f"arn:aws:s3:::{name}{suffix}" for name in sorted(buckets) for suffix in suffixes]
