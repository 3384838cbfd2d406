"""Data analysis: find a package, compute figures twice, and publish them as a package that names its source."""

from __future__ import annotations

import csv
import io
import statistics
from typing import TYPE_CHECKING
from typing import Any

import pytest
import requests

from nightproof.evidence import case
from nightproof.evidence import note
from nightproof.evidence import observe
from suites._support import formats
from suites._support.athena import query
from suites._support.hashes import sha256_hex

if TYPE_CHECKING:
    from nightproof.quilt import QuiltOps
    from suites._support.glue import GlueTables
    from suites._support.observer import Observer
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings
    from suites._support.work import Work

JOURNEY = "analyse-data"
TIMEOUT_S = 30
RICH = "test-user/metadata-rich"
DATASET = "metadata-rich"
NUMBERS = {"id": int, "value": float}
COLUMNS = (
    ("id", "int"),
    ("name", "string"),
    ("value", "double"),
    ("category", "string"),
    ("timestamp", "string"),
    ("note", "string"),
)
Figures = dict[str, tuple[float, float, float]]


@case(tier="critical", category="workflows-write", needs=("write", "athena"), journey=JOURNEY)
def test_data_analysis_workflow(
    quilt_ops: QuiltOps,
    test_registry: str,
    glue_tables: GlueTables,
    work: Work,
    observer: Observer,
    seeds: Seeds,
    target: Settings,
) -> None:
    """Figures over a package's tables are equal by hand and by SQL, and their package leads back to its source."""
    (hit,) = quilt_ops.search_packages("EXP-001", test_registry)
    metadata = quilt_ops.get_package_metadata(hit.name, test_registry, hit.top_hash)
    assert (hit.name, hit.top_hash) == (RICH, seeds.top_hash(RICH))
    assert metadata == seeds.package(RICH)["metadata"]
    rows = _downloaded(quilt_ops, test_registry, seeds)
    _check_schema(rows, metadata)
    table = glue_tables.place(glue_tables.csv("rich", COLUMNS, f"s3://{target.data}/{DATASET}/data/"))
    half = [row for row in rows if int(row["id"]) % 2 == 0]
    assert 2 * len(half) == len(rows)
    local = {"all": _figures(rows), "half": _figures(half)}
    athena = quilt_ops.get_boto3_client("athena")
    for name, condition in {"all": "", "half": "WHERE id % 2 = 0"}.items():
        found = _queried(athena, f"{table} {condition}", target.time_factor)
        assert found.keys() == local[name].keys()
        for column, figures in local[name].items():
            assert found[column] == pytest.approx(figures, rel=1e-9)
    result = _written(local)
    key = f"{work.prefix(target.scratch, 'analysis')}result.csv"
    quilt_ops.get_boto3_client("s3").put_object(Bucket=target.scratch, Key=key, Body=result)
    assert observer.read(target.scratch, key) == result
    _check_package(quilt_ops, work, seeds, metadata, f"s3://{target.scratch}/{key}", result, target)


def _downloaded(quilt_ops: QuiltOps, registry: str, seeds: Seeds) -> list[dict[str, str]]:
    """Return the rows of all tables of the package; each file must equal its seed."""
    rows: list[dict[str, str]] = []
    items = quilt_ops.browse_content(RICH, registry, "data")
    entries = seeds.entries(DATASET)
    assert [item.path for item in items] == sorted(entries)
    for item in items:
        data = requests.get(quilt_ops.get_content_url(RICH, registry, item.path), timeout=TIMEOUT_S).content
        assert sha256_hex(data) == entries[item.path]["sha256"]
        rows += formats.csv_rows(data)
    return rows


def _check_schema(rows: list[dict[str, str]], metadata: dict[str, Any]) -> None:
    """Compare the columns with the schema in the metadata."""
    assert [list(row) for row in rows[:1]] == [[name for name, _ in COLUMNS]]
    for declared in metadata["schema"]["fields"]:
        values = [int(row[declared["name"]]) for row in rows]
        assert (declared["type"], len(values)) == ("integer", len(rows))
        assert min(values) == declared["constraints"]["minimum"]


def _figures(rows: list[dict[str, str]]) -> Figures:
    """Return mean, minimum and maximum of each numeric column."""
    columns = {name: [kind(row[name]) for row in rows] for name, kind in NUMBERS.items()}
    return {name: (statistics.fmean(found), min(found), max(found)) for name, found in columns.items()}


def _queried(athena: Any, source: str, time_factor: float) -> Figures:
    """Return the same figures as Athena computes them."""
    parts = [
        f"SELECT '{name}' AS col, avg({name}) AS mean, min({name}) AS least, max({name}) AS most FROM {source}"  # noqa: S608 - the test's names
        for name in sorted(NUMBERS)
    ]
    ended = query(athena, " UNION ALL ".join(parts) + " ORDER BY col", time_factor=time_factor)
    assert (ended.state, ended.reason) == ("SUCCEEDED", "")
    note("query_s", ended.execution["Statistics"]["TotalExecutionTimeInMillis"] / 1000)
    observe("sql", [[row[0], *(round(float(str(cell)), 9) for cell in row[1:])] for row in ended.rows])
    return {
        str(name): (float(str(mean)), float(str(least)), float(str(most))) for name, mean, least, most in ended.rows
    }


def _written(figures: dict[str, Figures]) -> bytes:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["rows", "column", "mean", "min", "max"])
    table.writerows([name, column, *row] for name, found in figures.items() for column, row in found.items())
    return text.getvalue().encode()


def _check_package(
    quilt_ops: QuiltOps, work: Work, seeds: Seeds, metadata: dict[str, Any], uri: str, result: bytes, target: Settings
) -> None:
    """Create packages of source and result in one registry.

    The result names its source, and the diff between them is exact.
    """
    files = sorted(seeds.entries(DATASET))
    given = [{"logical_key": path, "physical_key": f"s3://{target.data}/{DATASET}/{path}"} for path in files]
    source = work.create("source", given, message=f"Baseline: {DATASET}", metadata=metadata)
    assert quilt_ops.get_package_info(source, work.registry).top_hash == seeds.top_hash(RICH)
    said = {"source": {"package": RICH, "top_hash": seeds.top_hash(RICH)}}
    made = work.create("result", [{"logical_key": "result.csv", "physical_key": uri}], metadata=said)
    items = quilt_ops.browse_content(made, work.registry)
    assert [(item.path, item.size) for item in items] == [("result.csv", len(result))]
    answer = requests.get(quilt_ops.get_content_url(made, work.registry, "result.csv"), timeout=TIMEOUT_S)
    assert (answer.status_code, answer.content) == (200, result)
    assert quilt_ops.get_package_metadata(made, work.registry)["source"]["top_hash"] == seeds.top_hash(RICH)
    expected: dict[str, list[str]] = {"added": ["result.csv"], "removed": files, "modified": []}
    assert quilt_ops.diff_packages(source, made, work.registry) == expected
