"""Fixtures of the Athena tests: callers with different keys, and a table over real CSV objects."""

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
    """Return a caller that may read, write and change Glue."""
    return Querying(embedded, embedded.facts["credentials"]["ci-seeder"])


@pytest.fixture(scope="session")
def table(asking: Querying) -> str:
    """Create a table over two CSV objects with header lines, by CREATE EXTERNAL TABLE, and return its name."""
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
    """Yield a caller of the catalog."""
    calling = Calling(embedded)
    yield calling
    calling.http.close()


@pytest.fixture(scope="session")
def lent(calling: Calling) -> Querying:
    """Return a caller with the credentials that the catalog vends to the test user.

    One per session: clients are slow to create.
    """
    return Tabulating.lent_to(calling, "test-user")


@pytest.fixture
def tabulating(calling: Calling, lent: Querying) -> Iterator[Tabulating]:
    """Yield a maker of packages and tables for this test, with open query off.

    Tables and switch are reset afterwards.
    """
    made = Tabulating(calling, lent)
    made.open(enabled=False)
    yield made
    made.remove()
