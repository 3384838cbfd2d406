"""The query operations answer as Athena's do: paging, result locations, errors, and entries in the call log."""

# ruff: noqa: S608 - assembled statements are what is tested here

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING
from typing import Any

import pytest
from botocore.exceptions import ClientError

from testbed.athena.account import Surroundings
from testbed.athena.api import Athena
from testbed.athena.executions import Executions
from testbed.aws.selftest import SelfTestError
from testbed.aws.selftest import self_test
from tests.testbed.athena.querying import DATABASE
from tests.testbed.athena.querying import SCRATCH
from tests.testbed.athena.querying import WORK
from tests.testbed.athena.querying import WORKGROUP
from tests.testbed.athena.querying import Querying
from tests.testbed.aws.asking import Asking

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.target import Target

ELSEWHERE = {"WorkGroup": "primary"}


def refusal(call: Callable[[], object], code: str = "InvalidRequestException") -> str:
    """Return the message of a request that must be refused with the error `code`."""
    with pytest.raises(ClientError) as refused:
        call()
    assert refused.value.response["Error"]["Code"] == code
    return str(refused.value.response["Error"]["Message"])


def test_results_come_in_pages(asking: Querying, table: str) -> None:
    """Paged results return the header once, in the first page, and then every row once, in order."""
    query_id = asking.start(f"SELECT id FROM {table} ORDER BY id")
    asking.ended(query_id)
    pages = asking.athena.get_paginator("get_query_results").paginate(
        QueryExecutionId=query_id, PaginationConfig={"PageSize": 7}
    )
    sizes, values = [], []
    for page in pages:
        sizes.append(len(page["ResultSet"]["Rows"]))
        values += [row["Data"][0]["VarCharValue"] for row in page["ResultSet"]["Rows"]]
    assert sizes == [7, 7, 7, 7, 7, 6]
    assert values == ["id", *map(str, range(40))]
    ask = asking.athena.get_query_results
    assert "NextToken" in refusal(lambda: ask(QueryExecutionId=query_id, NextToken="none"))
    assert "NextToken" in refusal(lambda: ask(QueryExecutionId=query_id, NextToken="4000"))
    assert "MaxResults" in refusal(lambda: ask(QueryExecutionId=query_id, MaxResults=1001))


def test_the_description_is_whole(asking: Querying, table: str) -> None:
    """A query's description holds statement, context, parameters, state, times and the bytes scanned."""
    sql = f"SELECT count(*) FROM {table} WHERE id > ?"
    execution = asking.run(sql, "3")
    assert execution["Query"] == sql
    assert (execution["StatementType"], execution["WorkGroup"]) == ("DML", WORKGROUP)
    assert execution["QueryExecutionContext"] == {"Database": DATABASE, "Catalog": "AwsDataCatalog"}
    assert execution["ExecutionParameters"] == ["3"]
    assert execution["Status"]["CompletionDateTime"] >= execution["Status"]["SubmissionDateTime"]
    listed = asking.client("s3").list_objects_v2(Bucket=WORK, Prefix=f"{asking.folder}/csv/part")["Contents"]
    assert execution["Statistics"]["DataScannedInBytes"] == sum(entry["Size"] for entry in listed)
    assert execution["Statistics"]["TotalExecutionTimeInMillis"] >= execution["Statistics"]["QueryQueueTimeInMillis"]
    failed = asking.ended(asking.start("SELECT * FROM nope"))["Status"]
    assert failed["AthenaError"]["ErrorMessage"] == failed["StateChangeReason"]


def test_the_result_is_a_csv_where_the_workgroup_says(asking: Querying) -> None:
    """An enforced workgroup location overrides the caller's. NULL is an empty field, and a quote is doubled."""
    own = {"ResultConfiguration": {"OutputLocation": f"s3://{WORK}/{asking.folder}/mine/"}}
    sql = "SELECT 1 AS a, 'x\"y' AS b, NULL AS c, '' AS d"
    for asked, place in (
        ({}, f"s3://{SCRATCH}/athena-results/"),
        (ELSEWHERE, own["ResultConfiguration"]["OutputLocation"]),
    ):
        execution = asking.run(sql, **own, **asked)
        location = execution["ResultConfiguration"]["OutputLocation"]
        assert location == f"{place}{execution['QueryExecutionId']}.csv"
        bucket, _, key = location.removeprefix("s3://").partition("/")
        body = asking.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        assert body == b'"a","b","c","d"\n"1","x""y",,""\n'


def test_a_listing_is_written_as_plain_text(asking: Querying, table: str) -> None:
    """The result of SHOW COLUMNS is a .txt object of lines without a header."""
    location = asking.run(f"SHOW COLUMNS IN {table}")["ResultConfiguration"]["OutputLocation"]
    bucket, _, key = location.removeprefix("s3://").partition("/")
    assert key.endswith(".txt")
    assert asking.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read() == b"id\nname\nvalue\nts\nj\n"


def test_executions_are_listed_newest_first(asking: Querying) -> None:
    """Executions are listed per workgroup and in pages, newest first. A batch returns unknown ids as unprocessed."""
    where = {"ResultConfiguration": {"OutputLocation": f"s3://{SCRATCH}/{asking.folder}"}, **ELSEWHERE}
    ids = [asking.start("SELECT 1", **where) for _ in range(3)]
    first = asking.athena.list_query_executions(WorkGroup="primary", MaxResults=2)
    second = asking.athena.list_query_executions(WorkGroup="primary", NextToken=first["NextToken"])
    assert [*first["QueryExecutionIds"], *second["QueryExecutionIds"]][:3] == ids[::-1]
    assert ids[0] not in asking.athena.list_query_executions(WorkGroup=WORKGROUP)["QueryExecutionIds"]
    unknown = str(uuid.uuid4())
    batch = asking.athena.batch_get_query_execution(QueryExecutionIds=[ids[0], unknown])
    assert [execution["QueryExecutionId"] for execution in batch["QueryExecutions"]] == [ids[0]]
    assert [entry["QueryExecutionId"] for entry in batch["UnprocessedQueryExecutionIds"]] == [unknown]


def test_a_repeated_token_gives_the_same_query(asking: Querying) -> None:
    """A repeated client token returns the same query, and is refused with another statement."""
    token = uuid.uuid4().hex
    first = asking.start("SELECT 1", ClientRequestToken=token)
    assert asking.start("SELECT 1", ClientRequestToken=token) == first
    assert "do not match" in refusal(lambda: asking.start("SELECT 2", ClientRequestToken=token))


def test_what_cannot_be_asked_is_refused_at_once(asking: Querying) -> None:
    """A request with an invalid location, workgroup, statement or query id is refused at once.

    So is the result of a failed query.
    """
    athena, failed = asking.athena, asking.start("SELECT * FROM nope")
    asking.ended(failed)
    assert "No output location" in refusal(lambda: asking.start("SELECT 1", **ELSEWHERE))
    bad = {"ResultConfiguration": {"OutputLocation": "http://x/"}}
    assert "no S3 location" in refusal(lambda: asking.start("SELECT 1", **bad, **ELSEWHERE))
    assert "nobodys is not found" in refusal(lambda: asking.start("SELECT 1", WorkGroup="nobodys"))
    assert "QueryString" in refusal(lambda: asking.start("   "))
    assert "QueryString" in refusal(lambda: asking.start(f"SELECT {'1+' * 131_072}1"))
    assert "was not found" in refusal(lambda: athena.get_query_execution(QueryExecutionId="x"))
    assert "was not found" in refusal(lambda: athena.stop_query_execution(QueryExecutionId="x"))
    assert "Final query state: FAILED" in refusal(lambda: athena.get_query_results(QueryExecutionId=failed))
    assert "between 1 and 50" in refusal(lambda: athena.batch_get_query_execution(QueryExecutionIds=["x"] * 51))


def test_the_other_operations_stay(asking: Querying) -> None:
    """Database names and workgroups come from the emulator."""
    databases = asking.athena.list_databases(CatalogName="AwsDataCatalog")["DatabaseList"]
    assert DATABASE in [database["Name"] for database in databases]
    configuration = asking.athena.get_work_group(WorkGroup=WORKGROUP)["WorkGroup"]["Configuration"]
    assert configuration["EnforceWorkGroupConfiguration"] is True


def test_queries_are_in_the_call_log(embedded: Target, table: str) -> None:
    """The call log holds a query's operation, caller and test. An injected fault on it is answered as an error."""
    aws = Asking(embedded)
    athena = aws.client("athena", "ci-runner")
    where = {"QueryExecutionContext": {"Database": DATABASE}, "WorkGroup": WORKGROUP}
    calls = aws.calls(
        athena, lambda: athena.start_query_execution(QueryString=f"SELECT count(*) FROM {table}", **where)
    )
    assert [(call["operation"], call["user"], call["status"]) for call in calls] == [
        ("athena:StartQueryExecution", "ci-runner", 200)
    ]
    assert calls[0]["channel"] == "subject"
    aws.control("PUT", "faults/error", {"operation": "athena:GetQueryResults", "status": 400, "code": "Injected"})
    try:
        refusal(lambda: athena.get_query_results(QueryExecutionId="x"), "Injected")
    finally:
        aws.control("DELETE", "faults/error")


def test_the_self_test_asks_a_query(embedded: Target) -> None:
    """The self-test passes on a sound service and names the check that fails under a fault."""
    aws, keys = Asking(embedded), embedded.facts["credentials"]
    self_test(aws.url, keys)
    aws.control("PUT", "faults/error", {"operation": "athena:GetQueryResults", "status": 400, "code": "Injected"})
    try:
        with pytest.raises(SelfTestError, match="of queries ended with ClientError"):
            self_test(aws.url, keys)
    finally:
        aws.control("DELETE", "faults/error")


async def _others(*asked: Any) -> tuple[int, dict[str, str], bytes]:
    """Answer in place of the emulator with a workgroup that is disabled."""
    assert asked[2]["x-amz-target"].endswith("GetWorkGroup")
    return 200, {}, b'{"WorkGroup": {"State": "DISABLED"}}'


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", b"SerializationException"),
        (b"[]", b"SerializationException"),
        (b'{"QueryString": "SELECT 1"}', b"WorkGroup primary is disabled."),
    ],
)
def test_damaged_requests_and_disabled_workgroups_are_refused(body: bytes, said: bytes) -> None:
    """A damaged request, or one for a disabled workgroup, is refused with status 400 and its reason."""
    athena = Athena(
        _others, Executions(Surroundings("http://127.0.0.1:9")), lambda _: pytest.fail("no keys are needed")
    )
    handling = athena.handle("POST", "/", {"x-amz-target": "AmazonAthena.StartQueryExecution"}, body, {})
    with pytest.raises(StopIteration) as answered:
        handling.send(None)
    assert answered.value.value[0] == 400
    assert said in answered.value.value[2]
