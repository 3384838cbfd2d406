"""Client-side defects of Tabulator: a client that does not check whether a table exists."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof import quilt

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.quilt.base import CatalogOps


def _missing_as_empty(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_tabulator_table(ops: CatalogOps, bucket: str, table_name: str) -> Any:
        try:
            return original(ops, bucket, table_name)
        except quilt.NotFoundError:
            return {"name": table_name, "config": ""}

    return get_tabulator_table


def _delete_missing_ok(original: Callable[..., Any]) -> Callable[..., Any]:
    def delete_tabulator_table(ops: CatalogOps, bucket: str, table_name: str) -> None:
        try:
            original(ops, bucket, table_name)
        except quilt.NotFoundError:
            return

    return delete_tabulator_table


def _skips_check(original: Callable[..., Any]) -> Callable[..., Any]:
    def table(ops: CatalogOps, operation: str, bucket: str, name: str) -> Any:
        try:
            return original(ops, operation, bucket, name)
        except quilt.NotFoundError:
            return {"name": name, "config": ""}

    return table


OF_OPERATIONS: Final[dict[str, tuple[str, Callable[[Any], Any]]]] = {
    "tabulator-missing-as-empty": ("get_tabulator_table", _missing_as_empty),
    "tabulator-delete-missing-ok": ("delete_tabulator_table", _delete_missing_ok),
    "client-skips-table-check": ("_table", _skips_check),
}
