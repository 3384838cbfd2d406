"""`athena-never-finishes` limited to one user, whose query can still be stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import httpx

if TYPE_CHECKING:
    from tests.testbed.athena.querying import Querying

NAME = "athena-never-finishes"


def test_an_endless_query_can_be_stopped(asking: Querying) -> None:
    """The named user's query runs until it is cancelled.

    Other users' queries end, and so do his once the fault is off.
    """
    headers = {"Authorization": f"Bearer {asking.target.facts['control_token']}"}

    def switch(method: str, parameters: Any = None) -> None:
        url = f"{asking.url}/_nightproof/faults/{NAME}"
        httpx.request(method, url, headers=headers, json=parameters).raise_for_status()

    def state(query_id: str) -> str:
        found = asking.athena.get_query_execution(QueryExecutionId=query_id)
        return str(found["QueryExecution"]["Status"]["State"])

    switch("PUT", {"user": "ci-seeder"})
    try:
        endless, other = asking.start("SELECT 1"), asking.as_user("ci-runner")
        assert other.ended(other.start("SELECT 2"))["Status"]["State"] == "SUCCEEDED"
        assert state(endless) in {"QUEUED", "RUNNING"}
        asking.athena.stop_query_execution(QueryExecutionId=endless)
        assert state(endless) == "CANCELLED"
    finally:
        switch("DELETE")
    assert asking.ended(asking.start("SELECT 3"))["Status"]["State"] == "SUCCEEDED"
