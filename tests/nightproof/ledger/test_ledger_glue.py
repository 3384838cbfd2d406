"""A run's external tables are deleted from the Glue database; tables with similar names stay."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import boto3
import pytest

from nightproof.ledger import CleanContext
from nightproof.ledger import GlueDatabase
from nightproof.ledger import Ledger
from nightproof.ledger import audit
from nightproof.ledger import clean_run
from nightproof.ledger import plan

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nightproof.target import Target

RUN = "20261120T020000Z-k3f9qa"
OURS, FOREIGN = "np_20k3f9qa_rows", "np_20other1_rows"


@pytest.fixture
def database(embedded: Target) -> Iterator[GlueDatabase]:
    """Yield the testbed's database; no table that a test made stays."""
    found = GlueDatabase(embedded.aws_client("glue", "ci-seeder"), "quilt_mcp_test_db")
    yield found
    for name in names_of(found):
        found.client.delete_table(DatabaseName=found.name, Name=name)


@pytest.fixture
def context(database: GlueDatabase) -> CleanContext:
    """Return a cleanup context for the database only."""
    return CleanContext(boto3.client("s3", region_name="us-east-1"), frozenset(), frozenset(), glue=database)


def names_of(database: GlueDatabase) -> set[str]:
    """Return the names of the tables that tests made."""
    tables = database.client.get_tables(DatabaseName=database.name)["TableList"]
    return {table["Name"] for table in tables if table["Name"].startswith("np_")}


def make(database: GlueDatabase, name: str) -> None:
    """Make a table."""
    database.client.create_table(DatabaseName=database.name, TableInput={"Name": name})


def test_tables_of_a_run_go_and_others_stay(database: GlueDatabase, context: CleanContext, run_dir: Path) -> None:
    """The run's tables are deleted, confirmed or not; unmade ones are absent, those without an entry reported."""
    ledger = Ledger(run_dir / "ledger.jsonl", RUN)
    for name in (OURS, f"{OURS}_never"):
        ledger.intent("glue_table", {"database": database.name, "name": name})
    for name in (OURS, FOREIGN):
        make(database, name)
    assert [step.refusal for step in plan(run_dir, context)] == ["", ""]
    assert clean_run(run_dir, context) == 1
    assert names_of(database) == {FOREIGN}
    assert clean_run(run_dir, context) == 0
    make(database, f"{OURS}_2")
    result = audit(run_dir, context)
    assert (result.created, result.deleted, result.leaked, result.unknown) == (1, 1, 0, 1)


def test_a_table_that_is_back_is_leaked(database: GlueDatabase, context: CleanContext, run_dir: Path) -> None:
    """A table recorded as deleted that is still listed is leaked."""
    ledger = Ledger(run_dir / "ledger.jsonl", RUN)
    ledger.intent("glue_table", {"database": database.name, "name": OURS})
    make(database, OURS)
    assert clean_run(run_dir, context) == 1
    make(database, OURS)
    assert audit(run_dir, context).entries_leaked == (f"glue_table {database.name}/{OURS}: still listed",)


@pytest.mark.parametrize(
    ("where", "name", "why"),
    [
        ("quilt_mcp_test_db", FOREIGN, "does not begin with the tag"),
        ("another_db", OURS, "`another_db` is not this environment's Glue database"),
    ],
)
def test_tables_of_others_are_refused(
    database: GlueDatabase, context: CleanContext, run_dir: Path, where: str, name: str, why: str
) -> None:
    """Only tables of our database with the run's name prefix are deleted, whatever a ledger claims."""
    Ledger(run_dir / "ledger.jsonl", RUN).intent("glue_table", {"database": where, "name": name})
    make(database, name)
    assert clean_run(run_dir, context) == 0
    assert names_of(database) == {name}
    assert why in audit(run_dir, context).entries_leaked[0]


def test_a_database_that_is_not_there_has_no_tables(
    database: GlueDatabase, context: CleanContext, run_dir: Path
) -> None:
    """Listing and deletion succeed without the database."""
    nowhere = replace(context, glue=GlueDatabase(database.client, "no_such_db"))
    Ledger(run_dir / "ledger.jsonl", RUN).intent("glue_table", {"database": "no_such_db", "name": OURS})
    assert clean_run(run_dir, nowhere) == 0
    assert audit(run_dir, nowhere).leaked == 0
