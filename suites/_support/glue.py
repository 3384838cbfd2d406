"""External Glue tables over objects, created with the harness's own credentials and deleted after the test."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import boto3

from nightproof.evidence import channel
from suites._support.removal import remove_all

if TYPE_CHECKING:
    from suites._support.work import Ledger

TEXT: Final = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
INPUT: Final = "org.apache.hadoop.mapred.TextInputFormat"
OUTPUT: Final = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
Columns = tuple[tuple[str, str], ...]


class GlueTables:
    """External tables of one test: named after the run, in the ledger before they exist, deleted at its end."""

    def __init__(self, ledger: Ledger, database: str, label: str, test_id: str) -> None:
        self._glue = boto3.client("glue")
        self.database = database
        self._ledger = ledger
        self._test_id = test_id
        self._mark = f"np_{ledger.tag}_{label}"
        self._made: dict[str, str] = {}

    def csv(self, short: str, columns: Columns, location: str) -> str:
        """Create a table over all CSV files with a header below a folder, at any depth; return its name."""
        name = f"{self._mark}_{short}_{len(self._made)}"
        locator = {"database": self.database, "name": name}
        self._made[name] = self._ledger.intent("glue_table", locator, self._test_id)
        with channel("observer"):
            self._glue.create_table(DatabaseName=self.database, TableInput=_table(name, columns, location))
        self._ledger.confirmed(self._made[name])
        return name

    def move(self, name: str, columns: Columns, location: str) -> None:
        """Replace the columns and the location of a table."""
        with channel("observer"):
            self._glue.update_table(DatabaseName=self.database, TableInput=_table(name, columns, location))

    def place(self, name: str) -> str:
        """Return a table's full name, quoted."""
        return f'"{self.database}"."{name}"'

    def remove(self) -> None:
        """Delete every table of the test and check that it is gone."""
        with channel("observer"):
            remove_all(_removal(self, name) for name in self._made)

    def drop(self, name: str) -> None:
        """Delete a table; raise RuntimeError if it is still listed."""
        self._glue.delete_table(DatabaseName=self.database, Name=name)
        if [table["Name"] for table in self._glue.get_tables(DatabaseName=self.database, Expression=name)["TableList"]]:
            raise RuntimeError(f"The Glue table `{name}` is still there after its removal.")
        self._ledger.deleted(self._made[name])


def _removal(tables: GlueTables, name: str) -> Any:
    return lambda: tables.drop(name)


def _table(name: str, columns: Columns, location: str) -> Any:
    storage = {
        "Columns": [{"Name": column, "Type": kind} for column, kind in columns],
        "Location": location,
        "InputFormat": INPUT,
        "OutputFormat": OUTPUT,
        "SerdeInfo": {"SerializationLibrary": TEXT, "Parameters": {"field.delim": ","}},
    }
    header = {"skip.header.line.count": "1", "EXTERNAL": "TRUE"}
    return {"Name": name, "TableType": "EXTERNAL_TABLE", "Parameters": header, "StorageDescriptor": storage}
