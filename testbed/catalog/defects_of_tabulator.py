"""Defects of Tabulator's tables and of open query."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Callable

Tables = list[dict[str, str]]
WINDOW_S: Final = 0.5  # between read and write: any two overlapping writers then lose one write for certain


def _shifted(tables: Tables, _: Any) -> Tables:
    configs = [table["config"] for table in tables]
    return [table | {"config": config} for table, config in zip(tables, [*configs[1:], *configs[:1]], strict=True)]


def _late_snapshot(_none: Any, facts: Any) -> set[str]:
    found = {table["name"] for table in facts["tables"]()}
    time.sleep(WINDOW_S)
    return found


DEFECTS: Final[dict[str, tuple[str, str, Callable[[Any, Any], Any]]]] = {
    "tabulator-list-drops-one": ("tables", "the last table is not listed", lambda tables, _: tables[:-1]),
    "tabulator-list-all-buckets": (
        "tables",
        "every bucket has the tables of all",
        lambda _tables, facts: facts["everything"](),
    ),
    "tabulator-returns-wrong-table": ("tables", "configurations are shifted by one name", _shifted),
    "tabulator-set-not-stored": (
        "stores table",
        "setting a table stores nothing",
        lambda _stores, facts: facts["config"] is None,
    ),
    "tabulator-update-ignored": (
        "stores table",
        "replacing a table does nothing",
        lambda stores, facts: stores and (facts["config"] is None or not facts["is_there"]),
    ),
    "tabulator-delete-noop": (
        "stores table",
        "removing a table does nothing",
        lambda stores, facts: stores and facts["config"] is not None,
    ),
    "tabulator-accepts-invalid-config": ("checks config", "configurations are not checked", lambda _checks, _: False),
    "tabulator-rename-copies": ("rename moves", "the old name stays beside the new", lambda _moves, _: False),
    "tabulator-rename-overwrites": ("name is taken", "a rename replaces a table", lambda _taken, _: False),
    "tabulator-loses-concurrent-write": (
        "snapshot",
        "tables are read, changed and written back without a lock",
        _late_snapshot,
    ),
    "openquery-status-constant": ("open query", "the status is always on", lambda _enabled, _: True),
    "openquery-set-noop": ("flag to store", "setting open query stores nothing", lambda _new, facts: facts["now"]),
    "openquery-toggles": ("flag to store", "setting open query inverts it", lambda _new, facts: not facts["now"]),
}
