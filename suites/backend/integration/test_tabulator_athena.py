"""Tabulator and Athena on one set of files: both compute what the generated rows say."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof.evidence import case
from nightproof.evidence import note
from nightproof.evidence import observe
from suites._support import rows
from suites._support.athena import Ended
from suites._support.athena import Tabulator
from suites._support.athena import query
from suites._support.statements import STATEMENTS
from suites._support.statements import Data
from suites._support.statements import cells

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.quilt import QuiltOps
    from suites._support.glue import GlueTables
    from suites._support.settings import Settings
    from suites._support.tables import Tables
    from suites._support.work import Work

JOURNEY = "query-data"
COLUMNS = (("id", "int"), ("name", "string"), ("value", "double"))
BATCHES = ("alpha", "beta")
ROWS_PER_FILE = 500
CONFIG = """schema:
- {{name: id, type: INT}}
- {{name: name, type: STRING}}
- {{name: value, type: DOUBLE}}
source:
  type: quilt-packages
  package_name: "^({packages})$"
  logical_key: "^data/(?<batch>[a-z]+)[.]csv$"
parser: {{format: csv, header: true}}
"""


class Sides:
    """The same statements on both sides: a Tabulator table, and a Glue table over the objects behind it."""

    def __init__(self, client: Any, tabulator: str, glue: str, time_factor: float) -> None:
        self.client = client
        self.tabulator = tabulator
        self.glue = glue
        self._time_factor = time_factor

    def run(self, sql: str, **more: Any) -> Ended:
        """Run a statement to its end."""
        return query(self.client, sql, time_factor=self._time_factor, **more)

    def counts(self) -> tuple[int, int]:
        """Count the rows of both sides."""
        ended = [self.run(f"SELECT count(*) FROM {table}") for table in (self.tabulator, self.glue)]  # noqa: S608 - own names
        assert [one.reason for one in ended] == ["", ""]
        by_tabulator, by_glue = (int(str(one.rows[0][0])) for one in ended)
        return by_tabulator, by_glue


@case(tier="critical", category="integration-write", needs=("write", "admin", "athena"), journey=JOURNEY)
def test_tabulator_matches_athena(
    quilt_ops: QuiltOps,
    admin_ops: QuiltOps,
    as_user: Callable[[str], QuiltOps],
    work: Work,
    tables: Tables,
    tabulator: Tabulator,
    glue_tables: GlueTables,
    target: Settings,
) -> None:
    """Nine statements give the same rows by Tabulator, by Athena and by hand; then each sees what it must of a change."""
    names, data, sources = _packages(quilt_ops, work)
    table = tables.name(work.bucket, "matched")
    admin_ops.create_tabulator_table(work.bucket, table, CONFIG.format(packages="|".join(names)))
    _decoy(admin_ops, work, tables)
    glue = glue_tables.partitioned("matched", COLUMNS, ("pkg", "batch"), _parts(names, sources))
    sides = Sides(
        quilt_ops.get_boto3_client("athena"),
        tabulator.place(work.bucket, table),
        glue_tables.place(glue),
        target.time_factor,
    )
    for statement in STATEMENTS:
        _check_statement(sides, statement.name, data, quilt_ops)
    assert sides.counts() == (len(data.rows), len(data.rows)) == (3000, 3000)
    _check_pages(sides)
    _check_refusals(sides)
    more = rows.generated("gamma", 3000, 100)
    uri = work.put("gamma", "gamma.csv", rows.as_csv(more))
    entries = [{"logical_key": f"data/{batch}.csv", "physical_key": sources[names[0], batch]} for batch in BATCHES]
    work.await_next_second(names[0])
    quilt_ops.update_package_revision(
        names[0], work.registry, [*entries, {"logical_key": "data/gamma.csv", "physical_key": uri}]
    )
    assert sides.counts() == (3100, 3000)
    glue_tables.extend(glue, COLUMNS, (names[0], "gamma"), uri.rpartition("/")[0] + "/")
    assert sides.counts() == (3100, 3100)
    quilt_ops.delete_package(names[2], work.registry)
    assert sides.counts() == (2100, 3100)
    viewer = as_user("readonly").get_boto3_client("athena")
    ended = query(viewer, f"SELECT count(*) FROM {sides.tabulator}", time_factor=target.time_factor)  # noqa: S608 - own name
    assert (ended.state, "AccessDenied" in ended.reason.replace(" ", "")) == ("FAILED", True)


def _packages(quilt_ops: QuiltOps, work: Work) -> tuple[list[str], Data, dict[tuple[str, str], str]]:
    """Make three packages of two tables each; give their names, all rows, and the object of each batch."""
    names = [work.package_name("matched") for _ in range(3)]
    found, sources = [], {}
    for number, name in enumerate(names):
        for place, batch in enumerate(BATCHES):
            first = (len(BATCHES) * number + place) * ROWS_PER_FILE
            made = rows.generated("matched", first, ROWS_PER_FILE)
            sources[name, batch] = work.put(f"matched-{number}-{batch}", f"{batch}.csv", rows.as_csv(made))
            found += [(row, batch, name) for row in made]
        entries = [{"logical_key": f"data/{batch}.csv", "physical_key": sources[name, batch]} for batch in BATCHES]
        quilt_ops.create_package_revision(name, work.registry, entries)
    return names, Data(found), sources


def _parts(names: list[str], sources: dict[tuple[str, str], str]) -> dict[tuple[str, ...], str]:
    return {(name, batch): sources[name, batch].rpartition("/")[0] + "/" for name in names for batch in BATCHES}


def _decoy(admin_ops: QuiltOps, work: Work, tables: Tables) -> None:
    """Put tables of other rows before and behind the one that is asked."""
    uri = work.put("decoy", "other.csv", rows.as_csv(rows.generated("decoy", 9000, 7)))
    other = work.create("decoy", [{"logical_key": "data/other.csv", "physical_key": uri}])
    for short in ("also", "other"):
        admin_ops.create_tabulator_table(work.bucket, tables.name(work.bucket, short), CONFIG.format(packages=other))


def _check_statement(sides: Sides, name: str, data: Data, quilt_ops: QuiltOps) -> None:
    """Run a statement on both sides and compare them with each other and with the rows."""
    statement = next(one for one in STATEMENTS if one.name == name)
    expected = statement.expected(data)
    answers = []
    for own, pkg, other in ((sides.tabulator, '"$pkg_name"', sides.glue), (sides.glue, "pkg", sides.tabulator)):
        ended = sides.run(statement.sql.format(own=own, pkg=pkg, other=other), **statement.options)
        assert (ended.state, ended.reason) == ("SUCCEEDED", "")
        found = cells(ended)
        assert len(found) == len(expected)
        for row, wanted in zip(found, expected, strict=True):
            assert row == pytest.approx(wanted, rel=1e-9) if statement.is_float else row == wanted
        note("query_s", ended.execution["Statistics"]["TotalExecutionTimeInMillis"] / 1000)
        assert ended.execution["Statistics"]["DataScannedInBytes"] > 0
        _check_result_file(ended, quilt_ops)
        answers.append(ended)
    assert answers[0].names == answers[1].names == list(statement.columns)
    assert [column["Type"] for column in answers[0].columns] == list(statement.columns.values())
    assert [column["Type"] for column in answers[1].columns] == list(statement.columns.values())
    observe(name, [[round(cell, 9) if isinstance(cell, float) else cell for cell in row] for row in cells(answers[0])])


def _check_result_file(ended: Ended, quilt_ops: QuiltOps) -> None:
    """Compare the result's CSV, named by the query, and its pages with the rows."""
    location = ended.execution["ResultConfiguration"]["OutputLocation"]
    assert location.endswith(f"/{ended.execution['QueryExecutionId']}.csv")
    bucket, _, key = location.removeprefix("s3://").partition("/")
    body = quilt_ops.get_boto3_client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    assert list(csv.reader(io.StringIO(body))) == [ended.names, *ended.rows]


def _check_pages(sides: Sides) -> None:
    """Page through three thousand rows, whose header counts as one: none twice, none missing."""
    for table in (sides.tabulator, sides.glue):
        ended = sides.run(f"SELECT id FROM {table} ORDER BY id OFFSET 0 LIMIT 3000")  # noqa: S608 - own name
        asked = {"QueryExecutionId": ended.execution["QueryExecutionId"], "MaxResults": 1000}
        pages, token = [], {}
        while not pages or token:
            answer = sides.client.get_query_results(**asked, **token)
            pages.append([row["Data"][0]["VarCharValue"] for row in answer["ResultSet"]["Rows"]])
            token = {"NextToken": answer["NextToken"]} if answer.get("NextToken") else {}
        assert [len(page) for page in pages] == [1000, 1000, 1000, 1]
        assert [cell for page in pages for cell in page] == ["id", *map(str, range(3000))]


def _check_refusals(sides: Sides) -> None:
    """An unknown table, a statement that is none and an unknown column fail and say why."""
    unknown = sides.run(f'SELECT * FROM {sides.tabulator[:-1]}_none"')  # noqa: S608 - own name
    assert (unknown.state, "TABLE_NOT_FOUND" in unknown.reason) == ("FAILED", True)
    broken = sides.run(f"SELEC * FRM {sides.tabulator}")
    assert (broken.state, broken.reason == "") == ("FAILED", False)
    for table in (sides.tabulator, sides.glue):
        column = sides.run(f"SELECT no_such_column FROM {table}")  # noqa: S608 - own name
        assert (column.state, "no_such_column" in column.reason) == ("FAILED", True)
