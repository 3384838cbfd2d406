"""Athena's operations on data catalogs, for the two that ministack does not know: Tabulator and Glue's second name."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from testbed.athena.catalogs import GLUE_ALIAS
from testbed.athena.catalogs import SCHEMA_START
from testbed.athena.catalogs import TABULATOR
from testbed.athena.failures import InvalidRequestError
from testbed.athena.failures import QueryFailedError
from testbed.athena.tabulator import definition_of
from testbed.athena.tabulator import table_of
from testbed.athena.tabulator import tables_in

if TYPE_CHECKING:
    from testbed.athena.account import Account
    from testbed.athena.tabulator import Definition

GLUE: Final = "AwsDataCatalog"  # as Athena spells it
OPERATIONS: Final = frozenset({"ListDatabases", "ListTableMetadata", "GetTableMetadata"})
KINDS: Final = {GLUE_ALIAS: "GLUE", TABULATOR: "LAMBDA"}


def spelt(asked: dict[str, Any]) -> dict[str, Any]:
    """Return a request with Glue's second name replaced by the name that ministack knows."""
    return asked | {"CatalogName": GLUE} if str(asked.get("CatalogName", "")).lower() == GLUE_ALIAS else asked


def is_about_tabulator(asked: dict[str, Any]) -> bool:
    """Return whether a request names Tabulator's catalog."""
    return str(asked.get("CatalogName", "")).lower() == TABULATOR


def answer(account: Account, name: str, asked: dict[str, Any]) -> dict[str, Any]:
    """Answer a request on Tabulator's catalog; lists have a single page."""
    bucket, table = str(asked.get("DatabaseName", "")).lower(), str(asked.get("TableName", "")).lower()
    try:
        if name == "ListDatabases":
            return {"DatabaseList": [{"Name": known} for known in account.held().buckets]}
        if name == "ListTableMetadata":
            found = tables_in(account, bucket).items()
            return {"TableMetadataList": [_described(known.lower(), definition_of(config)) for known, config in found]}
        return {"TableMetadata": _described(table, table_of(account, f"{SCHEMA_START}{bucket}", table))}
    except QueryFailedError as error:
        raise InvalidRequestError(str(error), "MetadataException") from error


def require_table(account: Account, asked: dict[str, Any]) -> None:
    """Raise InvalidRequestError if a Glue table does not exist; ministack would invent one."""
    try:
        account.table(str(asked.get("DatabaseName", "")).lower(), str(asked.get("TableName", "")).lower())
    except QueryFailedError as error:
        raise InvalidRequestError(str(error), "MetadataException") from error


def _described(name: str, table: Definition) -> dict[str, Any]:
    kind = {"TableType": "EXTERNAL_TABLE", "PartitionKeys": [], "Parameters": {}}
    return {"Name": name, "Columns": table.described} | kind
