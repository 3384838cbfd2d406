"""A caller of Athena that submits statements with boto3, waits for them, and has its own tables in Glue and S3."""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING
from typing import Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from nightproof.target import Target

DATABASE = "quilt_mcp_test_db"
WORKGROUP = "quilt-mcp-test-workgroup"
WORK = "quilt-mcp-test-work"
SCRATCH = "quilt-mcp-test-scratch"
DEADLINE_S = 60
ROWS = [(i, f"n{i % 3}", i / 2, f"2024-01-{i % 28 + 1:02d} 10:00:00", f'{{"x": "y{i}"}}') for i in range(40)]
CONFIG = Config(retries={"total_max_attempts": 1})


class Querying:
    """A caller of Athena with one identity. `folder` is the S3 prefix of its tables."""

    def __init__(self, target: Target, keys: dict[str, str]) -> None:
        self.target = target
        self.url = target.aws_url
        self.keys = keys
        self.folder = f"tests/athena-{uuid.uuid4().hex}"
        self.athena = self.client("athena")

    def as_user(self, name: str) -> Querying:
        """Return a caller with the keys of another IAM user of the testbed."""
        return Querying(self.target, self.target.facts["credentials"][name])

    def client(self, service: str) -> Any:
        """Return a boto3 client with these keys and without retries."""
        return boto3.client(
            service,  # type: ignore[call-overload]  # a name at run time
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.keys["access_key_id"],
            aws_secret_access_key=self.keys["secret_access_key"],
            aws_session_token=self.keys.get("session_token"),
            config=CONFIG,
        )

    def start(self, sql: str, *parameters: str, **asked: Any) -> str:
        """Submit a statement and return its query id."""
        given = {"QueryExecutionContext": {"Database": DATABASE}, "WorkGroup": WORKGROUP} | asked
        if parameters:
            given["ExecutionParameters"] = list(parameters)
        query_id: str = self.athena.start_query_execution(QueryString=sql, **given)["QueryExecutionId"]
        return query_id

    def ended(self, query_id: str, deadline_s: float = DEADLINE_S) -> dict[str, Any]:
        """Wait until a query has ended and return its description. Fails after `deadline_s`."""
        deadline = time.monotonic() + deadline_s
        while True:
            execution: dict[str, Any] = self.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            if execution["Status"]["State"] not in {"QUEUED", "RUNNING"}:
                return execution
            assert time.monotonic() < deadline, execution
            time.sleep(0.01)

    def run(self, sql: str, *parameters: str, **asked: Any) -> dict[str, Any]:
        """Run a statement that must succeed and return its description."""
        execution = self.ended(self.start(sql, *parameters, **asked))
        assert execution["Status"]["State"] == "SUCCEEDED", (sql, execution["Status"])
        return execution

    def rows(self, sql: str, *parameters: str, **asked: Any) -> list[list[str | None]]:
        """Run a statement and return its rows, without the header row of a SELECT."""
        execution = self.run(sql, *parameters, **asked)
        answer = self.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
        rows = [[value.get("VarCharValue") for value in row["Data"]] for row in answer["ResultSet"]["Rows"]]
        return rows[1:] if execution["StatementType"] == "DML" else rows

    def row(self, sql: str, *parameters: str, **asked: Any) -> list[str | None]:
        """Run a statement with exactly one row and return it."""
        [row] = self.rows(sql, *parameters, **asked)
        return row

    def reason(self, sql: str, *parameters: str, **asked: Any) -> str:
        """Run a statement that must end FAILED and return the reason."""
        status = self.ended(self.start(sql, *parameters, **asked))["Status"]
        assert status["State"] == "FAILED", (sql, status)
        return str(status["StateChangeReason"])

    def name(self, stem: str) -> str:
        """Return a table name that only this caller uses."""
        return f"{stem}_{self.folder[-12:]}"

    def put(self, key: str, body: bytes) -> str:
        """Store an object under `folder` and return its location."""
        self.client("s3").put_object(Bucket=WORK, Key=f"{self.folder}/{key}", Body=body)
        return f"s3://{WORK}/{self.folder}/{key}"


def as_root(target: Target) -> Querying:
    """Return a caller with the keys of the account's root, for setup that no IAM user may do."""
    return Querying(target, {"access_key_id": "test", "secret_access_key": "test"})


def new_user(target: Target, *statements: dict[str, Any]) -> dict[str, str]:
    """Create an IAM user with a policy and return its keys."""
    iam, name = as_root(target).client("iam"), f"athena-{uuid.uuid4().hex[:12]}"
    iam.create_user(UserName=name)
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(document))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]}
