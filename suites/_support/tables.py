"""Tabulator tables of a test: named after the run, in the ledger before they exist, deleted at its end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from suites._support.removal import remove_all

if TYPE_CHECKING:
    from nightproof.quilt import QuiltOps
    from suites._support.work import Ledger


class Tables:
    """Names of Tabulator tables for one test; deletes the tables created under them."""

    def __init__(self, *, ledger: Ledger, admin: QuiltOps, label: str, test_id: str) -> None:
        self._ledger = ledger
        self._admin = admin
        self._label = label
        self._test_id = test_id
        self._made: dict[tuple[str, str], str] = {}

    def name(self, bucket: str, short: str) -> str:
        """Return a new table's name, already in the ledger."""
        name = f"np_{self._ledger.tag}_{short}_{self._label}_{len(self._made)}"
        self._made[bucket, name] = self._ledger.intent("table", {"bucket": bucket, "name": name}, self._test_id)
        return name

    def remove(self) -> None:
        """Delete the tables that still exist; record in the ledger those that are gone."""
        remove_all(partial(self._remove, *where, resource) for where, resource in self._made.items())

    def _remove(self, bucket: str, name: str, resource: str) -> None:
        if name in self._names(bucket):
            self._admin.delete_tabulator_table(bucket, name)
        if name not in self._names(bucket):
            self._ledger.deleted(resource)

    def _names(self, bucket: str) -> list[str]:
        return [table["name"] for table in self._admin.list_tabulator_tables(bucket)]
