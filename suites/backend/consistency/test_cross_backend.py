"""One package through four readers and the observer: browsing, search, Tabulator, Athena over files."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from typing import Any

import requests

from nightproof.evidence import case
from nightproof.evidence import note
from nightproof.evidence import observe
from suites._support import rows
from suites._support.athena import query
from suites._support.hashes import chunked_hash
from suites._support.index import await_index
from suites._support.index import found_packages
from suites._support.objects import find_documents

if TYPE_CHECKING:
    from nightproof.quilt import QuiltOps
    from suites._support.athena import Ended
    from suites._support.athena import Tabulator
    from suites._support.glue import GlueTables
    from suites._support.observer import Observer
    from suites._support.settings import Settings
    from suites._support.tables import Tables
    from suites._support.work import Work

JOURNEY = "publish-data"
SEED = "test_four_readers_agree"
TIMEOUT_S = 30
ROWS = rows.generated(SEED, 0, 100)
FILES = {
    "data/file3.json": b'{"noise": "%s", "n": 3}' % rows.filler("json", 1013).hex().encode() + b"\n",
    "file1.csv": rows.as_csv(ROWS),
    "file2.txt": rows.filler("text", 512).hex().encode()[:-1] + b"\n",
}
COLUMNS = (("id", "int"), ("name", "string"), ("value", "double"))
CONFIG = """schema:
- {{name: id, type: INT}}
- {{name: name, type: STRING}}
- {{name: value, type: DOUBLE}}
source:
  type: quilt-packages
  package_name: "^{package}$"
  logical_key: "^file1[.]csv$"
parser:
  format: csv
  header: true
"""


@case(tier="critical", category="consistency", needs=("write", "admin", "athena"), journey=JOURNEY)
def test_four_readers_agree(
    quilt_ops: QuiltOps,
    admin_ops: QuiltOps,
    work: Work,
    tables: Tables,
    tabulator: Tabulator,
    glue_tables: GlueTables,
    observer: Observer,
    target: Settings,
) -> None:
    """Browsing, search, Tabulator and Athena return the same names, sizes, hashes and rows of a package."""
    name = work.package_name("readers")
    message = work.own_message("Four readers")
    top_hash = _made(quilt_ops, work, observer, name, message, target)
    written = time.monotonic()
    expected = {path: ("file", len(data)) for path, data in FILES.items()}
    manifest = observer.manifest(work.bucket, top_hash)
    assert manifest.computed_hash == top_hash == observer.latest(work.bucket, name)[0]
    assert {path: ("file", entry["size"]) for path, entry in manifest.entries.items()} == expected
    assert _browsed(quilt_ops, work, name) == expected
    for path, data in FILES.items():
        answer = requests.get(quilt_ops.get_content_url(name, work.registry, path), timeout=TIMEOUT_S)
        assert (answer.status_code, answer.content) == (200, data)
        assert chunked_hash(answer.content) == manifest.entries[path]["hash"]["value"]
    hit = (name, top_hash, "Read by four", (_marker(name),), message)
    await_index(lambda: found_packages(quilt_ops, name, work.registry), [hit], since=written)
    assert [found for found in found_packages(quilt_ops, _marker(name), work.registry) if found[0] == name] == [hit]
    assert _searched(quilt_ops, work, top_hash) == expected
    _check_tables(quilt_ops, admin_ops, work, tables, tabulator, glue_tables, name, top_hash, target)


def _marker(name: str) -> str:
    return name.partition("/")[0].replace("-", "")


def _made(quilt_ops: QuiltOps, work: Work, observer: Observer, name: str, message: str, target: Settings) -> str:
    """Upload the sources and create the package by copy, as the second revision; return its hash.

    The first revision holds other rows, so that a reader of an old revision is noticed.
    """
    prefix = work.prefix(target.scratch, "readers")
    decoy = rows.as_csv(rows.generated("decoy", 0, 100))
    given = [
        {"logical_key": key, "physical_key": observer.put(target.scratch, prefix + key, data)}
        for key, data in FILES.items()
    ]
    other = {"logical_key": "file1.csv", "physical_key": observer.put(target.scratch, f"{prefix}decoy.csv", decoy)}
    quilt_ops.create_package_revision(name, work.registry, [other], copy=True)
    work.await_next_second(name)
    said: dict[str, Any] = {"description": "Read by four", "tags": [_marker(name)]}
    made = quilt_ops.update_package_revision(name, work.registry, given, message=message, metadata=said, copy=True)
    return made.top_hash


def _browsed(quilt_ops: QuiltOps, work: Work, name: str) -> dict[str, tuple[str, int | None]]:
    """Browse the whole package level by level; return type and size of each file by path."""
    found: dict[str, tuple[str, int | None]] = {}
    folders = [""]
    while folders:
        for item in quilt_ops.browse_content(name, work.registry, folders.pop()):
            if item.type == "directory":
                folders.append(item.path)
            else:
                found[item.path] = (item.type, item.size)
    return found


def _searched(quilt_ops: QuiltOps, work: Work, top_hash: str) -> dict[str, tuple[str, int]]:
    """Search the index for the entries of a revision; return type and size of each file by path."""
    of_revision = [{"exists": {"field": "entry_lk"}}, {"term": {"mnfst_name": top_hash}}]
    found = find_documents(quilt_ops, f"{work.bucket}_packages", {"bool": {"must": of_revision}})
    observe("entries", sorted([entry["entry_lk"], entry["entry_size"]] for entry in found))
    return {entry["entry_lk"]: ("file", entry["entry_size"]) for entry in found}


def _check_tables(
    quilt_ops: QuiltOps,
    admin_ops: QuiltOps,
    work: Work,
    tables: Tables,
    tabulator: Tabulator,
    glue_tables: GlueTables,
    name: str,
    top_hash: str,
    target: Settings,
) -> None:
    """Read the rows through Tabulator, and through an external table over the copied objects."""
    table = tables.name(work.bucket, "readers")
    config = CONFIG.format(package=name)
    assert admin_ops.create_tabulator_table(work.bucket, table, config) == {"name": table, "config": config}
    assert {"name": table, "config": config} in admin_ops.list_tabulator_tables(work.bucket)
    place, added = tabulator.place(work.bucket, table), '"$logical_key", "$pkg_name", "$top_hash", "$issue"'
    full = _rows(tabulator.query(f"SELECT id, name, value, {added} FROM {place} ORDER BY id"))  # noqa: S608 - the test's names
    assert [row[3:] for row in full] == [["file1.csv", name, top_hash, None]] * len(ROWS)
    glue = glue_tables.place(glue_tables.csv("readers", COLUMNS, f"s3://{work.bucket}/{name}/"))
    athena, by_path = quilt_ops.get_boto3_client("athena"), "WHERE \"$path\" LIKE '%/file1.csv'"
    of_files = _rows(
        query(athena, f"SELECT id, name, value FROM {glue} {by_path} ORDER BY id", time_factor=target.time_factor)  # noqa: S608 - as above
    )
    own = [[row.id, row.name, row.value] for row in ROWS]
    assert _typed(full) == _typed(of_files) == own
    observe("rows", _typed(of_files))
    sums = "SELECT count(*), round(sum(value), 6), min(value), max(value) FROM "
    values = [row.value for row in ROWS]
    local = [float(len(values)), round(sum(values), 6), min(values), max(values)]
    for source in (place, f"{glue} {by_path}"):
        (figures,) = _rows(query(athena, sums + source, time_factor=target.time_factor))
        assert [float(str(cell)) for cell in figures] == local


def _rows(ended: Ended) -> list[list[str | None]]:
    assert (ended.state, ended.reason) == ("SUCCEEDED", "")
    note("query_s", ended.execution["Statistics"]["TotalExecutionTimeInMillis"] / 1000)
    return ended.rows


def _typed(found: list[list[str | None]]) -> list[list[Any]]:
    return [[int(str(row[0])), row[1], float(str(row[2]))] for row in found]
