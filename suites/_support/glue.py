"""External tables over objects: made in the target's database under the harness's own keys, and taken away."""

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
    """Makes tables for one test: named by run, written down first, and taken away."""

    def __init__(self, ledger: Ledger, database: str, label: str, test_id: str) -> None:
        self._glue = boto3.client("glue")
        self.database = database
        self._ledger = ledger
        self._test_id = test_id
        self._mark = f"np_{ledger.tag}_{label}"
        self._made: dict[str, str] = {}

    def csv(self, short: str, columns: Columns, location: str) -> str:
        """Make a table over a folder of CSV files with a header, and all folders below; give its name."""
        name = f"{self._mark}_{short}_{len(self._made)}"
        locator = {"database": self.database, "name": name}
        self._made[name] = self._ledger.intent("glue_table", locator, self._test_id)
        with channel("observer"):
            self._glue.create_table(DatabaseName=self.database, TableInput=_table(name, columns, location))
        self._ledger.confirmed(self._made[name])
        return name

    def move(self, name: str, columns: Columns, location: str) -> None:
        """Have a table read another folder."""
        with channel("observer"):
            self._glue.update_table(DatabaseName=self.database, TableInput=_table(name, columns, location))

    def place(self, name: str) -> str:
        """Write a table's full name."""
        return f'"{self.database}"."{name}"'

    def remove(self) -> None:
        """Delete what was made, and look that nothing is left."""
        with channel("observer"):
            remove_all(_removal(self, name) for name in self._made)

    def drop(self, name: str) -> None:
        """Delete a table; raise when it is still there."""
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
