"""SQL on Athena: submit a statement, wait for its end, read every page of its result."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import Final

from nightproof.quilt import BackendError
from suites._support.waiting import wait_for

DEADLINE_S: Final = 60
EVERY_S: Final = 0.2
ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})


@dataclass(frozen=True)
class Ended:
    """A finished statement: Athena's description of its execution, and columns and rows if it succeeded."""

    execution: dict[str, Any]
    columns: list[dict[str, Any]] = field(default_factory=list)
    rows: list[list[str | None]] = field(default_factory=list)

    @property
    def state(self) -> str:
        """Return the final state: `SUCCEEDED`, `FAILED` or `CANCELLED`."""
        return str(self.execution["Status"]["State"])

    @property
    def reason(self) -> str:
        """Return Athena's reason for the failure, or an empty string if there is none."""
        return str(self.execution["Status"].get("StateChangeReason", ""))

    @property
    def names(self) -> list[str]:
        """Return the column names, in the order of the result."""
        return [column["Name"] for column in self.columns]


class Tabulator:
    """SQL on the catalog's Tabulator tables, with the AWS credentials of one identity."""

    def __init__(self, client: Any, data_catalog: str, time_factor: float) -> None:
        self._client = client
        self._data_catalog = data_catalog
        self._time_factor = time_factor

    def query(self, sql: str) -> Ended:
        """Run a statement to its end and return its execution, columns and rows."""
        return query(self._client, sql, time_factor=self._time_factor)

    def place(self, bucket: str, table: str) -> str:
        """Return a table's full name in the catalog's data catalog, quoted."""
        return f'"{self._data_catalog}"."{bucket}"."{table}"'

    def count(self, bucket: str, table: str) -> Ended:
        """Return the result of a row count over a table."""
        return self.query(f"SELECT count(*) FROM {self.place(bucket, table)}")  # noqa: S608 - the test made the names


def query(client: Any, sql: str, *, time_factor: float = 1.0, deadline_s: float = DEADLINE_S, **more: Any) -> Ended:
    """Run a statement in the target's workgroup to its end; `more` goes into StartQueryExecution.

    A statement that runs longer than `deadline_s` times `time_factor` is stopped. A BackendError of kind `timeout`
    then names it.

    Athena sends a header row before the rows of a query. The header is checked against the column names and left out;
    a difference raises ValueError.
    """
    workgroup = os.environ.get("ATHENA_WORKGROUP", "primary")
    started = client.start_query_execution(QueryString=sql, WorkGroup=workgroup, **more)["QueryExecutionId"]

    def ended() -> dict[str, Any] | None:
        execution: dict[str, Any] = client.get_query_execution(QueryExecutionId=started)["QueryExecution"]
        return execution if execution["Status"]["State"] in ENDED else None

    limit_s, began = deadline_s * time_factor, time.monotonic()
    try:
        execution = wait_for(f"the end of {started}", ended, deadline_s=limit_s, every_s=EVERY_S)
    except TimeoutError as error:
        client.stop_query_execution(QueryExecutionId=started)
        context = {"operation": "query", "query_id": started, "kind": "timeout", "timeout_s": limit_s}
        context |= {"elapsed_s": time.monotonic() - began, "original_exception": f"TimeoutError: {error}"}
        raise BackendError(f"Athena did not end `{sql[:80]}` within {limit_s:g} s. It was stopped.", context) from error
    if execution["Status"]["State"] != "SUCCEEDED":
        return Ended(execution)
    pages = list(client.get_paginator("get_query_results").paginate(QueryExecutionId=started))
    columns = pages[0]["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    rows = [[cell.get("VarCharValue") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]
    if execution["StatementType"] != "DML":
        return Ended(execution, columns, rows)
    names = [column["Name"] for column in columns]
    if rows[:1] != [names]:
        raise ValueError(f"The first row of `{sql}` is {rows[:1]} instead of the columns' names {names}.")
    return Ended(execution, columns, rows[1:])
