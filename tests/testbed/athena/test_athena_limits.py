"""Limits of one query: memory, time, result and file size, and the number of concurrent and kept queries."""

# ruff: noqa: S608 - assembled statements are what is tested here

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from testbed.athena import executions as module
from testbed.athena.account import Keys
from testbed.athena.account import Surroundings
from testbed.athena.engine import Limits
from testbed.athena.executions import Executions
from testbed.athena.failures import InvalidRequestError
from testbed.athena.running import Asked
from tests.testbed.athena.querying import DATABASE
from tests.testbed.athena.querying import WORK
from tests.testbed.athena.querying import Querying

if TYPE_CHECKING:
    from testbed.athena.executions import Execution

ENDLESS = (
    "SELECT count(*) FROM {t} a, {t} b, {t} c, {t} d, {t} e, {t} f, {t} g WHERE "
    + " + ".join(f"{alias}.id" for alias in "abcdefg")
    + " = -1"
)
DEADLINE_S = 30


class Bounded:
    """Executions in this process, with limits set by the test, over the testbed's S3 and Glue."""

    def __init__(self, asking: Querying, limits: Limits) -> None:
        self.executions = Executions(Surroundings(asking.url), limits)
        self._keys = Keys(asking.keys["access_key_id"], asking.keys["secret_access_key"])
        self._output = f"s3://{WORK}/{asking.folder}/bounded/"

    def start(self, sql: str) -> Execution:
        """Submit a statement."""
        asked = Asked(text=sql, values=(), database=DATABASE, workgroup="w", output=self._output)
        return self.executions.start(asked, self._keys)

    def run(self, sql: str) -> Execution:
        """Submit a statement and wait for its end."""
        return self.ended(self.start(sql))

    def ended(self, execution: Execution) -> Execution:
        """Wait until an execution has ended."""
        await_that(lambda: execution.state in module.FINAL)
        return execution


def await_that(condition: object) -> None:
    """Poll until a condition holds. Fails after `DEADLINE_S`."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():  # type: ignore[operator]  # always a function
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.01)


def test_time_is_bounded(asking: Querying, table: str) -> None:
    """A query that would take years fails at its time limit and states the limit."""
    began = time.monotonic()
    ended = Bounded(asking, Limits(seconds=0.6)).run(ENDLESS.replace("{t}", table))
    assert (ended.state, ended.reason) == (
        "FAILED",
        "EXCEEDED_TIME_LIMIT: Query exceeded the maximum run time of 0.6 s",
    )
    assert time.monotonic() - began < 10


def test_memory_is_bounded(asking: Querying, table: str) -> None:
    """A query that exceeds the memory limit fails, and nothing is spilt to disk."""
    bounded = Bounded(asking, Limits(memory="150MB"))
    large = (
        f"SELECT count(*) FROM (SELECT DISTINCT a.j, b.j, c.j, d.id FROM {table} a, {table} b, {table} c, {table} d)"
    )
    assert "EXCEEDED_LOCAL_MEMORY_LIMIT" in bounded.run(large).reason
    assert bounded.run(f"SELECT count(*) FROM {table}").state == "SUCCEEDED"


def test_the_result_is_bounded(asking: Querying, table: str) -> None:
    """A result above the size limit fails the query, because results are held in memory."""
    bounded = Bounded(asking, Limits(result_bytes=10_000))
    assert "EXCEEDED_RESULT_LIMIT" in bounded.run(f"SELECT a.j FROM {table} a, {table} b").reason
    assert bounded.run(f"SELECT j FROM {table}").state == "SUCCEEDED"


def test_a_new_table_is_bounded(asking: Querying, table: str) -> None:
    """A CREATE TABLE AS whose file exceeds the limit fails and creates no table."""
    bounded, name = Bounded(asking, Limits(file_bytes=100_000)), asking.name("large")
    sql = f"SELECT a.j AS a, b.j AS b, c.id * random() AS c FROM {table} a, {table} b, {table} c"
    ended = bounded.run(f"CREATE TABLE {name} WITH (format = 'JSON') AS {sql}")
    assert "EXCEEDED_FILE_SIZE_LIMIT" in ended.reason
    assert "TABLE_NOT_FOUND" in asking.reason(f"DESCRIBE {name}")


def test_a_running_query_is_cancelled(asking: Querying, table: str) -> None:
    """A query stopped by the API is CANCELLED at once and has no result. Another stop does no harm."""
    query_id = asking.start(ENDLESS.replace("{t}", table))

    def state() -> str:
        status = asking.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]["Status"]
        return str(status["State"])

    await_that(lambda: state() == "RUNNING")
    with pytest.raises(asking.athena.exceptions.InvalidRequestException, match="Current state: RUNNING"):
        asking.athena.get_query_results(QueryExecutionId=query_id)
    asking.athena.stop_query_execution(QueryExecutionId=query_id)
    assert state() == "CANCELLED"
    assert asking.ended(query_id)["Status"]["StateChangeReason"] == "Query cancelled by user"
    asking.athena.stop_query_execution(QueryExecutionId=query_id)
    assert asking.row(f"SELECT count(*) FROM {table}") == ["40"]


def test_a_cancelled_query_frees_its_turn(asking: Querying, table: str) -> None:
    """Queries above the concurrency limit wait QUEUED. One cancelled in the queue never runs, and no thread is left."""
    before = threading.active_count()
    bounded = Bounded(asking, Limits(seconds=DEADLINE_S))
    running = [bounded.start(ENDLESS.replace("{t}", table)) for _ in range(module.RUNNING_AT_ONCE)]
    await_that(lambda: all(execution.state == "RUNNING" for execution in running))
    waiting, dropped = bounded.start("SELECT 1"), bounded.start("SELECT 2")
    bounded.executions.stop(dropped.id)
    assert (waiting.state, dropped.started) == ("QUEUED", 0.0)
    for execution in running:
        bounded.executions.stop(execution.id)
    assert bounded.ended(waiting).state == "SUCCEEDED"
    await_that(lambda: threading.active_count() <= before)
    assert (dropped.state, dropped.started) == ("CANCELLED", 0.0)


def test_the_number_of_queries_is_bounded(asking: Querying, monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    """Too many unfinished queries are refused. Of the ended ones, the oldest lose their result or are forgotten."""
    monkeypatch.setattr(module, "UNFINISHED", 1)
    monkeypatch.setattr(module, "KEPT", 2)
    bounded = Bounded(asking, Limits(seconds=DEADLINE_S))
    first = bounded.start(ENDLESS.replace("{t}", table))
    with pytest.raises(InvalidRequestError, match="Too many queries"):
        bounded.start("SELECT 1")
    bounded.executions.stop(first.id)
    monkeypatch.setattr(module, "KEPT_BYTES", 100)
    second, third = bounded.run("SELECT 2"), bounded.run("SELECT 3")
    assert bounded.executions.newest_first("w") == [third.id, second.id]
    assert third.outcome is not None
    assert second.outcome is None


def test_what_nobody_foresaw_ends_a_query_too(asking: Querying, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception fails the query, so that it does not stay RUNNING for ever."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "account_of", broken)
    assert Bounded(asking, Limits()).run("SELECT 1").reason.startswith("GENERIC_INTERNAL_ERROR: ZeroDivisionError")
