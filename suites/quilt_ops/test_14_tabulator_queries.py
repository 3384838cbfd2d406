"""Open query: whether Tabulator accepts credentials that the catalog did not issue.

The whole catalog has one switch, and the cells of a night run side by side. Each test therefore holds the switch alone
(fixture `open_query`, by `suites._support.exclusive`). It starts from the state that it needs and restores the state
that it found. Only tests that hold the switch query Tabulator with the harness's credentials. All other queries use
credentials from the catalog, which work in both states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import boto3
import pytest

from nightproof import quilt
from nightproof.evidence import case
from nightproof.evidence import channel
from nightproof.evidence import observe
from suites._support.athena import Ended
from suites._support.athena import Tabulator

if TYPE_CHECKING:
    from suites._support.open_query import OpenQuery
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings

pytestmark = pytest.mark.xdist_group("openquery")

JOURNEY = "query-data"
NEEDS = ("admin", "write")
QUERY = ("admin", "write", "athena")
TABLE: Final = "simple_rows"


class Harness:
    """Counts the rows of a seeded table with the harness's own credentials, which the catalog did not issue."""

    def __init__(self, data_catalog: str, target: Settings) -> None:
        with channel("observer"):
            self._tabulator = Tabulator(boto3.client("athena"), data_catalog, target.time_factor)
        self._bucket = target.data

    def count(self) -> Ended:
        """Return the result of a row count."""
        with channel("observer"):
            return self._tabulator.count(self._bucket, TABLE)


@pytest.fixture
def harness(quilt_ops: quilt.QuiltOps, target: Settings) -> Harness:
    """Return queries with the harness's credentials."""
    return Harness(quilt_ops.get_catalog_config(target.catalog_url).tabulator_data_catalog, target)


def is_refused(ended: Ended) -> bool:
    """Return whether a query failed because open query is off."""
    return ended.state == "FAILED" and "open query is disabled" in ended.reason


@case(tier="high", category="tabulator", needs=NEEDS, journey=JOURNEY)
def test_open_query_status(admin_ops: quilt.QuiltOps, open_query: OpenQuery) -> None:
    """The status equals the state that was set, for off and for on."""
    open_query.write(enabled=False)
    assert admin_ops.get_open_query_status() == {"enabled": False}
    open_query.write(enabled=True)
    status = admin_ops.get_open_query_status()
    assert status == {"enabled": True}
    assert type(status["enabled"]) is bool


@case(tier="critical", category="tabulator", needs=QUERY, journey=JOURNEY)
def test_enable_open_query(admin_ops: quilt.QuiltOps, open_query: OpenQuery, harness: Harness, seeds: Seeds) -> None:
    """With open query on, credentials that the catalog did not issue can read tables; with it off they cannot."""
    open_query.write(enabled=False)
    closed = harness.count()
    assert is_refused(closed), closed
    assert admin_ops.set_open_query(True) == {"enabled": True}
    assert open_query.read() is True
    opened = harness.count()
    observe("rows", opened.rows)
    assert opened.state == "SUCCEEDED", opened.reason
    assert opened.rows == [[str(seeds.manifest["tables"][TABLE]["rows"])]]


@case(tier="critical", category="tabulator", needs=QUERY, journey=JOURNEY)
def test_disable_open_query(
    admin_ops: quilt.QuiltOps,
    open_query: OpenQuery,
    harness: Harness,
    tabulator: Tabulator,
    seeds: Seeds,
    target: Settings,
) -> None:
    """With open query off, only credentials that the catalog issued can read tables."""
    open_query.write(enabled=True)
    rows = [[str(seeds.manifest["tables"][TABLE]["rows"])]]
    opened = harness.count()
    assert opened.rows == rows, opened.reason
    assert admin_ops.set_open_query(False) == {"enabled": False}
    assert open_query.read() is False
    closed = harness.count()
    assert is_refused(closed), closed
    issued = tabulator.count(target.data, TABLE)
    observe("rows", issued.rows)
    assert issued.state == "SUCCEEDED", issued.reason
    assert issued.rows == rows


@case(tier="normal", category="tabulator", needs=NEEDS, journey=JOURNEY)
def test_set_open_query_is_idempotent(admin_ops: quilt.QuiltOps, open_query: OpenQuery, backend: str) -> None:
    """Setting the present state changes nothing, and a value that is not a boolean is rejected."""
    open_query.write(enabled=True)
    for enabled in (True, True, False, False):
        assert admin_ops.set_open_query(enabled) == {"enabled": enabled}
        assert open_query.read() is enabled
    word: Any = "yes"
    with pytest.raises(quilt.ValidationError) as caught:
        admin_ops.set_open_query(word)
    assert caught.type is quilt.ValidationError
    rule = caught.value.context["validation_rule"]
    assert rule != ""
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "set_open_query",
        "field_name": "enabled",
        "field_value": "yes",
        "validation_rule": rule,
    }
    assert open_query.read() is False
