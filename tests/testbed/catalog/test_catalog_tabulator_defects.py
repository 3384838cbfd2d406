"""Each defect of Tabulator tables and of open query makes the catalog wrong in exactly one way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from typing import Any

import pytest
from quilt3.admin.exceptions import Quilt3AdminError

from tests.testbed.catalog.calling import SCRATCH
from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from tests.testbed.catalog.calling import Calling

CONFIG = """schema: [{name: %s, type: INT}]
source: {type: quilt-packages, package_name: ^a/b$, logical_key: c}
parser: {format: csv}
"""
A, B, C = (CONFIG % name for name in ("a", "b", "c"))


@pytest.fixture
def tabulator(catalog: Calling, admin: Any) -> Iterator[Any]:
    """Yield quilt3's admin client with the tables `a` and `b`.

    Tables and the open query setting are removed afterwards.
    """
    catalog.sql("DELETE FROM tabulator_tables")
    admin.tabulator.set_table(WORK, "a", A)
    admin.tabulator.set_table(WORK, "b", B)
    yield admin.tabulator
    catalog.sql("DELETE FROM tabulator_tables")
    catalog.sql("DELETE FROM settings WHERE name = 'tabulator-open-query'")


def listed(tabulator: Any, bucket: str = WORK) -> dict[str, str]:
    """Return the configurations of a bucket's tables by name."""
    return {table.name: table.config for table in tabulator.list_tables(bucket)}


@pytest.mark.parametrize(
    ("defect", "bucket", "expected"),
    [
        ("tabulator-list-drops-one", WORK, {"a": A}),
        ("tabulator-list-all-buckets", SCRATCH, {"a": A, "b": B}),
        ("tabulator-returns-wrong-table", WORK, {"a": B, "b": A}),
    ],
)
def test_lists_lie(
    tabulator: Any, switch: Callable[..., None], defect: str, bucket: str, expected: dict[str, str]
) -> None:
    """A list defect falsifies the tables that are listed."""
    switch(defect)
    assert listed(tabulator, bucket) == expected


@pytest.mark.parametrize(
    ("defect", "expected"),
    [
        ("tabulator-set-not-stored", {"b": B}),
        ("tabulator-update-ignored", {"b": B, "c": C}),
        ("tabulator-delete-noop", {"a": A, "b": C, "c": C}),
    ],
)
def test_writes_are_lost(tabulator: Any, switch: Callable[..., None], defect: str, expected: dict[str, str]) -> None:
    """Each write defect silently loses one kind of change: creating `c`, replacing `b` or removing `a`."""
    switch(defect)
    tabulator.set_table(WORK, "c", C)
    tabulator.set_table(WORK, "b", C)
    tabulator.set_table(WORK, "a", None)
    assert listed(tabulator) == expected


def test_any_text_is_taken(tabulator: Any, switch: Callable[..., None]) -> None:
    """`tabulator-accepts-invalid-config` stores a configuration unchecked."""
    switch("tabulator-accepts-invalid-config")
    tabulator.set_table(WORK, "c", "schema: [")
    assert listed(tabulator)["c"] == "schema: ["


def test_renames_lie(tabulator: Any, switch: Callable[..., None]) -> None:
    """`tabulator-rename-copies` keeps the old name, and `tabulator-rename-overwrites` replaces an existing table."""
    switch("tabulator-rename-copies")
    tabulator.rename_table(WORK, "a", "c")
    assert listed(tabulator) == {"a": A, "b": B, "c": A}
    with pytest.raises(Quilt3AdminError):
        tabulator.rename_table(WORK, "a", "b")
    switch("tabulator-rename-overwrites")
    tabulator.rename_table(WORK, "c", "b")
    assert listed(tabulator)["b"] == A


def test_writers_lose_each_other(tabulator: Any, switch: Callable[..., None]) -> None:
    """`tabulator-loses-concurrent-write` loses one of two concurrent writes, and none of successive ones."""
    switch("tabulator-loses-concurrent-write")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: tabulator.set_table(WORK, name, C), ["c", "d"]))
    assert len(listed(tabulator)) == 3
    tabulator.set_table(WORK, "e", C)
    assert len(listed(tabulator)) == 4


def test_open_query_lies(tabulator: Any, switch: Callable[..., None], catalog: Calling) -> None:
    """The open query defects ignore a change, set the opposite state, or always report it as on."""
    switch("openquery-set-noop")
    tabulator.set_open_query(True)
    assert tabulator.get_open_query() is False
    catalog.control("DELETE", "faults/openquery-set-noop")
    switch("openquery-toggles")
    tabulator.set_open_query(False)
    assert tabulator.get_open_query() is True
    tabulator.set_open_query(True)
    assert tabulator.get_open_query() is False
    switch("openquery-status-constant")
    assert tabulator.get_open_query() is True
    assert catalog.control("GET", "tabulator").json()["is_open"] is False
    assert {table["name"] for table in catalog.control("GET", "tabulator").json()["buckets"][WORK]} == {"a", "b"}
