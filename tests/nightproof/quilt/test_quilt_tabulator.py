"""Tabulator tables and open query, on both backends."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest

from nightproof import quilt

if TYPE_CHECKING:
    from collections.abc import Callable

WORK: Final = "quilt-mcp-test-work"
CONFIG: Final = """\
# kept byte for byte
schema:
  - {name: id, type: INT}
source: {type: quilt-packages, package_name: ^a/b$, logical_key: '\\.csv$'}
parser: {format: csv, header: true}
"""
OTHER: Final = CONFIG.replace("name: id", "name: number")


def context_of(error: quilt.QuiltOpsError) -> dict[str, Any]:
    """Return what an error says beyond who says it."""
    return {key: value for key, value in error.context.items() if key != "backend_type"}


@pytest.fixture
def table(governor: quilt.QuiltOps, unique: Callable[[], str]) -> str:
    """Create a table for this test; return its name."""
    name = unique()
    governor.create_tabulator_table(WORK, name, CONFIG)
    return name


def test_a_table_is_made_as_given(governor: quilt.QuiltOps, unique: Callable[[], str]) -> None:
    """A table is created, returned and listed byte for byte."""
    name = unique()
    expected = {"name": name, "config": CONFIG}
    assert governor.create_tabulator_table(WORK, name, CONFIG) == expected
    assert governor.get_tabulator_table(WORK, name) == expected
    listed = governor.list_tabulator_tables(WORK)
    assert expected in listed
    assert [one["name"] for one in listed] == sorted(one["name"] for one in listed)


def test_both_backends_list_the_same(governors: dict[str, quilt.QuiltOps], table: str) -> None:
    """Both backends list the same tables, and none in a bucket without tables."""
    assert table in {one["name"] for one in governors["quilt3"].list_tabulator_tables(WORK)}
    assert governors["quilt3"].list_tabulator_tables(WORK) == governors["platform"].list_tabulator_tables(WORK)
    assert governors["platform"].list_tabulator_tables("quilt-mcp-test-scratch") == []
    assert governors["quilt3"].list_tabulator_tables("quilt-mcp-test-scratch") == []


def test_a_table_is_made_once(governor: quilt.QuiltOps, table: str) -> None:
    """Creating an existing table is refused, and the table stays unchanged."""
    with pytest.raises(quilt.ValidationError) as caught:
        governor.create_tabulator_table(WORK, table, OTHER)
    assert (caught.value.context["field_name"], caught.value.context["field_value"]) == ("table_name", table)
    assert governor.get_tabulator_table(WORK, table)["config"] == CONFIG


@pytest.mark.parametrize("name", ["", "a b", "x" * 129, "a/b", None])
def test_a_table_needs_a_name(governor: quilt.QuiltOps, table: str, name: Any) -> None:
    """A missing or invalid table name is refused, in creation and in renaming."""
    with pytest.raises(quilt.ValidationError) as caught:
        governor.create_tabulator_table(WORK, name, CONFIG)
    assert (caught.value.context["field_name"], caught.value.context["field_value"]) == ("table_name", name)
    with pytest.raises(quilt.ValidationError) as caught:
        governor.rename_tabulator_table(WORK, table, name)
    assert (caught.value.context["field_name"], caught.value.context["field_value"]) == ("new_name", name)


BAD: Final = {
    "no YAML": "a: b: c:",
    "no schema": CONFIG.replace("schema", "schemas"),
    "lower-case type": CONFIG.replace("INT", "int"),
    "bad column": CONFIG.replace("name: id", "name: 1d"),
    "bad regular expression": CONFIG.replace("^a/b$", "'('"),
    "unknown format": CONFIG.replace("format: csv", "format: xml"),
    "no text": 5,
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_configuration_is_refused(
    governor: quilt.QuiltOps, table: str, unique: Callable[[], str], case: str
) -> None:
    """The server refuses a bad configuration, and nothing is created or changed."""
    name = unique()
    for act in (governor.create_tabulator_table, governor.update_tabulator_table):
        with pytest.raises(quilt.ValidationError) as caught:
            act(WORK, name if act == governor.create_tabulator_table else table, BAD[case])  # type: ignore[arg-type]
        assert (caught.value.context["field_name"], caught.value.context["field_value"]) == ("config", BAD[case])
        assert "{" not in caught.value.message
    assert name not in {one["name"] for one in governor.list_tabulator_tables(WORK)}
    assert governor.get_tabulator_table(WORK, table)["config"] == CONFIG


def test_a_table_is_changed(governor: quilt.QuiltOps, table: str) -> None:
    """A changed configuration is returned by later reads."""
    assert governor.update_tabulator_table(WORK, table, OTHER) == {"name": table, "config": OTHER}
    assert governor.get_tabulator_table(WORK, table) == {"name": table, "config": OTHER}


def test_a_table_is_renamed(governor: quilt.QuiltOps, table: str) -> None:
    """After a renaming the old name is gone."""
    assert governor.rename_tabulator_table(WORK, table, f"{table}-new") == {"name": f"{table}-new", "config": CONFIG}
    names = {one["name"] for one in governor.list_tabulator_tables(WORK)}
    assert (table in names, f"{table}-new" in names) == (False, True)


def test_a_taken_name_is_kept(governor: quilt.QuiltOps, table: str, unique: Callable[[], str]) -> None:
    """Renaming to a taken name changes neither table."""
    other = unique()
    governor.create_tabulator_table(WORK, other, OTHER)
    with pytest.raises(quilt.ValidationError) as caught:
        governor.rename_tabulator_table(WORK, table, other)
    assert (caught.value.context["field_name"], caught.value.context["field_value"]) == ("new_name", other)
    assert governor.get_tabulator_table(WORK, table)["config"] == CONFIG
    assert governor.get_tabulator_table(WORK, other)["config"] == OTHER


def test_a_deleted_table_is_gone(governor: quilt.QuiltOps, table: str) -> None:
    """A deleted table is no longer listed."""
    governor.delete_tabulator_table(WORK, table)
    assert table not in {one["name"] for one in governor.list_tabulator_tables(WORK)}


ON_A_TABLE: Final[dict[str, Callable[[quilt.QuiltOps, str, str], object]]] = {
    "get_tabulator_table": lambda ops, bucket, name: ops.get_tabulator_table(bucket, name),
    "update_tabulator_table": lambda ops, bucket, name: ops.update_tabulator_table(bucket, name, CONFIG),
    "rename_tabulator_table": lambda ops, bucket, name: ops.rename_tabulator_table(bucket, name, "new"),
    "delete_tabulator_table": lambda ops, bucket, name: ops.delete_tabulator_table(bucket, name),
}


@pytest.mark.parametrize("operation", ON_A_TABLE)
def test_a_missing_table_is_not_found(governor: quilt.QuiltOps, operation: str) -> None:
    """Every operation on a missing table raises the same NotFoundError."""
    with pytest.raises(quilt.NotFoundError) as caught:
        ON_A_TABLE[operation](governor, WORK, "nonexistent")
    assert context_of(caught.value) == {
        "operation": operation,
        "resource_type": "table",
        "identifier": "nonexistent",
        "search_location": f"s3://{WORK}",
    }
    with pytest.raises(quilt.ValidationError):
        ON_A_TABLE[operation](governor, WORK, "")


@pytest.mark.parametrize("operation", ["list_tabulator_tables", "create_tabulator_table", *ON_A_TABLE])
def test_a_missing_bucket_is_not_found(governor: quilt.QuiltOps, operation: str) -> None:
    """A missing bucket raises NotFoundError; a bucket's URL in place of its name is refused."""
    acts = ON_A_TABLE | {
        "list_tabulator_tables": lambda ops, bucket, _name: ops.list_tabulator_tables(bucket),
        "create_tabulator_table": lambda ops, bucket, name: ops.create_tabulator_table(bucket, name, CONFIG),
    }
    with pytest.raises(quilt.NotFoundError) as caught:
        acts[operation](governor, "no-such-bucket", "x")
    assert context_of(caught.value) == {
        "operation": operation,
        "resource_type": "bucket",
        "identifier": "no-such-bucket",
        "search_location": "s3://no-such-bucket",
    }
    with pytest.raises(quilt.ValidationError) as refused:
        acts[operation](governor, f"s3://{WORK}", "x")
    assert refused.value.context["field_name"] == "bucket"


def test_only_admins_change_tables(ops: quilt.QuiltOps, governor: quilt.QuiltOps, table: str) -> None:
    """Only admins change tables; other users may list them."""
    assert ops.get_tabulator_table(WORK, table)["config"] == CONFIG
    for act in (
        lambda: ops.create_tabulator_table(WORK, f"{table}-2", CONFIG),
        lambda: ops.update_tabulator_table(WORK, table, OTHER),
        lambda: ops.rename_tabulator_table(WORK, table, f"{table}-2"),
        lambda: ops.delete_tabulator_table(WORK, table),
        lambda: ops.set_open_query(enabled=True),
        ops.get_open_query_status,
    ):
        with pytest.raises(quilt.PermissionError) as caught:
            act()
        assert caught.value.context["required_permissions"] == ["admin"]
    assert governor.get_tabulator_table(WORK, table)["config"] == CONFIG


@pytest.mark.xdist_group("openquery")
def test_open_query_is_read_back(governor: quilt.QuiltOps, governors: dict[str, quilt.QuiltOps]) -> None:
    """Open query is switched on and off, twice each, and both backends read the state."""
    for state in (True, True, False, False):
        assert governor.set_open_query(state) == {"enabled": state}
        assert [ops.get_open_query_status() for ops in governors.values()] == [{"enabled": state}] * 2
    with pytest.raises(quilt.ValidationError) as caught:
        governor.set_open_query("yes")  # type: ignore[arg-type]
    assert (caught.value.context["field_name"], caught.value.context["field_value"]) == ("enabled", "yes")
