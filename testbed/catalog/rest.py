"""The REST routes beside GraphQL: configuration and keys."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING
from typing import Any

import boto3

from testbed.catalog.people import ROLES

if TYPE_CHECKING:
    from testbed.catalog.auth import Caller

KEY_LIFE_S = 3600


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


def credentials(caller: Caller, role: str) -> dict[str, Any]:
    """Issue AWS keys of a role to a caller, narrowed to its buckets by a session policy."""
    issued = boto3.client("sts").assume_role(
        RoleArn=role_arn(role),
        RoleSessionName=caller.name,
        DurationSeconds=KEY_LIFE_S,
        Policy=json.dumps(session_policy(role)),
    )["Credentials"]
    return {
        "AccessKeyId": issued["AccessKeyId"],
        "SecretAccessKey": issued["SecretAccessKey"],
        "SessionToken": issued["SessionToken"],
        "Expiration": issued["Expiration"].isoformat(),
    }


@functools.cache
def account() -> str:
    """Give the account that the catalog's own keys belong to."""
    return boto3.client("sts").get_caller_identity()["Account"]


def role_arn(role: str) -> str:
    """Give the ARN of a role in the testbed's account."""
    return f"arn:aws:iam::{account()}:role/nightproof-{role}"


def session_policy(role: str) -> dict[str, Any]:
    """Write a role's bucket permissions, and reading of Athena and Glue, as a policy."""
    reads, writes = ROLES[role]
    statements: list[dict[str, Any]] = [
        {"Effect": "Allow", "Action": ["s3:Get*", "s3:List*"], "Resource": _arns(reads)},
        {"Effect": "Allow", "Action": ["athena:*", "glue:Get*"], "Resource": "*"},
    ]
    if writes:
        actions = ["s3:PutObject*", "s3:DeleteObject*", "s3:AbortMultipartUpload"]
        statements.append({"Effect": "Allow", "Action": actions, "Resource": _arns(writes)})
    return {"Version": "2012-10-17", "Statement": statements}


def _arns(buckets: frozenset[str]) -> list[str]:
    return [f"arn:aws:s3:::{name}{suffix}" for name in sorted(buckets) for suffix in ("", "/*")]
