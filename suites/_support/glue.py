"""External tables over objects: made in the target's database under the harness's own keys, and taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import boto3

from nightproof.evidence import channel
from suites._support.removal import remove_all

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

TEXT: Final = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
INPUT: Final = "org.apache.hadoop.mapred.TextInputFormat"
OUTPUT: Final = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
Columns = tuple[tuple[str, str], ...]
Values = tuple[str, ...]


class GlueTables:
    """Makes tables for one test; their names carry the run's tag."""

    def __init__(self, database: str, tag: str, label: str) -> None:
        self._glue = boto3.client("glue")
        self.database = database
        self._mark = f"np_{tag}_{label}"
        self._made: list[str] = []

    def csv(self, short: str, columns: Columns, location: str) -> str:
        """Make a table over a folder of CSV files with a header; give its name."""
        return self._make(short, columns, location, ())

    def partitioned(self, short: str, columns: Columns, keys: Sequence[str], parts: Mapping[Values, str]) -> str:
        """Make a table over several such folders, each with its values of the partition's keys; give its name."""
        name = self._make(short, columns, next(iter(parts.values())), keys)
        for values, location in parts.items():
            self.extend(name, columns, values, location)
        return name

    def extend(self, name: str, columns: Columns, values: Values, location: str) -> None:
        """Give a partitioned table one more folder."""
        partition: Any = {"Values": list(values), "StorageDescriptor": _storage(columns, location)}
        with channel("observer"):
            self._glue.create_partition(DatabaseName=self.database, TableName=name, PartitionInput=partition)

    def place(self, name: str) -> str:
        """Write a table's full name."""
        return f'"{self.database}"."{name}"'

    def _make(self, short: str, columns: Columns, location: str, keys: Sequence[str]) -> str:
        name = f"{self._mark}_{short}_{len(self._made)}"
        self._made.append(name)
        table: Any = {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"skip.header.line.count": "1", "EXTERNAL": "TRUE"},
            "StorageDescriptor": _storage(columns, location),
            "PartitionKeys": [{"Name": key, "Type": "string"} for key in keys],
        }
        with channel("observer"):
            self._glue.create_table(DatabaseName=self.database, TableInput=table)
        return name

    def remove(self) -> None:
        """Delete what was made, and look that nothing is left."""
        with channel("observer"):
            remove_all(_removal(self, name) for name in self._made)

    def drop(self, name: str) -> None:
        """Delete a table; raise when it is still there."""
        self._glue.delete_table(DatabaseName=self.database, Name=name)
        if [table["Name"] for table in self._glue.get_tables(DatabaseName=self.database, Expression=name)["TableList"]]:
            raise RuntimeError(f"The Glue table `{name}` is still there after its removal.")


def _removal(tables: GlueTables, name: str) -> Any:
    return lambda: tables.drop(name)


def _storage(columns: Columns, location: str) -> dict[str, Any]:
    return {
        "Columns": [{"Name": name, "Type": kind} for name, kind in columns],
        "Location": location,
        "InputFormat": INPUT,
        "OutputFormat": OUTPUT,
        "SerdeInfo": {"SerializationLibrary": TEXT, "Parameters": {"field.delim": ","}},
    }
