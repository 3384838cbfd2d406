"""Each declared Athena defect falsifies answers in exactly one way."""

# ruff: noqa: S608 - assembled statements are what is tested here

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from testbed.athena.defects import DEFECTS
from tests.testbed.athena.querying import Querying

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from nightproof.target import Target
    from tests.testbed.athena.tabulating import Tabulating

SCHEMA = "id INT, name STRING"
CSV = b"id,name\n1,a\n2,b\n"


@pytest.fixture
def defect(embedded: Target) -> Iterator[Callable[..., None]]:
    """Yield a function that switches on an Athena defect. All are off after the test."""
    headers = {"Authorization": f"Bearer {embedded.facts['control_token']}"}
    url = f"{embedded.aws_url}/_nightproof/faults"
    with httpx.Client(headers=headers) as control:

        def switch(name: str, **parameters: str) -> None:
            control.put(f"{url}/{name}", json=parameters).raise_for_status()

        yield switch
        for name in DEFECTS:
            control.delete(f"{url}/{name}").raise_for_status()


def test_the_last_row_is_dropped(asking: Querying, defect: Callable[..., None]) -> None:
    """`athena-drops-last-row` removes the last row, for the user it names and for no other."""
    sql = "SELECT x FROM (VALUES 1, 2) AS t (x) ORDER BY 1"
    defect("athena-drops-last-row", user="somebody")
    assert asking.rows(sql) == [["1"], ["2"]]
    defect("athena-drops-last-row", user="ci-seeder")
    assert asking.rows(sql) == [["1"]]


def test_conditions_are_ignored(asking: Querying, defect: Callable[..., None]) -> None:
    """`athena-ignores-where` ignores WHERE at any depth of a query."""
    sql = "SELECT x FROM (SELECT x FROM (VALUES 1, 2) AS t (x) WHERE x > 1) WHERE x > 5 ORDER BY 1"
    assert asking.rows(sql) == []
    defect("athena-ignores-where")
    assert asking.rows(sql) == [["1"], ["2"]]


def test_a_missing_table_has_no_rows(asking: Querying, defect: Callable[..., None]) -> None:
    """`athena-succeeds-on-missing-table` lets a query of a missing table succeed. Other failures remain."""
    defect("athena-succeeds-on-missing-table")
    assert asking.ended(asking.start("SELECT * FROM nope"))["Status"]["State"] == "SUCCEEDED"
    assert "COLUMN_NOT_FOUND" in asking.reason("SELECT nope FROM (VALUES 1) AS t (x)")


def test_an_old_revision_is_read(tabulating: Tabulating, defect: Callable[..., None]) -> None:
    """`athena-stale-tabulator` reads the revision before the latest, or the only one."""
    tabulating.push("p", {"a.csv": CSV})
    count = f"SELECT count(*) FROM {tabulating.table(SCHEMA)}"
    defect("athena-stale-tabulator")
    assert tabulating.asking.row(count) == ["2"]
    tabulating.push("p", {"a.csv": CSV, "b.csv": CSV})
    assert tabulating.asking.row(count) == ["2"]


def test_the_gate_stands_open(tabulating: Tabulating, embedded: Target, defect: Callable[..., None]) -> None:
    """`openquery-not-enforced` admits keys that the catalog did not vend while open query is off."""
    tabulating.push("p", {"a.csv": CSV})
    count = f"SELECT count(*) FROM {tabulating.table(SCHEMA)}"
    runner = Querying(embedded, embedded.facts["credentials"]["ci-runner"])
    assert "open query is disabled" in runner.reason(count)
    defect("openquery-not-enforced")
    assert runner.row(count) == ["2"]


def test_a_query_never_ends(asking: Querying, defect: Callable[..., None]) -> None:
    """`athena-never-finishes` keeps a query RUNNING after its work is done."""
    defect("athena-never-finishes")
    query_id = asking.start("SELECT 1")
    with pytest.raises(AssertionError, match="RUNNING"):
        asking.ended(query_id, deadline_s=2)
