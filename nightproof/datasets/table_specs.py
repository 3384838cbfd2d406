"""The definitions of the Tabulator tables of the data bucket."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.datasets.catalogue import tabular_over
from nightproof.datasets.generators import FILES
from nightproof.datasets.generators import generate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nightproof.profile import Names

SIMPLE: Final = r"""schema:
  - {name: id, type: INT}
  - {name: name, type: STRING}
  - {name: value, type: DOUBLE}
  - {name: category, type: STRING}
  - {name: timestamp, type: STRING}
  - {name: note, type: STRING, nullable: true}
source:
  type: quilt-packages
  package_name: "^tab/simple$"
  logical_key: "^data[1-5][.]csv$"
parser:
  format: csv
  delimiter: ","
  header: true
"""
MEASUREMENTS: Final = r"""schema:
  - {name: id, type: INT}
  - {name: measurement, type: DOUBLE}
  - {name: sensor1, type: DOUBLE}
  - {name: sensor2, type: DOUBLE}
  - {name: sensor3, type: DOUBLE}
  - {name: note, type: STRING, nullable: true}
source:
  type: quilt-packages
  package_name: "^tab/nested$"
  logical_key: "^data/raw/(?<month>[0-9]{4}-[0-9]{2})/data_[0-9]{3}[.]csv$"
parser:
  format: csv
  header: true
"""
EVENTS: Final = r"""schema:
  - {name: id, type: INT}
  - {name: name, type: STRING}
  - {name: value, type: DOUBLE}
  - {name: timestamp, type: TIMESTAMP}
source:
  type: quilt-packages
  package_name: "^tab/events$"
  logical_key: "^events[.]parquet$"
parser:
  format: parquet
"""


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its name, its configuration as stored, its package, and the files that it reads."""

    name: str
    config: str
    package: str
    dataset: str
    below: str = ""

    def rows(self) -> int:
        """Count the rows of its files, as generated."""
        return sum(
            _rows(path, generate(self.dataset, path)) for path in FILES[self.dataset] if path.startswith(self.below)
        )


TABLES: Final = (
    Table("events_parquet", EVENTS, "tab/events", "tabular"),
    Table("measurements", MEASUREMENTS, "tab/nested", "nested-structure", below="data/raw/"),
    Table("simple_rows", SIMPLE, "tab/simple", "simple-csv"),
)


def _rows(path: str, data: bytes) -> int:
    if path.endswith(".csv"):
        return data.count(b"\n") - 1
    import pyarrow.parquet as pq  # noqa: PLC0415 - heavy, and only the writing of the manifest needs it

    return int(pq.ParquetFile(io.BytesIO(data)).metadata.num_rows)


def described(names: Names) -> dict[str, Any]:
    """Return the section of the manifest about the tables."""
    return {
        table.name: {
            "bucket": names.bucket_data, "config": table.config, "package": table.package, "rows": table.rows(),
        }
        for table in TABLES
    }  # fmt: skip


def tables_over(names: Names, datasets: Iterable[str]) -> tuple[Table, ...]:
    """Return the tables whose packages are seeded."""
    seeded = {revision.package for revision in tabular_over(names, datasets)}
    return tuple(table for table in TABLES if table.package in seeded)
