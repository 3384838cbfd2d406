"""The Tabulator tables of the seeds: set once, found damaged or missing, repaired, and never the tables of others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nightproof import seeds
from nightproof.datasets import table_specs
from nightproof.datasets.generators import DATASETS
from nightproof.datasets.manifest import read_manifest
from nightproof.datasets.table_specs import TABLES
from nightproof.datasets.table_specs import tables_over
from nightproof.datasets.tables import SET
from nightproof.datasets.tables import put_tables
from nightproof.datasets.tables import stored_tables
from nightproof.errors import Blocked
from nightproof.profile import Names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nightproof.datasets.push import Catalog
    from nightproof.target import Target

NAMES = Names()


@pytest.fixture
def catalog(embedded: Target) -> Iterator[Catalog]:
    """Sign in as the admin, and leave no table behind."""
    found = seeds._sign_in(embedded)
    yield found
    for name in stored_tables(found, NAMES):
        put(found, name, None)


def put(catalog: Catalog, name: str, config: str | None) -> None:
    """Store a table's configuration, or remove it."""
    catalog.ask(SET, {"bucket": NAMES.bucket_data, "name": name, "config": config})


def test_tables_are_set_once(catalog: Catalog) -> None:
    """All three are stored byte for byte; a second seeding repairs nothing."""
    first, again = (put_tables(catalog, NAMES, DATASETS) for _ in range(2))

    assert stored_tables(catalog, NAMES) == {table.name: table.config for table in TABLES}
    assert (first.files, first.repaired, again.repaired, again.repairs) == (3, 0, 0, ())
    assert first.sha256 == again.sha256


def test_a_changed_table_is_repaired_and_a_missing_one_set(catalog: Catalog) -> None:
    """The repair names the table; a table that somebody else made stays."""
    put_tables(catalog, NAMES, DATASETS)
    put(catalog, "measurements", TABLES[0].config)
    put(catalog, "simple_rows", None)
    put(catalog, "of_others", TABLES[0].config)

    found = put_tables(catalog, NAMES, DATASETS)

    assert found.repairs == ("measurements: the table had another configuration",)
    expected = {table.name: table.config for table in TABLES} | {"of_others": TABLES[0].config}
    assert stored_tables(catalog, NAMES) == expected


def test_only_tables_of_seeded_packages_are_set(catalog: Catalog) -> None:
    """Where nested-structure is not seeded, its table would have no rows."""
    put_tables(catalog, NAMES, ["simple-csv"])

    assert sorted(stored_tables(catalog, NAMES)) == ["events_parquet", "simple_rows"]
    assert [table.name for table in tables_over(NAMES, [])] == ["events_parquet"]


def test_a_table_that_the_catalog_refuses_blocks_the_night(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the table and the bucket."""
    monkeypatch.setattr(table_specs, "TABLES", (replace(TABLES[0], config="not a mapping"),))

    with pytest.raises(Blocked, match=r"did not take the Tabulator table `events_parquet` on `quilt-mcp-test-data`"):
        put_tables(catalog, NAMES, [])


def test_a_bucket_that_the_catalog_lacks_has_no_tables(catalog: Catalog) -> None:
    """Looking for tables ends there; the packages are what is missing."""
    assert stored_tables(catalog, Names(bucket_data="no-such-bucket")) == {}


def test_the_manifest_describes_the_tables() -> None:
    """Configuration, package and the number of rows that the files really hold."""
    stated = {name: table for name, table in read_manifest()["tables"].items() if "config" in table}
    assert stated == table_specs.described(NAMES)
    assert {name: table["rows"] for name, table in stated.items()} == {
        "events_parquet": 10_000, "measurements": 231_484, "simple_rows": 18_960,
    }  # fmt: skip
