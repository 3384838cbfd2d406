"""Tabulator and Athena over the same files: both must compute what the generated rows say."""

from __future__ import annotations

import csv
import io
from concurrent.futures import ThreadPoolExecutor
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
from suites._support.statements import Statement
from suites._support.statements import cells
from suites._support.statements import split

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.quilt import QuiltOps
    from suites._support.glue import GlueTables
    from suites._support.settings import Settings
    from suites._support.tables import Tables
    from suites._support.work import Work

JOURNEY = "query-data"
COLUMNS = (("id", "int"), ("name", "string"), ("value", "double"))
FOLDER = "matched"
BATCHES = ("alpha", "beta")
ROWS_PER_FILE = 500
AT_A_TIME = 4
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
    """The same statements on two sides: a Tabulator table, and a Glue table over the objects behind it."""

    def __init__(self, client: Any, tabulator: str, bare_glue: str, names: list[str], time_factor: float) -> None:
        self.client = client
        self.tabulator = tabulator
        self.glue = _described(bare_glue, names)
        self._bare_glue = bare_glue
        self._time_factor = time_factor

    def run(self, sql: str, **more: Any) -> Ended:
        """Run a statement to its end."""
        return query(self.client, sql, time_factor=self._time_factor, **more)

    def answers(self) -> dict[str, tuple[Ended, Ended]]:
        """Run every statement on both sides, four at a time; return both results by statement name."""
        asked = [(statement, place) for statement in STATEMENTS for place in self.places()]
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            ended = list(pool.map(lambda pair: self.run(pair[0].sql.format(**pair[1]), **pair[0].options), asked))
        return {statement.name: (ended[2 * n], ended[2 * n + 1]) for n, statement in enumerate(STATEMENTS)}

    def places(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the values for the placeholders of a statement, for each side."""
        of_tabulator = {"own": self.tabulator, "pkg": '"$pkg_name"', "plain": self.tabulator, "other": self._bare_glue}
        return of_tabulator, {"own": self.glue, "pkg": "pkg", "plain": self._bare_glue, "other": self.tabulator}

    def counts(self) -> tuple[int, int]:
        """Return the row counts of both sides, Tabulator first."""
        ended = [self.run(f"SELECT count(*) FROM {table}") for table in (self.tabulator, self.glue)]  # noqa: S608 - the test's names
        assert [one.reason for one in ended] == ["", ""]
        by_tabulator, by_glue = (int(str(one.rows[0][0])) for one in ended)
        return by_tabulator, by_glue


@pytest.mark.timeout(240)  # queries and deletions in sequence, also over a slow network
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
    """Nine statements return equal rows by Tabulator, Athena and local computation; each sees changes of its source."""
    names, data, sources = _packages(quilt_ops, work)
    table = tables.name(work.bucket, "matched")
    admin_ops.create_tabulator_table(work.bucket, table, CONFIG.format(packages="|".join(names)))
    _decoy(admin_ops, work, tables)
    folder = f"s3://{work.bucket}/{work.prefix(work.bucket, FOLDER)}"
    glue = glue_tables.csv("matched", COLUMNS, f"{folder}in/")
    place = tabulator.place(work.bucket, table)
    athena = quilt_ops.get_boto3_client("athena")
    sides = Sides(athena, place, glue_tables.place(glue), names, target.time_factor)
    answers = sides.answers()
    s3 = quilt_ops.get_boto3_client("s3")
    for statement in STATEMENTS:
        _check_statement(answers[statement.name], statement, data, s3)
    _check_pages(sides, answers["window"])
    _check_refusals(sides)
    _check_changes(sides, quilt_ops, work, names, sources, lambda: glue_tables.move(glue, COLUMNS, folder))
    viewer = as_user("readonly").get_boto3_client("athena")
    ended = query(viewer, f"SELECT count(*) FROM {sides.tabulator}", time_factor=target.time_factor)  # noqa: S608 - the test's names
    assert (ended.state, ended.reason.startswith("PERMISSION_DENIED")) == ("FAILED", True), ended.reason


def _check_changes(
    sides: Sides,
    quilt_ops: QuiltOps,
    work: Work,
    names: list[str],
    sources: dict[tuple[str, str], str],
    move: Callable[[], None],
) -> None:
    """Add rows to one package and delete another.

    Tabulator sees both at once; the external table sees what its folder holds.
    """
    more = rows.generated("gamma", 3000, 100)
    uri = work.put(FOLDER, "later/0/gamma.csv", rows.as_csv(more))
    entries = [{"logical_key": f"data/{batch}.csv", "physical_key": sources[names[0], batch]} for batch in BATCHES]
    work.await_next_second(names[0])
    quilt_ops.update_package_revision(
        names[0], work.registry, [*entries, {"logical_key": "data/gamma.csv", "physical_key": uri}]
    )
    assert sides.counts() == (3100, 3000)
    move()
    assert sides.counts() == (3100, 3100)
    quilt_ops.delete_package(names[2], work.registry)
    assert sides.counts() == (2100, 3100)


def _packages(quilt_ops: QuiltOps, work: Work) -> tuple[list[str], Data, dict[tuple[str, str], str]]:
    """Create three packages of two tables each; return their names, all rows, and the object of each batch."""
    names = [work.package_name("matched") for _ in range(3)]
    found, sources = [], {}
    for number, name in enumerate(names):
        for place, batch in enumerate(BATCHES):
            first = (len(BATCHES) * number + place) * ROWS_PER_FILE
            made = rows.generated("matched", first, ROWS_PER_FILE)
            sources[name, batch] = work.put(FOLDER, f"in/{number}/{batch}.csv", rows.as_csv(made))
            found += [(row, batch, name) for row in made]
        entries = [{"logical_key": f"data/{batch}.csv", "physical_key": sources[name, batch]} for batch in BATCHES]
        quilt_ops.create_package_revision(name, work.registry, entries)
    return names, Data(found), sources


def _described(glue: str, names: list[str]) -> str:
    """Return the external table with columns for batch and package, derived from the paths of its files."""
    cases = " ".join(f"WHEN '{number}' THEN '{name}'" for number, name in enumerate(names))
    batch, number = (f"regexp_extract(\"$path\", '/([0-9])/([a-z]+)[.]csv$', {group})" for group in (2, 1))
    return f"(SELECT id, name, value, {batch} AS batch, CASE {number} {cases} END AS pkg FROM {glue})"  # noqa: S608 - the test's names


def _decoy(admin_ops: QuiltOps, work: Work, tables: Tables) -> None:
    """Create tables of other rows, listed before and after the queried table."""
    uri = work.put("decoy", "other.csv", rows.as_csv(rows.generated("decoy", 9000, 7)))
    other = work.create("decoy", [{"logical_key": "data/other.csv", "physical_key": uri}])
    for short in ("also", "other"):
        admin_ops.create_tabulator_table(work.bucket, tables.name(work.bucket, short), CONFIG.format(packages=other))


def _check_statement(answers: tuple[Ended, Ended], statement: Statement, data: Data, s3: Any) -> None:
    """Compare the results of both sides with the expected rows."""
    expected, near = split(statement.expected(data))
    for ended in answers:
        assert (ended.state, ended.reason) == ("SUCCEEDED", "")
        exact, floats = split(cells(ended))
        assert exact == expected
        assert floats == pytest.approx(near, rel=1e-9)
        assert ended.names == list(statement.columns)
        assert [column["Type"] for column in ended.columns] == list(statement.columns.values())
        note("query_s", ended.execution["Statistics"]["TotalExecutionTimeInMillis"] / 1000)
        assert ended.execution["Statistics"]["DataScannedInBytes"] > 0
        _check_result_file(ended, s3)
    rounded = [[round(cell, 9) if isinstance(cell, float) else cell for cell in row] for row in cells(answers[0])]
    observe(statement.name, rounded)


def _check_result_file(ended: Ended, s3: Any) -> None:
    """Compare the CSV result file in S3, named after the query, with the rows of the result pages."""
    location = ended.execution["ResultConfiguration"]["OutputLocation"]
    assert location.endswith(f"/{ended.execution['QueryExecutionId']}.csv")
    bucket, _, key = location.removeprefix("s3://").partition("/")
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    assert list(csv.reader(io.StringIO(body))) == [ended.names, *ended.rows]


def _check_pages(sides: Sides, answers: tuple[Ended, Ended]) -> None:
    """Read 3,000 rows and their header in pages of 1,000: no row is duplicated or missing."""
    for ended in answers:
        asked = {"QueryExecutionId": ended.execution["QueryExecutionId"], "MaxResults": 1000}
        pages: list[list[str]] = []
        token: dict[str, str] = {}
        while not pages or token:
            answer = sides.client.get_query_results(**asked, **token)
            pages.append([row["Data"][0]["VarCharValue"] for row in answer["ResultSet"]["Rows"]])
            token = {"NextToken": answer["NextToken"]} if answer.get("NextToken") else {}
        assert [len(page) for page in pages] == [1000, 1000, 1000, 1]
        assert [cell for page in pages for cell in page] == ["id", *map(str, range(3000))]


def _check_refusals(sides: Sides) -> None:
    """Check that an unknown table, a syntax error and an unknown column fail with a reason."""
    unknown = sides.run(f'SELECT * FROM {sides.tabulator[:-1]}_none"')  # noqa: S608 - the test's names
    assert (unknown.state, "TABLE_NOT_FOUND" in unknown.reason) == ("FAILED", True)
    broken = sides.run(f"SELEC * FRM {sides.tabulator}")
    assert (broken.state, broken.reason == "") == ("FAILED", False)
    for table in (sides.tabulator, sides.glue):
        column = sides.run(f"SELECT no_such_column FROM {table}")  # noqa: S608 - the test's names
        assert (column.state, "no_such_column" in column.reason) == ("FAILED", True)
