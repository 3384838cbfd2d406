"""A query may do what its caller may: IAM decides on the request, Glue, the objects read and the result written."""

# ruff: noqa: S608 - assembled statements are what is tested here

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.testbed.athena.querying import DATABASE
from tests.testbed.athena.querying import SCRATCH
from tests.testbed.athena.querying import WORK
from tests.testbed.athena.querying import WORKGROUP
from tests.testbed.athena.querying import Querying
from tests.testbed.athena.querying import new_user

if TYPE_CHECKING:
    from nightproof.target import Target

PRIVATE = "quilt-mcp-test-private"


def allow(*actions: str, resource: str = "*") -> dict[str, Any]:
    """Return an IAM statement that allows the actions."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource}


QUERY = allow("athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults")
GLUE = allow("glue:GetTable", "glue:GetDatabase")
LIST = allow("s3:ListBucket", resource=f"arn:aws:s3:::{WORK}")
READ = allow("s3:GetObject", resource=f"arn:aws:s3:::{WORK}/*")
WRITE = allow("s3:PutObject", resource=f"arn:aws:s3:::{SCRATCH}/*")


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ((QUERY, GLUE, LIST, READ, WRITE), ""),
        ((QUERY, LIST, READ, WRITE), "glue:GetTable"),
        ((QUERY, GLUE, READ, WRITE), f"Access denied on S3 path: s3://{WORK}/"),
        ((QUERY, GLUE, LIST, WRITE), "PERMISSION_DENIED: Access denied on S3 path"),
        ((QUERY, GLUE, LIST, READ), f"Access denied when writing to location: s3://{SCRATCH}/athena-results/"),
    ],
)
def test_each_missing_right_is_named(
    embedded: Target, table: str, statements: tuple[dict[str, Any], ...], reason: str
) -> None:
    """A query with all rights succeeds, and without any one of them fails with a reason that names it."""
    caller = Querying(embedded, new_user(embedded, *statements))
    if reason:
        assert reason in caller.reason(f"SELECT count(*) FROM {table}")
    else:
        assert caller.row(f"SELECT count(*) FROM {table}") == ["40"]


def test_a_request_that_iam_refuses_makes_no_query(embedded: Target, asking: Querying, table: str) -> None:
    """Starting, reading, listing and stopping queries each need a right. A wrong secret is refused."""
    keys = new_user(embedded, GLUE, LIST, READ, WRITE)
    caller, query_id = Querying(embedded, keys), asking.start(f"SELECT count(*) FROM {table}")
    asking.ended(query_id)
    athena, tampered = caller.athena, Querying(embedded, keys | {"secret_access_key": "x" * 40})
    for call, code in (
        (lambda: caller.start("SELECT 1"), "AccessDeniedException"),
        (lambda: athena.get_query_execution(QueryExecutionId=query_id), "AccessDeniedException"),
        (lambda: athena.get_query_results(QueryExecutionId=query_id), "AccessDeniedException"),
        (lambda: athena.stop_query_execution(QueryExecutionId=query_id), "AccessDeniedException"),
        (lambda: athena.list_query_executions(WorkGroup=WORKGROUP), "AccessDeniedException"),
        (lambda: tampered.start("SELECT 1"), "InvalidSignatureException"),
    ):
        with pytest.raises(ClientError) as refused:
            call()
        assert refused.value.response["Error"]["Code"] == code


def test_the_runner_reads_no_private_bucket(asking: Querying) -> None:
    """A table over a private bucket returns rows to a user who may read the bucket and fails for one who may not."""
    name, runner = asking.name("private"), asking.as_user("ci-runner")
    key = f"{asking.folder}/private/a.csv"
    asking.client("s3").put_object(Bucket=PRIVATE, Key=key, Body=b"1\n2\n")
    asking.run(f"CREATE EXTERNAL TABLE {name} (id int) LOCATION 's3://{PRIVATE}/{asking.folder}/private/'")
    assert asking.rows(f"SELECT id FROM {name} ORDER BY 1") == [["1"], ["2"]]
    assert f"Access denied on S3 path: s3://{PRIVATE}/" in runner.reason(f"SELECT id FROM {name}")
    asking.run(f"DROP TABLE {name}")


def test_the_runner_may_ask_make_and_drop(asking: Querying, table: str) -> None:
    """The night's identity `ci-runner` may query, create and drop tables, and use prepared statements."""
    runner = asking.as_user("ci-runner")
    name = runner.name("runner")
    runner.run(f"CREATE TABLE {name} AS SELECT id FROM {table} WHERE id < 3")
    assert runner.rows(f"SELECT id FROM {name} ORDER BY id") == [["0"], ["1"], ["2"]]
    runner.run(f"DROP TABLE {name}")
    runner.run("PREPARE runners FROM SELECT 1")
    assert runner.row("EXECUTE runners") == ["1"]
    runner.run("DEALLOCATE PREPARE runners")


def test_who_may_not_change_glue_makes_and_drops_nothing(embedded: Target, asking: Querying, table: str) -> None:
    """A caller with only read rights can query, but cannot drop a table or create a view or prepared statement."""
    reader = Querying(embedded, new_user(embedded, QUERY, GLUE, LIST, READ, WRITE))
    assert reader.row(f"SELECT count(*) FROM {table}") == ["40"]
    assert "glue:DeleteTable" in reader.reason(f"DROP TABLE {table}")
    assert "glue:CreateTable" in reader.reason("CREATE VIEW not_made AS SELECT 1 AS a")
    assert "athena:CreatePreparedStatement" in reader.reason("PREPARE not_made FROM SELECT 1")
    assert asking.row(f"SELECT count(*) FROM {table}") == ["40"]


def test_session_keys_narrow_a_query(embedded: Target, asking: Querying, table: str) -> None:
    """Credentials of an assumed role work, and its session policy restricts the query."""
    sts = asking.as_user("ci-runner").client("sts")
    account = sts.get_caller_identity()["Account"]
    role = {"RoleArn": f"arn:aws:iam::{account}:role/quilt-mcp-test-role", "RoleSessionName": "athena"}
    no_objects = json.dumps({"Version": "2012-10-17", "Statement": [allow("athena:*", "glue:*")]})

    def session(**narrowed: str) -> Querying:
        given = sts.assume_role(**role, **narrowed)["Credentials"]
        return Querying(
            embedded,
            {
                "access_key_id": given["AccessKeyId"],
                "secret_access_key": given["SecretAccessKey"],
                "session_token": given["SessionToken"],
            },
        )

    assert session().row(f"SELECT count(*) FROM {table}") == ["40"]
    assert "Access denied on S3 path" in session(Policy=no_objects).reason(f"SELECT count(*) FROM {table}")
    assert DATABASE in [row[0] for row in session().rows("SHOW DATABASES")]
