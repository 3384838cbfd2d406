"""The declared content of the embedded AWS account: buckets, users, roles and permissions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from typing import Final

PURPOSE: Final = "QuiltMCP-E2E-Testing"
DATABASE: Final = "quilt_mcp_test_db"
TABLE: Final = "test_table_1"
WORKGROUP: Final = "quilt-mcp-test-workgroup"
TEST_ROLE: Final = "quilt-mcp-test-role"
LIST: Final = ("ListBucket", "ListBucketVersions", "ListBucketMultipartUploads", "ListMultipartUploadParts")
LOOK: Final = ("GetBucketLocation", "GetBucketVersioning", "GetBucketTagging")
GET: Final = (
    "GetObject", "GetObjectVersion", "GetObjectAttributes", "GetObjectVersionAttributes", "GetObjectTagging",
    "GetObjectVersionTagging",
)  # fmt: skip
READ: Final = tuple(f"s3:{name}" for name in (*LIST, *LOOK, *GET))
INSPECT: Final = ("s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration", "s3:GetBucketPublicAccessBlock")
WRITE: Final = (
    "s3:PutObject", "s3:PutObjectTagging", "s3:PutObjectVersionTagging", "s3:DeleteObject", "s3:DeleteObjectVersion",
    "s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging", "s3:AbortMultipartUpload",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket with its properties; lifecycle times are in days, 0 for none."""

    name: str
    data_type: str
    region: str = "us-east-1"
    is_versioned: bool = True
    noncurrent_days: int = 0
    expire_days: int = 0
    is_mutable: bool = False


BUCKETS: Final = (
    Bucket("quilt-mcp-test-data", "datasets", noncurrent_days=7),
    Bucket("quilt-mcp-test-scratch", "scratch", is_versioned=False, expire_days=1, is_mutable=True),
    Bucket("quilt-mcp-test-packages", "packages", noncurrent_days=30),
    Bucket("quilt-mcp-test-work", "packages", noncurrent_days=1, is_mutable=True),
    Bucket("quilt-mcp-test-perf", "performance"),
    Bucket("quilt-mcp-test-private", "private"),
    Bucket("quilt-mcp-test-west", "region", region="us-west-2"),
    Bucket("nightproof-analyticsbucket", "analytics", is_versioned=False),
)
_DATA, _SCRATCH, _PACKAGES, _WORK, _PERF, _PRIVATE, _WEST, _ANALYTICS = (bucket.name for bucket in BUCKETS)
EVERYTHING: Final = tuple(bucket.name for bucket in BUCKETS)

# role: (may read, may write)
ROLES: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "admin": (EVERYTHING, EVERYTHING),
    "user": ((_DATA, _SCRATCH, _PACKAGES, _WORK, _PERF, _WEST), (_SCRATCH, _WORK)),
    "viewer": ((_DATA, _PACKAGES, _PERF), ()),
    "power-user": ((_DATA, _SCRATCH, _PACKAGES, _WORK, _PERF, _WEST), (_SCRATCH, _WORK, _PERF)),
    "analyst": ((_DATA, _PACKAGES), ()),
    "editor": ((_DATA, _SCRATCH, _PACKAGES, _WORK), (_SCRATCH, _WORK)),
    "service": ((_DATA, _SCRATCH, _PACKAGES, _WORK), (_SCRATCH, _WORK)),
}


def bucket_statements(read: tuple[str, ...], write: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the IAM statements for reading and writing buckets."""
    statements = [_allow(READ, read)]
    return [*statements, _allow(WRITE, write)] if write else statements


def _allow(actions: tuple[str, ...], buckets: tuple[str, ...]) -> dict[str, Any]:
    resources = [f"arn:aws:s3:::{name}{suffix}" for name in buckets for suffix in ("", "/*")]
    return {"Effect": "Allow", "Action": list(actions), "Resource": resources}


def analytics_statements(*, may_write: bool = False) -> list[dict[str, Any]]:
    """Return the IAM statements for queries in Athena and for reading Glue.

    `may_write` adds changes of Glue tables and prepared statements.
    """
    changes = ["glue:CreateTable", "glue:UpdateTable", "glue:DeleteTable"] if may_write else []
    athena = ["StartQueryExecution", "GetQueryExecution", "GetQueryResults", "StopQueryExecution", "GetWorkGroup"]
    athena += ["BatchGetQueryExecution", "ListQueryExecutions", "GetPreparedStatement"]
    athena += ["CreatePreparedStatement", "DeletePreparedStatement"] if may_write else []
    athena += ["ListDatabases", "ListTableMetadata", "GetTableMetadata", "ListDataCatalogs"]
    glue = ["glue:GetDatabase", "glue:GetDatabases", "glue:GetTable", "glue:GetTables", "glue:GetPartitions", *changes]
    # ministack's resources contain neither workgroup nor database, so no ARN can narrow these actions.
    return [{"Effect": "Allow", "Action": [*(f"athena:{name}" for name in athena), *glue], "Resource": "*"}]


def policies_of_users(account: str) -> dict[str, list[dict[str, Any]]]:
    """Return the IAM statements of each user; no user acts as root."""
    roles = [f"arn:aws:iam::{account}:role/nightproof-{name}" for name in ROLES]
    return {
        "ci-runner": [
            *bucket_statements((_DATA, _SCRATCH, _PACKAGES, _WORK, _PERF, _WEST, _ANALYTICS), (_SCRATCH, _WORK)),
            *analytics_statements(may_write=True),
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": f"arn:aws:iam::{account}:role/{TEST_ROLE}"},
        ],
        "ci-seeder": [
            *bucket_statements(EVERYTHING, EVERYTHING),
            _allow(INSPECT, EVERYTHING),
            *analytics_statements(may_write=True),
        ],
        "catalog-service": [
            *bucket_statements(EVERYTHING, EVERYTHING),
            *analytics_statements(),
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": roles},
        ],
    }
