"""Tabulator tables: stored as configured, and readable by SQL at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from nightproof import quilt
from nightproof.evidence import case
from nightproof.evidence import observe
from suites._support.hashes import sha256_hex

if TYPE_CHECKING:
    from suites._support.athena import Ended
    from suites._support.athena import Tabulator
    from suites._support.observer import Observer
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings
    from suites._support.tables import Tables
    from suites._support.work import Work

JOURNEY = "query-data"
WRITE = ("admin", "write")
QUERY = ("admin", "write", "athena")
SEEDED = ["events_parquet", "measurements", "simple_rows"]
FILES = [f"data{number}.csv" for number in range(1, 6)]
CONFIG = """\
# kept to the byte: comments, order and blanks
schema:
  - {{name: id, type: INT}}
  - {{name: {second}, type: STRING}}
  - {{name: value,   type: DOUBLE}}
  - {{name: category, type: STRING}}
  - {{name: timestamp, type: STRING}}
  - {{name: note, type: STRING, nullable: true}}
source:
  type: quilt-packages
  package_name: "^{package}$"
  logical_key: "{key}"
parser: {{format: csv, header: true}}
"""
INVALID = {
    "not YAML": "schema: [",
    "no schema": CONFIG[CONFIG.index("source:") :].format(package="a/b", key="c"),
    "a type in lower case": CONFIG.format(second="name", package="a/b", key="c").replace("INT", "int"),
    "a bad column name": CONFIG.format(second="Na-me", package="a/b", key="c"),
    "a bad regular expression": CONFIG.format(second="name", package="a/b", key="(c"),
    "an unknown format": CONFIG.format(second="name", package="a/b", key="c").replace("csv", "xlsx"),
}


@pytest.fixture
def package(work: Work, target: Settings) -> str:
    """Create a package of the five seeded CSV files and return its name."""
    sources = [{"logical_key": file, "physical_key": f"s3://{target.data}/simple-csv/{file}"} for file in FILES]
    return work.create("tabulator", sources)


def configured(package: str, second: str = "name", key: str = r"^data[1-5][.]csv$") -> str:
    """Return a table configuration that reads a package."""
    return CONFIG.format(second=second, package=package, key=key)


def missing(backend: str, operation: str, name: str, bucket: str) -> dict[str, str]:
    """Return the context of the error for a missing table."""
    return {
        "backend_type": backend,
        "operation": operation,
        "resource_type": "table",
        "identifier": name,
        "search_location": f"s3://{bucket}",
    }


def names_in(ops: quilt.QuiltOps, bucket: str) -> list[str]:
    """Return the names of a bucket's tables, in the order of the interface."""
    return [table["name"] for table in ops.list_tabulator_tables(bucket)]


def table_not_found(ended: Ended) -> bool:
    """Return whether a query failed because the table does not exist."""
    return ended.state == "FAILED" and "TABLE_NOT_FOUND" in ended.reason


@case(tier="high", category="tabulator", journey=JOURNEY)
def test_list_tables(quilt_ops: quilt.QuiltOps, seeds: Seeds, target: Settings) -> None:
    """The seeded tables are listed by name, each with its configuration as written."""
    listed = quilt_ops.list_tabulator_tables(target.data)
    ours = [table for table in listed if target.ours([table["name"]], SEEDED)]
    assert [table["name"] for table in ours] == SEEDED
    for table in ours:
        assert table == {"name": table["name"], "config": seeds.manifest["tables"][table["name"]]["config"]}
        assert yaml.safe_load(table["config"])["source"]["type"] == "quilt-packages"


@case(tier="normal", category="tabulator", journey=JOURNEY)
def test_list_tables_empty_bucket(quilt_ops: quilt.QuiltOps, target: Settings, backend: str) -> None:
    """A bucket without tables has an empty list, and a bucket outside the catalog is not found."""
    assert quilt_ops.list_tabulator_tables(target.scratch) == []
    with pytest.raises(quilt.NotFoundError) as caught:
        quilt_ops.list_tabulator_tables("nightproof-no-such-bucket")
    assert caught.type is quilt.NotFoundError
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "list_tabulator_tables",
        "resource_type": "bucket",
        "identifier": "nightproof-no-such-bucket",
        "search_location": "s3://nightproof-no-such-bucket",
    }


@case(tier="high", category="tabulator", journey=JOURNEY)
def test_get_table(quilt_ops: quilt.QuiltOps, seeds: Seeds, target: Settings) -> None:
    """A table is found by its name and returned with its configuration to the byte."""
    table = quilt_ops.get_tabulator_table(target.data, "simple_rows")
    assert table == {"name": "simple_rows", "config": seeds.manifest["tables"]["simple_rows"]["config"]}


@case(tier="high", category="tabulator", journey=JOURNEY)
def test_get_missing_table(quilt_ops: quilt.QuiltOps, target: Settings, backend: str) -> None:
    """The error for a missing table names the table and the bucket."""
    with pytest.raises(quilt.NotFoundError) as caught:
        quilt_ops.get_tabulator_table(target.data, "nonexistent")
    assert caught.type is quilt.NotFoundError
    assert caught.value.context == missing(backend, "get_tabulator_table", "nonexistent", target.data)


@case(tier="critical", category="tabulator", needs=QUERY, journey=JOURNEY)
def test_create_table(
    admin_ops: quilt.QuiltOps,
    tables: Tables,
    package: str,
    tabulator: Tabulator,
    seeds: Seeds,
    target: Settings,
) -> None:
    """A created table is stored to the byte, is listed, returns every row, and cannot be created twice."""
    name, config = tables.name(target.work, "create"), configured(package)
    wanted = {"name": name, "config": config}
    assert admin_ops.create_tabulator_table(target.work, name, config) == wanted
    assert admin_ops.get_tabulator_table(target.work, name) == wanted
    assert name in names_in(admin_ops, target.work)
    counted = tabulator.count(target.work, name)
    observe("rows", counted.rows)
    assert counted.state == "SUCCEEDED", counted.reason
    assert counted.rows == [[str(seeds.manifest["tables"]["simple_rows"]["rows"])]]
    with pytest.raises(quilt.ValidationError) as caught:
        admin_ops.create_tabulator_table(target.work, name, config)
    assert caught.type is quilt.ValidationError
    assert (caught.value.context["field_name"], caught.value.context["field_value"]) == ("table_name", name)


@case(tier="high", category="tabulator", needs=WRITE, journey=JOURNEY)
def test_create_table_invalid_config(admin_ops: quilt.QuiltOps, tables: Tables, target: Settings, backend: str) -> None:
    """An invalid configuration is rejected by the server, and no table is created."""
    for config in INVALID.values():
        name = tables.name(target.work, "invalid")
        with pytest.raises(quilt.ValidationError) as caught:
            admin_ops.create_tabulator_table(target.work, name, config)
        assert caught.type is quilt.ValidationError
        rule = caught.value.context["validation_rule"]
        assert rule != ""
        assert caught.value.context == {
            "backend_type": backend,
            "operation": "create_tabulator_table",
            "field_name": "config",
            "field_value": config,
            "validation_rule": rule,
        }
        assert name not in names_in(admin_ops, target.work)


@case(tier="high", category="tabulator", needs=QUERY, journey=JOURNEY)
def test_update_table(
    admin_ops: quilt.QuiltOps,
    tables: Tables,
    package: str,
    tabulator: Tabulator,
    observer: Observer,
    seeds: Seeds,
    target: Settings,
    backend: str,
) -> None:
    """An update replaces schema and source at once; a missing table cannot be updated."""
    name, config = tables.name(target.work, "update"), configured(package, "label", "^data3[.]csv$")
    admin_ops.create_tabulator_table(target.work, name, configured(package))
    wanted = {"name": name, "config": config}
    assert admin_ops.update_tabulator_table(target.work, name, config) == wanted
    assert admin_ops.get_tabulator_table(target.work, name) == wanted
    described = tabulator.query(f"DESCRIBE {tabulator.place(target.work, name)}")
    assert [row[0] for row in described.rows][:3] == ["id", "label", "value"]
    data = observer.read(target.data, "simple-csv/data3.csv")
    assert sha256_hex(data) == seeds.sha256("simple-csv", "data3.csv")
    counted = tabulator.count(target.work, name)
    observe("rows", counted.rows)
    assert counted.rows == [[str(data.count(b"\n") - 1)]], counted.reason
    absent = tables.name(target.work, "absent")
    with pytest.raises(quilt.NotFoundError) as caught:
        admin_ops.update_tabulator_table(target.work, absent, config)
    assert caught.type is quilt.NotFoundError
    assert caught.value.context == missing(backend, "update_tabulator_table", absent, target.work)


@case(tier="critical", category="tabulator", needs=QUERY, journey=JOURNEY)
def test_rename_table(
    admin_ops: quilt.QuiltOps,
    tables: Tables,
    package: str,
    tabulator: Tabulator,
    seeds: Seeds,
    target: Settings,
    backend: str,
) -> None:
    """A renamed table answers under its new name only."""
    old, new = tables.name(target.work, "old"), tables.name(target.work, "new")
    config = configured(package)
    admin_ops.create_tabulator_table(target.work, old, config)
    assert admin_ops.rename_tabulator_table(target.work, old, new) == {"name": new, "config": config}
    assert admin_ops.get_tabulator_table(target.work, new) == {"name": new, "config": config}
    with pytest.raises(quilt.NotFoundError) as caught:
        admin_ops.get_tabulator_table(target.work, old)
    assert caught.type is quilt.NotFoundError
    assert caught.value.context == missing(backend, "get_tabulator_table", old, target.work)
    renamed = tabulator.count(target.work, new)
    assert renamed.rows == [[str(seeds.manifest["tables"]["simple_rows"]["rows"])]], renamed.reason
    assert table_not_found(tabulator.count(target.work, old))


@case(tier="high", category="tabulator", needs=WRITE, journey=JOURNEY)
def test_rename_table_conflict(admin_ops: quilt.QuiltOps, tables: Tables, target: Settings, backend: str) -> None:
    """A rename to a name in use is rejected and changes neither table; a missing source is not found."""
    pair = [
        {"name": tables.name(target.work, short), "config": configured("np-none/none", column)}
        for short, column in (("a", "first"), ("b", "second"))
    ]
    for table in pair:
        admin_ops.create_tabulator_table(target.work, table["name"], table["config"])
    a, b = (table["name"] for table in pair)
    with pytest.raises(quilt.ValidationError) as caught:
        admin_ops.rename_tabulator_table(target.work, a, b)
    assert caught.type is quilt.ValidationError
    assert (caught.value.context["field_name"], caught.value.context["field_value"]) == ("new_name", b)
    assert [admin_ops.get_tabulator_table(target.work, name) for name in (a, b)] == pair
    absent = tables.name(target.work, "absent")
    with pytest.raises(quilt.NotFoundError) as lost:
        admin_ops.rename_tabulator_table(target.work, absent, tables.name(target.work, "free"))
    assert lost.type is quilt.NotFoundError
    assert lost.value.context == missing(backend, "rename_tabulator_table", absent, target.work)


@case(tier="critical", category="tabulator", needs=QUERY, journey=JOURNEY)
def test_delete_table(
    admin_ops: quilt.QuiltOps,
    tables: Tables,
    package: str,
    tabulator: Tabulator,
    seeds: Seeds,
    target: Settings,
    backend: str,
) -> None:
    """A deleted table is found neither by name nor in the list nor by SQL."""
    name = tables.name(target.work, "delete")
    admin_ops.create_tabulator_table(target.work, name, configured(package))
    before = tabulator.count(target.work, name)
    assert before.rows == [[str(seeds.manifest["tables"]["simple_rows"]["rows"])]], before.reason
    admin_ops.delete_tabulator_table(target.work, name)
    with pytest.raises(quilt.NotFoundError) as caught:
        admin_ops.get_tabulator_table(target.work, name)
    assert caught.type is quilt.NotFoundError
    assert caught.value.context == missing(backend, "get_tabulator_table", name, target.work)
    assert name not in names_in(admin_ops, target.work)
    assert table_not_found(tabulator.count(target.work, name))


@case(tier="normal", category="tabulator", needs=WRITE, journey=JOURNEY)
def test_delete_missing_table(admin_ops: quilt.QuiltOps, target: Settings, backend: str) -> None:
    """Deleting a missing table fails and leaves the other tables unchanged."""
    before = admin_ops.list_tabulator_tables(target.data)
    with pytest.raises(quilt.NotFoundError) as caught:
        admin_ops.delete_tabulator_table(target.data, "nonexistent")
    assert caught.type is quilt.NotFoundError
    assert caught.value.context == missing(backend, "delete_tabulator_table", "nonexistent", target.data)
    assert admin_ops.list_tabulator_tables(target.data) == before
    assert set(SEEDED) <= {table["name"] for table in before}
