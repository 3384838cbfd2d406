"""Fixtures of Athena's tests: a caller, and a table on real CSV objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.testbed.athena.querying import ROWS
from tests.testbed.athena.querying import WORK
from tests.testbed.athena.querying import Querying
from tests.testbed.athena.tabulating import Tabulating
from tests.testbed.catalog.calling import Calling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nightproof.target import Target


@pytest.fixture(scope="session")
def asking(embedded: Target) -> Querying:
    """Give a caller that may read, write and change Glue."""
    return Querying(embedded, embedded.facts["credentials"]["ci-seeder"])


@pytest.fixture(scope="session")
def table(asking: Querying) -> str:
    """Make a table on two CSV objects with headers, by CREATE EXTERNAL TABLE; give its name."""
    name = asking.name("events")
    for number in (0, 1):
        lines = ["id,name,value,ts,j", *(",".join(map(str, row)) for row in ROWS[number::2])]
        asking.put(f"csv/part {number}.csv", "\n".join(lines).encode() + b"\n")
    asking.put("csv/_SUCCESS", b"not data\n")
    asking.run(
        f"CREATE EXTERNAL TABLE IF NOT EXISTS {name} (id int, name string, value double, ts timestamp, j string) "
        f"ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://{WORK}/{asking.folder}/csv/' "
        "TBLPROPERTIES ('skip.header.line.count'='1')"
    )
    return name


@pytest.fixture(scope="session")
def calling(embedded: Target) -> Iterator[Calling]:
    """Give a caller of the catalog."""
    calling = Calling(embedded)
    yield calling
    calling.http.close()


@pytest.fixture(scope="session")
def lent(calling: Calling) -> Querying:
    """Give a caller with keys that the catalog lent to the test user; one for all, because clients are slow to make."""
    return Tabulating.lent_to(calling, "test-user")


@pytest.fixture
def tabulating(calling: Calling, lent: Querying) -> Iterator[Tabulating]:
    """Give packages and tables of the test's own, with open query off; tables and switch are put back."""
    made = Tabulating(calling, lent)
    made.open(enabled=False)
    yield made
    made.remove()
