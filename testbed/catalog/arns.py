"""The AWS account of the catalog and the ARNs of the testbed's own roles."""

from __future__ import annotations

import functools

import boto3


@functools.cache
def account() -> str:
    """Return the AWS account id of the catalog's own credentials."""
    return boto3.client("sts").get_caller_identity()["Account"]


def role_arn(role: str) -> str:
    """Return the ARN of one of the testbed's own IAM roles."""
    return f"arn:aws:iam::{account()}:role/nightproof-{role}"
