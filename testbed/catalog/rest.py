"""The REST routes beside GraphQL: configuration, tokens, keys, search."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

import boto3
from starlette.responses import JSONResponse

from testbed.catalog.dsl import DslError
from testbed.catalog.dsl import matches
from testbed.catalog.people import BUCKETS
from testbed.catalog.people import ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.catalog.auth import Caller
    from testbed.catalog.search import SearchIndex

MAX_INDICES = 20
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


def credentials(caller: Caller) -> dict[str, Any]:
    """Issue AWS keys of the caller's role, narrowed to its buckets by a session policy."""
    sts = boto3.client("sts")
    account = sts.get_caller_identity()["Account"]
    issued = sts.assume_role(
        RoleArn=f"arn:aws:iam::{account}:role/nightproof-{caller.role}",
        RoleSessionName=caller.name,
        DurationSeconds=KEY_LIFE_S,
        Policy=json.dumps(session_policy(caller.role)),
    )["Credentials"]
    return {
        "AccessKeyId": issued["AccessKeyId"],
        "SecretAccessKey": issued["SecretAccessKey"],
        "SessionToken": issued["SessionToken"],
        "Expiration": issued["Expiration"].isoformat(),
    }


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


def search(caller: Caller, index: SearchIndex, query: Mapping[str, str]) -> JSONResponse:
    """Answer GET /api/search in Elasticsearch's shape."""
    names = query.get("index", "_all").split(",")
    if len(names) > MAX_INDICES:
        return JSONResponse({"message": f"{len(names)} indices are asked, {MAX_INDICES} are allowed."}, 403)
    buckets: list[str] = []
    for name in names:
        if "*" in name:
            return JSONResponse({"message": f"The index name `{name}` holds a wildcard."}, 400)
        if name == "_all":
            buckets += sorted(caller.readable)
            continue
        bucket = name.removesuffix("_packages")
        if bucket not in BUCKETS:
            return JSONResponse({"message": f"There is no index `{name}`."}, 404)
        caller.require(bucket, "read")
        if name.endswith("_packages"):
            buckets.append(bucket)
    return _hits(index, buckets, query)


def _hits(index: SearchIndex, buckets: list[str], query: Mapping[str, str]) -> JSONResponse:
    size = int(query.get("size", 30))
    if query.get("action") == "freeform":
        body = json.loads(query.get("body", "{}"))
        try:
            rows = [row for row in index.find(buckets, "*") if matches(body.get("query", {"match_all": {}}), row)]
        except DslError as error:
            return JSONResponse({"message": str(error)}, 400)
        start, size = int(body.get("from", 0)), int(body.get("size", size))
    else:
        rows, start = index.find(buckets, query.get("query", "*")), 0
    hits = [_hit(row) for row in rows[start : start + size]]
    return JSONResponse({"took": 1, "timed_out": False, "hits": {"total": len(rows), "hits": hits}})


def _hit(row: dict[str, Any]) -> dict[str, Any]:
    meta = json.loads(row["meta"]) or {}
    source = {
        "ptr_name": row["name"],
        "mnfst_name": row["hash"],
        "top_hash": row["hash"],
        "ptr_tag": "latest",
        "ptr_last_modified": row["modified"],
        "comment": row["comment"],
        "description": meta.get("description"),
        "tags": meta.get("tags"),
        "metadata": row["meta"],
    }
    return {"_id": f"{row['name']}:latest", "_index": f"{row['bucket']}_packages", "_score": 1.0, "_source": source}
