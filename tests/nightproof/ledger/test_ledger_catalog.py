"""Users and Tabulator tables of a run are deleted through an admin and verified by a separate listing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING
from typing import Any

import boto3
import pytest

from nightproof.ledger import CatalogAdmin
from nightproof.ledger import CleanContext
from nightproof.ledger import Ledger
from nightproof.ledger import audit
from nightproof.ledger import clean_run
from nightproof.ledger import open_runs
from nightproof.ledger import plan
from nightproof.ledger import read_entries
from nightproof.ledger import sweep
from nightproof.ledger.catalog import NO_ADMIN
from nightproof.quilt import QuiltOps
from nightproof.quilt import create_quilt_ops
from tests.conftest import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nightproof.target import Target

RUN = "20261120T020000Z-k3f9qa"
OURS = "np-20k3f9qa-joe"
FOREIGN = "np-20other1-joe"
TABLE = "np_20k3f9qa_rows"
BUCKET = "quilt-mcp-test-work"
CONFIG = """\
schema: [{name: a, type: STRING}]
source: {type: quilt-packages, package_name: x, logical_key: y}
parser: {format: csv}
"""


def admin_of(target: Target) -> QuiltOps:
    """Sign the admin in."""
    credentials = target.credentials("test-admin")
    return create_quilt_ops("platform", catalog_url=target.catalog_url, registry=None, credentials=credentials)


def cleaning(catalog: CatalogAdmin | None) -> CleanContext:
    """Return a cleanup context for the catalog only."""
    return CleanContext(boto3.client("s3", region_name="us-east-1"), frozenset(), frozenset(), catalog=catalog)


@pytest.fixture
def ops(embedded: Target) -> Iterator[QuiltOps]:
    """Yield an admin of the catalog; nobody whom a test made stays."""
    admin = admin_of(embedded)
    yield admin
    for user in admin.admin.list_users():
        if user.name.startswith("np-"):
            admin.admin.delete_user(user.name)
    for table in admin.list_tabulator_tables(BUCKET):
        if table["name"].startswith("np_"):
            admin.delete_tabulator_table(BUCKET, table["name"])


@pytest.fixture
def in_catalog(ops: QuiltOps) -> CleanContext:
    """Return a cleanup context for the running catalog."""
    return cleaning(CatalogAdmin(lambda: ops))


def ledger_of(run_dir: Path) -> Ledger:
    """Open the run's journal."""
    return Ledger(run_dir / "ledger.jsonl", RUN)


def make_user(ops: QuiltOps, name: str) -> None:
    """Make a user."""
    ops.admin.create_user(name, f"{name}@example.org", "viewer")


def names_of(ops: QuiltOps) -> set[str]:
    """Return the names of the users and tables that tests made."""
    tables = {table["name"] for table in ops.list_tabulator_tables(BUCKET)}
    return {name for name in {user.name for user in ops.admin.list_users()} | tables if name.startswith(("np-", "np_"))}


def test_users_and_tables_of_a_run_go_and_others_stay(ops: QuiltOps, in_catalog: CleanContext, run_dir: Path) -> None:
    """The run's users and tables are deleted, confirmed or not; others stay, and the plan only lists."""
    ledger = ledger_of(run_dir)
    locators: list[tuple[str, dict[str, Any]]] = [
        ("user", {"name": OURS}), ("table", {"bucket": BUCKET, "name": TABLE}), ("user", {"name": f"{OURS}-never"}),
    ]  # fmt: skip
    ids = [ledger.intent(kind, locator) for kind, locator in locators]
    make_user(ops, OURS)
    make_user(ops, FOREIGN)
    ops.create_tabulator_table(BUCKET, TABLE, CONFIG)
    ledger.confirmed(ids[1])
    assert [(step.entry.locator, step.refusal) for step in plan(run_dir, in_catalog)] == [
        (at, "") for _, at in locators
    ]
    assert names_of(ops) == {OURS, FOREIGN, TABLE}
    assert clean_run(run_dir, in_catalog) == 2
    assert names_of(ops) == {FOREIGN}
    result = audit(run_dir, in_catalog)
    assert (result.created, result.deleted, result.leaked, result.unknown) == (2, 2, 0, 0)


def test_a_dead_catalog_leaks_with_its_reason_until_it_is_back(
    ops: QuiltOps, in_catalog: CleanContext, run_dir: Path, embedded: Target
) -> None:
    """With a dead catalog every resource is leaked with the reason, and the next sweep deletes it."""
    ledger = ledger_of(run_dir)
    for name in (OURS, f"{OURS}-2"):
        ledger.confirmed(ledger.intent("user", {"name": name}))
        make_user(ops, name)
    gone = f"http://127.0.0.1:{free_port()}"
    credentials = embedded.credentials("test-admin")
    dead = cleaning(
        CatalogAdmin(lambda: create_quilt_ops("platform", catalog_url=gone, registry=None, credentials=credentials))
    )
    assert clean_run(run_dir, dead) == 0
    result = audit(run_dir, dead)
    assert (result.created, result.deleted, result.leaked) == (2, 0, 2)
    assert all("could not be deleted: The catalog cannot be reached" in said for said in result.entries_leaked)
    assert sweep(run_dir.parent, "another-run", in_catalog) == 2
    assert (audit(run_dir, in_catalog).leaked, names_of(ops), open_runs(run_dir.parent)) == (0, set(), ())


def test_without_an_admin_what_was_made_is_leaked(run_dir: Path) -> None:
    """Without an admin the resources are leaked, and the reason names what is missing."""
    ledger_of(run_dir).intent("user", {"name": OURS})
    without = cleaning(None)
    assert clean_run(run_dir, without) == 0
    assert audit(run_dir, without).entries_leaked == (f"user {OURS}: {NO_ADMIN}",)


def test_the_audit_believes_its_own_listing_only(ops: QuiltOps, in_catalog: CleanContext, run_dir: Path) -> None:
    """A user that exists again is leaked; one of the run without a ledger entry is unknown."""
    ledger_of(run_dir).intent("user", {"name": OURS})
    make_user(ops, OURS)
    clean_run(run_dir, in_catalog)
    make_user(ops, OURS)
    make_user(ops, f"{OURS}-unwritten")
    ops.create_tabulator_table(BUCKET, TABLE, CONFIG)
    result = audit(run_dir, in_catalog)
    assert (result.deleted, result.unknown, result.entries_leaked) == (0, 2, (f"user {OURS}: still listed",))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"errors": [{"message": "no"}], "data": None}, "does not list its users and tables: no"),
        ({"data": None}, "has another shape"),
        ({"data": {"admin": {"user": {"list": None}}, "bucketConfigs": []}}, "has another shape"),
    ],
)
def test_a_listing_that_is_not_whole_proves_nothing(
    ops: QuiltOps, run_dir: Path, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], words: str
) -> None:
    """An incomplete listing leaves the catalog's ledger entries leaked, with the reason."""
    catalog = CatalogAdmin(lambda: ops)
    ledger_of(run_dir).intent("user", {"name": OURS})
    clean_run(run_dir, cleaning(catalog))
    monkeypatch.setattr(type(ops), "execute_graphql_query", lambda *_: answer)
    assert words in audit(run_dir, cleaning(catalog)).entries_leaked[0]


def test_a_deletion_that_deletes_nothing_is_found_out(ops: QuiltOps, run_dir: Path) -> None:
    """The cleanup checks after each deletion that the resource is gone."""
    ledger_of(run_dir).intent("user", {"name": OURS})
    make_user(ops, OURS)

    class Lying:
        """An admin whose deletions do nothing."""

        admin = ops.admin
        delete_user = staticmethod(lambda _name: None)
        list_users = staticmethod(ops.admin.list_users)

    lying: Any = Lying()
    lying.admin = lying
    assert clean_run(run_dir, cleaning(CatalogAdmin(lambda: lying))) == 0
    assert read_entries([run_dir / "ledger.jsonl"])[0].detail.endswith("look at the catalog.")


WRITER = """
import json, os, pathlib, signal, sys
from nightproof.ledger import Ledger
from nightproof.quilt import Credentials, create_quilt_ops

given = json.loads(sys.argv[1])
ops = create_quilt_ops("platform", catalog_url=given["url"], registry=None,
                       credentials=Credentials(**given["credentials"]))
ledger = Ledger(pathlib.Path(given["path"]), given["run"])
name = given["name"]
steps = {
    "intend": lambda: given.update(id=ledger.intent("user", {"name": name})),
    "make": lambda: ops.admin.create_user(name, name + "@example.org", "viewer"),
    "confirm": lambda: ledger.confirmed(given["id"]),
    "delete": lambda: ops.admin.delete_user(name),
    "deleted": lambda: ledger.deleted(given["id"]),
}
for step in given["steps"]:
    steps[step]()
os.kill(os.getpid(), signal.SIGKILL)
"""
POINTS = {
    "intend": 0,
    "intend make": 1,
    "intend make confirm": 1,
    "intend make confirm delete": 1,
    "intend make confirm delete deleted": 1,
}


@pytest.mark.parametrize("steps", POINTS)
def test_whatever_a_killed_maker_of_users_left_the_next_sweep_settles(
    ops: QuiltOps, in_catalog: CleanContext, run_dir: Path, embedded: Target, steps: str
) -> None:
    """After SIGKILL at any point nobody is left, what had been made is counted, and the ledger is closed."""
    given = {
        "path": str(run_dir / "ledger.jsonl"), "run": RUN, "name": OURS, "url": embedded.catalog_url,
        "credentials": {"access_token": embedded.access_token("test-admin")}, "steps": steps.split(),
    }  # fmt: skip
    writer = subprocess.run([sys.executable, "-c", WRITER, json.dumps(given)], check=False)
    assert writer.returncode == -signal.SIGKILL
    assert sweep(run_dir.parent, "another-run", in_catalog) == POINTS[steps]
    result = audit(run_dir, in_catalog)
    assert (result.created, result.leaked, result.unknown) == (POINTS[steps], 0, 0)
    assert (names_of(ops), open_runs(run_dir.parent)) == (set(), ())
