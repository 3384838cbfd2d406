from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from typing import Any

import pytest
from quilt3.admin.exceptions import Quilt3AdminError

from testbed.catalog.errors import InputError
from testbed.catalog.table_config import check_config
from tests.testbed.catalog.calling import SCRATCH
from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.testbed.catalog.calling import Calling

GOOD = r"""# a comment that stays
schema:
  - {name: id, type: INT}
  - {name: value_2, type: DOUBLE, nullable: true}
source:
  type: quilt-packages
  package_name: ^tab/(?<year>\d+)$
  logical_key: (?<!x)data/(?P<month>.*)\.csv$
parser: {format: csv, delimiter: "\t", header: true}
continue_on_error: false
"""
PARQUET = GOOD.replace(r'{format: csv, delimiter: "\t", header: true}', "{format: parquet}")
SET = "mutation S($b: String!, $t: String!, $c: String) {"
SET += " bucketSetTabulatorTable(bucketName: $b, tableName: $t, config: $c) { __typename"
SET += " ... on BucketConfig { tabulatorTables { name } } ... on InvalidInput { errors { path name message } } } }"
RENAME = "mutation R($b: String!, $t: String!, $n: String!) {"
RENAME += " bucketRenameTabulatorTable(bucketName: $b, tableName: $t, newTableName: $n) { __typename"
RENAME += " ... on BucketConfig { tabulatorTables { name } } ... on InvalidInput { errors { path name } } } }"


@pytest.fixture
def tabulator(catalog: Calling, admin: Any) -> Iterator[Any]:
    """Yield quilt3's admin client for Tabulator tables. No table is left after the test."""
    yield admin.tabulator
    catalog.sql("DELETE FROM tabulator_tables")


def listed(tabulator: Any, bucket: str = WORK) -> dict[str, str]:
    """Return the configurations of a bucket's tables by name."""
    return {table.name: table.config for table in tabulator.list_tables(bucket)}


def put(catalog: Calling, config: str | None, name: str = "t", bucket: str = WORK) -> Any:
    """Set a table with the top-level mutation and return the union member."""
    return catalog.data(SET, {"b": bucket, "t": name, "c": config}, "test-admin")["bucketSetTabulatorTable"]


def test_a_configuration_is_kept_byte_for_byte(catalog: Calling, tabulator: Any) -> None:
    """Tables are listed by name, per bucket, byte for byte as set.

    Setting one again replaces it, and null removes it.
    """
    tabulator.set_table(WORK, "b", GOOD)
    tabulator.set_table(WORK, "a", PARQUET)
    assert list(listed(tabulator).items()) == [("a", PARQUET), ("b", GOOD)]
    assert listed(tabulator, SCRATCH) == {}
    tabulator.set_table(WORK, "b", PARQUET)
    assert listed(tabulator) == {"a": PARQUET, "b": PARQUET}
    tabulator.set_table(WORK, "a", None)
    tabulator.set_table(WORK, "a", None)
    assert put(catalog, GOOD, "c") == {"__typename": "BucketConfig", "tabulatorTables": [{"name": "b"}, {"name": "c"}]}


BOMB = "\n".join(["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))])
BAD_CONFIGS = {
    "aliases": (BOMB, "aliases"),
    "not YAML": ("a: b: c:", "not YAML"),
    "too deep": ("[" * 3_000, "50 levels"),
    "too long": ("#" * 100_001, "100001 characters"),
    "a list": ("[]", "not a mapping"),
    "no schema": (GOOD.replace("schema:", "columns:"), "lacks `schema`"),
    "unknown member": (GOOD + "more: 1\n", "`more`"),
    "empty schema": ("schema: []\nsource: {}\nparser: {}\n", "not a list of columns"),
    "column without type": (GOOD.replace("{name: id, type: INT}", "{name: id}"), "lacks `type`"),
    "column is text": (GOOD.replace("{name: id, type: INT}", "id"), "not a mapping"),
    "lower-case type": (GOOD.replace("INT", "int"), "`int`"),
    "type is a list": (GOOD.replace("INT", "[INT]"), "`['INT']`"),
    "bad column name": (GOOD.replace("name: id", "name: Id"), "`Id`"),
    "name is a number": (GOOD.replace("name: id", "name: 5"), "`5`"),
    "column twice": (GOOD.replace("value_2", "id"), "comes twice"),
    "nullable is text": (GOOD.replace("nullable: true", "nullable: maybe"), "`nullable`"),
    "other source": (GOOD.replace("quilt-packages", "files"), "`files`"),
    "source lacks a key": (GOOD.replace("  package_name", "  package"), "lacks `package_name`"),
    "bad expression": (GOOD.replace("^tab/", "("), "`package_name`"),
    "expression is a number": (GOOD.replace(r"(?<!x)data/(?P<month>.*)\.csv$", "5"), "`logical_key`"),
    "group is a column": (GOOD.replace("?<year>", "?<id>"), "named group"),
    "unknown format": (GOOD.replace("format: csv", "format: json"), "`json`"),
    "parser is text": (GOOD.replace(r'{format: csv, delimiter: "\t", header: true}', "csv"), "`None`"),
    "format is a list": (GOOD.replace("format: csv", "format: [csv]"), "`['csv']`"),
    "parquet with header": (GOOD.replace("format: csv", "format: parquet"), "unknown member"),
    "long delimiter": (GOOD.replace(r'"\t"', '";;"'), "one character"),
    "header is text": (GOOD.replace("header: true", "header: first"), "`header`"),
    "flag is text": (GOOD.replace("continue_on_error: false", "continue_on_error: never"), "`continue_on_error`"),
}


@pytest.mark.parametrize("kind", sorted(BAD_CONFIGS))
def test_a_bad_configuration_is_refused(kind: str) -> None:
    """An invalid configuration is refused with a message that names the fault."""
    config, text = BAD_CONFIGS[kind]
    with pytest.raises(InputError, match=re.escape(text)) as caught:
        check_config(config)
    assert (caught.value.path, caught.value.name) == ("config", "InvalidConfig")


def test_a_bad_configuration_is_not_stored(catalog: Calling, tabulator: Any) -> None:
    """A refused configuration leaves the existing table unchanged."""
    tabulator.set_table(WORK, "t", GOOD)
    for config, text in BAD_CONFIGS["lower-case type"], BAD_CONFIGS["not YAML"]:
        (error,) = put(catalog, config)["errors"]
        assert (error["path"], error["name"], text in error["message"]) == ("config", "InvalidConfig", True), error
    assert listed(tabulator) == {"t": GOOD}


@pytest.mark.parametrize(
    ("bucket", "name", "expected"),
    [
        ("nowhere", "t", ("bucketName", "BucketNotFound")),
        (WORK, "", ("tableName", "InvalidName")),
        (WORK, "a b", ("tableName", "InvalidName")),
        (WORK, "x" * 129, ("tableName", "InvalidName")),
    ],
)
def test_a_bad_place_is_refused(catalog: Calling, bucket: str, name: str, expected: tuple[str, str]) -> None:
    """An unknown bucket, or a table name that is not valid in SQL, is refused."""
    (error,) = put(catalog, GOOD, name, bucket)["errors"]
    assert (error["path"], error["name"]) == expected


def rename(catalog: Calling, old: str, new: str) -> Any:
    """Rename a table with the top-level mutation and return the union member."""
    return catalog.data(RENAME, {"b": WORK, "t": old, "n": new}, "test-admin")["bucketRenameTabulatorTable"]


def test_a_table_is_renamed_to_a_free_name(catalog: Calling, tabulator: Any) -> None:
    """A table can be renamed to a free name. A taken or invalid name or a missing table is refused without a change."""
    tabulator.set_table(WORK, "a", GOOD)
    tabulator.set_table(WORK, "b", PARQUET)
    assert rename(catalog, "a", "b")["errors"] == [{"path": "newTableName", "name": "TableExists"}]
    assert rename(catalog, "z", "y")["errors"] == [{"path": "tableName", "name": "TableNotFound"}]
    assert rename(catalog, "a", "a b")["errors"] == [{"path": "newTableName", "name": "InvalidName"}]
    assert listed(tabulator) == {"a": GOOD, "b": PARQUET}
    tabulator.rename_table(WORK, "a", "c")
    assert listed(tabulator) == {"b": PARQUET, "c": GOOD}
    assert rename(catalog, "c", "d")["tabulatorTables"] == [{"name": "b"}, {"name": "d"}]
    with pytest.raises(Quilt3AdminError):
        tabulator.rename_table(WORK, "d", "b")


def test_tables_written_at_the_same_time_are_all_kept(catalog: Calling, tabulator: Any) -> None:
    """Concurrent writes of tables are all kept. Of concurrent renames to one name, one succeeds."""
    names = [f"t{number}" for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: put(catalog, GOOD, name), names))
        assert sorted(listed(tabulator)) == names
        arms = list(pool.map(lambda name: rename(catalog, name, "one")["__typename"], names))
    assert sorted(arms) == ["BucketConfig"] + ["InvalidInput"] * 5


def test_only_admins_change_tables(catalog: Calling, tabulator: Any) -> None:
    """Only admins change tables. Every user who sees the bucket reads them."""
    tabulator.set_table(WORK, "a", GOOD)
    assert catalog.post(SET, {"b": WORK, "t": "b", "c": GOOD}).status_code == 403
    assert catalog.post(RENAME, {"b": WORK, "t": "a", "n": "b"}).status_code == 403
    query = "query T($b: String!) { bucketConfig(name: $b) { tabulatorTables { name config } } }"
    found = catalog.data(query, {"b": WORK})["bucketConfig"]["tabulatorTables"]
    assert found == [{"name": "a", "config": GOOD}]


def test_open_query_is_what_was_set_last(catalog: Calling, tabulator: Any) -> None:
    """Open query is off at first and has the state set last."""
    assert tabulator.get_open_query() is False
    for enabled in (True, True, False, False, True):
        tabulator.set_open_query(enabled)
        assert tabulator.get_open_query() is enabled
    query = "mutation { admin { setTabulatorOpenQuery(enabled: false) { tabulatorOpenQuery } } }"
    answer = catalog.data(query, user="test-admin")["admin"]["setTabulatorOpenQuery"]
    assert (answer, tabulator.get_open_query()) == ({"tabulatorOpenQuery": False}, False)
    assert catalog.post(query).status_code == 403
