"""Seed the Tabulator tables of the data bucket."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING
from typing import Final

from nightproof.datasets.table_specs import tables_over
from nightproof.errors import Blocked
from nightproof.records import SeedResult

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nightproof.datasets.push import Catalog
    from nightproof.datasets.table_specs import Table
    from nightproof.profile import Names

LIST: Final = "query Tables($bucket: String!) { bucketConfig(name: $bucket) { tabulatorTables { name config } } }"
SET: Final = (
    "mutation SetTable($bucket: String!, $name: String!, $config: String) {"
    " admin { bucketSetTabulatorTable(bucketName: $bucket, tableName: $name, config: $config) {"
    " __typename ... on InvalidInput { errors { message } } ... on OperationError { message } } } }"
)


def put_tables(catalog: Catalog, names: Names, datasets: Iterable[str]) -> SeedResult:
    """Set the tables that are missing or configured differently; other tables of the bucket are left alone."""
    started = time.monotonic()
    tables = tables_over(names, datasets)
    stored = stored_tables(catalog, names)
    for table in tables:
        if stored.get(table.name) != table.config:
            _set(catalog, names, table)
    damaged = [table.name for table in tables if stored.get(table.name, table.config) != table.config]
    return SeedResult(
        name="tabulator-tables", kind="other", files=len(tables), bytes=0, generated_bytes=0, uploaded_bytes=0,
        sha256=hashlib.sha256("".join(table.config for table in tables).encode()).hexdigest(),
        repaired=len(damaged), duration_s=time.monotonic() - started,
        repairs=tuple(f"{name}: the table had another configuration" for name in damaged),
    )  # fmt: skip


def stored_tables(catalog: Catalog, names: Names) -> dict[str, str]:
    """Return the configurations of the data bucket's tables, by name; a bucket that the catalog lacks has none."""
    bucket = catalog.ask(LIST, {"bucket": names.bucket_data})["bucketConfig"]
    return {table["name"]: table["config"] for table in (bucket or {}).get("tabulatorTables", [])}


def _set(catalog: Catalog, names: Names, table: Table) -> None:
    variables = {"bucket": names.bucket_data, "name": table.name, "config": table.config}
    arm = catalog.ask(SET, variables)["admin"]["bucketSetTabulatorTable"]
    if arm["__typename"] != "BucketConfig":
        raise Blocked(
            f"The catalog did not take the Tabulator table `{table.name}` on `{names.bucket_data}` ({arm}): "
            "look whether the admin's token is one of an admin and the bucket is in the catalog."
        )
