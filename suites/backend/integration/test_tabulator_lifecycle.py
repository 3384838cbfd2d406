"""The life of a Tabulator table from its first configuration to its deletion, and both sets of mutations."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof import quilt
from nightproof.evidence import case
from nightproof.evidence import note
from nightproof.evidence import observe
from suites._support import rows
from suites._support.table_documents import Path

if TYPE_CHECKING:
    from suites._support.athena import Tabulator
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings
    from suites._support.tables import Tables
    from suites._support.work import Work

JOURNEY = "query-data"
NEEDS = ("write", "admin", "athena")
ROWS = {"first.csv": rows.generated("first", 0, 40), "second.csv": rows.generated("second", 100, 60)}
CONFIG = """# as it was written
schema:
- {{name: id, type: INT}}
- {{name: name, type: STRING}}
- {{name: value, type: DOUBLE}}
source:
  type: quilt-packages
  package_name: "^{package}$"
  logical_key: "{key}"
parser: {{format: csv, header: true}}
"""


def _package(work: Work) -> str:
    """Create a package of two tables."""
    entries = [
        {"logical_key": key, "physical_key": work.put("tables", key, rows.as_csv(found))} for key, found in ROWS.items()
    ]
    return work.create("tables", entries)


def _read(tabulator: Tabulator, bucket: str, table: str) -> list[list[Any]]:
    """Return the rows of a table, read by SQL."""
    ended = tabulator.query(f"SELECT id, name, value FROM {tabulator.place(bucket, table)} ORDER BY id")  # noqa: S608 - the test's names
    assert (ended.state, ended.reason) == ("SUCCEEDED", "")
    note("query_s", ended.execution["Statistics"]["TotalExecutionTimeInMillis"] / 1000)
    found = [[int(str(row[0])), row[1], float(str(row[2]))] for row in ended.rows]
    observe("rows", found)
    return found


def _of(*keys: str) -> list[list[Any]]:
    return [[row.id, row.name, row.value] for key in keys for row in ROWS[key]]


@case(tier="critical", category="integration-write", needs=NEEDS, journey=JOURNEY)
def test_full_lifecycle(admin_ops: quilt.QuiltOps, work: Work, tables: Tables, tabulator: Tabulator) -> None:
    """After each step the list, the table and its rows show the change, and after deletion nothing is left."""
    package, bucket = _package(work), work.bucket
    at_start = admin_ops.list_tabulator_tables(bucket)
    old, new = tables.name(bucket, "old"), tables.name(bucket, "new")
    first = CONFIG.format(package=package, key="^first[.]csv$")
    both = CONFIG.format(package=package, key="^[a-z]+[.]csv$")
    assert admin_ops.create_tabulator_table(bucket, old, first) == {"name": old, "config": first}
    assert admin_ops.get_tabulator_table(bucket, old) == {"name": old, "config": first}
    assert _read(tabulator, bucket, old) == _of("first.csv")
    assert admin_ops.update_tabulator_table(bucket, old, both) == {"name": old, "config": both}
    assert admin_ops.get_tabulator_table(bucket, old)["config"] == both
    assert _read(tabulator, bucket, old) == _of("first.csv", "second.csv")
    assert admin_ops.rename_tabulator_table(bucket, old, new) == {"name": new, "config": both}
    listed = [table for table in admin_ops.list_tabulator_tables(bucket) if table["name"] in {old, new}]
    assert listed == [{"name": new, "config": both}]
    assert _read(tabulator, bucket, new) == _of("first.csv", "second.csv")
    gone = tabulator.count(bucket, old)
    assert (gone.state, "TABLE_NOT_FOUND" in gone.reason) == ("FAILED", True)
    admin_ops.delete_tabulator_table(bucket, new)
    for name in (old, new):
        with pytest.raises(quilt.NotFoundError) as caught:
            admin_ops.get_tabulator_table(bucket, name)
        assert caught.type is quilt.NotFoundError
        assert (caught.value.context["resource_type"], caught.value.context["identifier"]) == ("table", name)
    ended = tabulator.count(bucket, new)
    assert (ended.state, "TABLE_NOT_FOUND" in ended.reason) == ("FAILED", True)
    own = {old, new}
    assert [table for table in admin_ops.list_tabulator_tables(bucket) if table["name"] in own] == []
    assert at_start == [table for table in at_start if table["name"] not in own]


@case(tier="high", category="integration-write", needs=("write", "admin"), journey=JOURNEY)
def test_client_and_catalog_agree(
    admin_ops: quilt.QuiltOps, tables: Tables, seeds: Seeds, target: Settings, backend: str
) -> None:
    """Both sets of mutations read, rename and delete the client's tables alike, and reject invalid input alike."""
    bucket, configs = target.perf, {}
    for number, short in enumerate(("a", "b", "c")):
        name = tables.name(bucket, short)
        configs[name] = CONFIG.format(package=f"np-none/{short}", key=f"{number}[.]csv$")
        assert admin_ops.create_tabulator_table(bucket, name, configs[name]) == {"name": name, "config": configs[name]}
    a, b, c = sorted(configs)
    renamed = tables.name(bucket, "d")
    top, twin = Path(admin_ops, is_twin=False), Path(admin_ops, is_twin=True)
    other, same = (top, twin) if backend == "quilt3" else (twin, top)  # this backend's client itself uses `same`
    seeded = {n: t["config"] for n, t in seeds.manifest["tables"].items() if t.get("bucket") == target.data}
    for path in (other, same):
        # The last table of that bucket's list is a seeded one, whichever tables tests created there.
        assert {name: config for name, config in path.tables(target.data).items() if name in seeded} == seeded
        assert {name: config for name, config in path.tables(bucket).items() if name in configs} == configs
        _check_refusals(path, bucket, a, b)
        assert _own(admin_ops, bucket, {*configs, renamed}) == configs
    assert other.rename(bucket, a, renamed)["__typename"] == "BucketConfig"
    assert _own(admin_ops, bucket, {*configs, renamed}) == {b: configs[b], c: configs[c], renamed: configs[a]}
    assert same.rename(bucket, renamed, a)["__typename"] == "BucketConfig"
    assert _own(admin_ops, bucket, {*configs, renamed}) == configs
    _check_refused_by_client(admin_ops, bucket, a, b, backend)
    for path, name in ((other, a), (same, b), (other, c)):
        assert path.set(bucket, name, None)["__typename"] == "BucketConfig"
        assert name not in path.tables(bucket)
        with pytest.raises(quilt.NotFoundError) as caught:
            admin_ops.get_tabulator_table(bucket, name)
        assert caught.value.context["identifier"] == name
    assert _own(admin_ops, bucket, {*configs, renamed}) == {}


def _own(ops: quilt.QuiltOps, bucket: str, names: set[str]) -> dict[str, str]:
    return {table["name"]: table["config"] for table in ops.list_tabulator_tables(bucket) if table["name"] in names}


def _check_refusals(path: Path, bucket: str, a: str, b: str) -> None:
    """Check that a taken name, a missing table, a bad name and a bad configuration are rejected by path and name."""

    def refused(arm: Any) -> list[tuple[str, str]]:
        assert arm["__typename"] == "InvalidInput"
        return [(error["path"], error["name"]) for error in arm["errors"]]

    assert refused(path.rename(bucket, a, b)) == [("newTableName", "TableExists")]
    assert refused(path.rename(bucket, f"{a}-none", f"{b}-none")) == [("tableName", "TableNotFound")]
    assert refused(path.set(bucket, a, "schema: [")) == [("config", "InvalidConfig")]
    assert refused(path.set(bucket, "a b", "schema: [")) == [("tableName", "InvalidName")]


def _check_refused_by_client(ops: quilt.QuiltOps, bucket: str, a: str, b: str, backend: str) -> None:
    """Check that the client rejects a taken name and a bad configuration."""
    cases: list[tuple[str, str, str, Any]] = [
        ("rename_tabulator_table", "new_name", b, lambda: ops.rename_tabulator_table(bucket, a, b)),
        ("update_tabulator_table", "config", "schema: [", lambda: ops.update_tabulator_table(bucket, a, "schema: [")),
        ("create_tabulator_table", "table_name", a, lambda: ops.create_tabulator_table(bucket, a, "schema: [")),
    ]
    for operation, field, value, act in cases:
        with pytest.raises(quilt.ValidationError) as caught:
            act()
        assert caught.type is quilt.ValidationError
        rule = caught.value.context["validation_rule"]
        assert rule != ""
        assert caught.value.context == {
            "backend_type": backend,
            "operation": operation,
            "field_name": field,
            "field_value": value,
            "validation_rule": rule,
        }
