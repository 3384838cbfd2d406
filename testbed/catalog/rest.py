"""The REST routes for configuration and AWS credentials."""

from __future__ import annotations

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
    """Return the content of config.json."""
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
    """STS refuses credentials of a role."""


def credentials(name: str, rights: Rights, life_s: float = KEY_LIFE_S) -> dict[str, Any]:
    """Return AWS credentials of a role for a user, limited by a session policy and the role's AWS policies.

    `Expiration` names a full life (one hour) even if `life_s` is shorter, down to seconds. Such credentials simulate
    ones that are revoked early. Raise NoKeysError if STS refuses.
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


def session_policy(rights: Rights) -> dict[str, Any]:
    """Return a session policy with a role's bucket permissions, all of Athena, and reading Glue."""
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
