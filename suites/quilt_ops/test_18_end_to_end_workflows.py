"""Workflows of users from sign-in to result; each step is checked against the server's own answer."""

from __future__ import annotations

import csv
import io
import time
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

import boto3
import pytest

from nightproof import quilt
from nightproof.evidence import case
from nightproof.evidence import observe
from suites._support.athena import query
from suites._support.exclusive import borrowed
from suites._support.exploring import explore
from suites._support.exploring import fetched
from suites._support.hashes import sha256_hex
from suites._support.index import await_index
from suites._support.index import found_packages

if TYPE_CHECKING:
    from nightproof.quilt.records import Content_Info
    from suites._support.isolated import Isolated
    from suites._support.observer import Observer
    from suites._support.people import People
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings
    from suites._support.tables import Tables
    from suites._support.work import Work

SIMPLE_FILES = [f"data{number}.csv" for number in range(1, 6)]
METADATA = {"description": "A day's measurements", "tags": ["day", "shared"], "nested": {"empty": [], "none": None}}
CONFIG = """schema:
  - {{name: id, type: INT}}
  - {{name: name, type: STRING}}
  - {{name: value, type: DOUBLE}}
  - {{name: {category}, type: STRING}}
  - {{name: timestamp, type: STRING}}
  - {{name: note, type: STRING, nullable: true}}
source:
  type: quilt-packages
  package_name: "^{package}$"
  logical_key: "[.]csv$"
parser:
  format: csv
  delimiter: ","
  header: true
"""


def simple(bucket: str, names: dict[str, str]) -> list[dict[str, Any]]:
    """Return entries of the simple-csv dataset; `names` maps logical keys to the dataset's files."""
    return [{"logical_key": key, "physical_key": f"s3://{bucket}/simple-csv/{file}"} for key, file in names.items()]


def sizes(items: list[Content_Info]) -> dict[str, int | None]:
    """Return the size of each listed item by path."""
    return {item.path: item.size for item in items}


@case(tier="critical", category="workflow", needs=("write", "admin", "mint_jwt"), journey="publish-data")
def test_data_scientist_creates_and_shares(
    people: People, work: Work, observer: Observer, seeds: Seeds, target: Settings
) -> None:
    """A user finds related data and publishes a package, and a colleague reads the same bytes."""
    scientist = people.sign_in(people.create("scientist").name)
    related = [hit.name for hit in scientist.search_packages("csv", target.registry)]
    expected = set(seeds.manifest["search"]["csv"])
    assert target.ours(related, expected) == seeds.newest_first(expected)
    name = work.package_name("day")
    entries = simple(target.data, {path: path for path in SIMPLE_FILES})
    made = scientist.create_package_revision(name, work.registry, entries, message="My day", metadata=METADATA)
    ended = time.monotonic()
    manifest = observer.manifest(work.bucket, made.top_hash)
    assert made.top_hash == manifest.computed_hash == observer.latest(work.bucket, name)[0]
    assert scientist.get_package_metadata(name, work.registry) == manifest.header.get("user_meta") == METADATA
    hit = (name, made.top_hash, METADATA["description"], ("day", "shared"), "My day")
    await_index(partial(found_packages, scientist, name, work.registry), [hit], since=ended)
    listed = scientist.browse_content(name, work.registry)
    assert sizes(listed) == {path: seeds.size("simple-csv", path) for path in SIMPLE_FILES}
    bytes_of = {path: [seeds.sha256("simple-csv", path), seeds.size("simple-csv", path)] for path in SIMPLE_FILES}
    assert {path: fetched(scientist, name, work.registry, path) for path in SIMPLE_FILES} == bytes_of
    colleague = people.sign_in(people.create("colleague", role="editor").name)
    assert colleague.get_package_info(name, work.registry).top_hash == made.top_hash
    got = {path: fetched(colleague, name, work.registry, path) for path in SIMPLE_FILES}
    assert got == bytes_of
    observe("fetched", got)


@case(tier="critical", category="workflow", needs=("write", "admin", "mint_jwt"), journey="publish-data")
def test_collaborator_updates(people: People, work: Work, seeds: Seeds, target: Settings) -> None:
    """A collaborator updates another user's package; the diff is exact, and both revisions stay whole."""
    before = {"changed.csv": "data1.csv", "kept.csv": "data2.csv", "removed.csv": "data3.csv"}
    after = {"added.csv": "data5.csv", "changed.csv": "data4.csv", "kept.csv": "data2.csv"}
    owner = people.sign_in(people.create("owner").name)
    name = work.package_name("shared")
    old = owner.create_package_revision(name, work.registry, simple(target.data, before), message="Begun").top_hash
    ended = time.monotonic()
    other = people.sign_in(people.create("other", role="editor").name)
    hit = (name, old, None, (), "Begun")
    await_index(partial(found_packages, other, name, work.registry), [hit], since=ended)
    assert sizes(other.browse_content(name, work.registry)) == {
        key: seeds.size("simple-csv", file) for key, file in before.items()
    }
    work.await_next_second(name)
    new = other.update_package_revision(name, work.registry, simple(target.data, after), message="Changed").top_hash
    assert other.diff_packages(name, name, work.registry, old, new) == {
        "added": ["added.csv"], "removed": ["removed.csv"], "modified": ["changed.csv"],
    }  # fmt: skip
    for top_hash, files in ((old, before), (new, after)):
        got = {key: fetched(other, name, work.registry, key, top_hash) for key in files}
        assert got == {
            key: [seeds.sha256("simple-csv", file), seeds.size("simple-csv", file)] for key, file in files.items()
        }
        assert sizes(owner.browse_content(name, work.registry, top_hash=top_hash)).keys() == files.keys()
    assert [item.top_hash for item in owner.list_package_revisions(name, work.registry)] == [new, old]


@case(tier="high", category="workflow", needs=("write", "admin", "mint_jwt"), journey="administer")
def test_admin_onboards_user(
    admin_ops: quilt.QuiltOps, people: People, seeds: Seeds, target: Settings, backend: str
) -> None:
    """A new user has exactly the properties that the admin set, and exactly the permissions of the roles."""
    admin, name = admin_ops.admin, people.create("newcomer", role="viewer").name
    fresh = admin.get_user(name)
    assert (fresh.name, fresh.email, fresh.role.name if fresh.role else None) == (name, f"{name}@example.org", "viewer")
    assert (fresh.is_active, fresh.is_admin, fresh.is_service, fresh.extra_roles) == (True, False, False, ())
    address = f"{name}@example.com"
    admin.set_user_email(name, address)
    admin.set_user_role(name, "editor")
    admin.add_user_roles(name, ["analyst"])
    onboarded = admin.get_user(name)
    assert (onboarded.email, onboarded.role.name if onboarded.role else None) == (address, "editor")
    assert [role.name for role in onboarded.extra_roles] == ["analyst"]
    assert [user for user in admin.list_users() if user.name == name] == [onboarded]
    newcomer = people.sign_in(name)
    assert newcomer.get_auth_status().user_name == name
    package = "test-user/simple-csv"
    assert newcomer.get_package_info(package, target.registry).top_hash == seeds.top_hash(package)
    with pytest.raises(quilt.PermissionError) as denied:
        newcomer.get_package_info("secret/hidden", f"s3://{target.private}")
    assert denied.type is quilt.PermissionError
    assert denied.value.context == {
        "backend_type": backend,
        "operation": "get_package_info",
        "required_permissions": [f"s3:read:{target.private}"],
        "user_role": "editor",
        "access_level": "none",
    }


def rows_of(table: str) -> str:
    """Return the statement for the rows of a table in the order of their ids."""
    return f"SELECT id, name, kind FROM {table} ORDER BY id"  # noqa: S608 - the test made the names


@case(tier="high", category="workflow", needs=("write", "admin", "athena"), journey="query-data")
def test_analyst_sets_up_tabulator(
    admin_ops: quilt.QuiltOps, tables: Tables, work: Work, observer: Observer, seeds: Seeds, target: Settings
) -> None:
    """A table that is created, renamed, updated and opened returns the package's rows by SQL under its final name."""
    status = admin_ops.get_auth_status()
    assert status.user_name == target.admin_user
    package = work.create("tabular", simple(target.data, {"rows.csv": "data1.csv"}))
    draft, final = tables.name(work.bucket, "draft"), tables.name(work.bucket, "final")
    first, second = (CONFIG.format(category=name, package=package) for name in ("category", "kind"))
    assert {draft, final}.isdisjoint(table["name"] for table in admin_ops.list_tabulator_tables(work.bucket))
    made = admin_ops.create_tabulator_table(work.bucket, draft, first)
    assert made == {"name": draft, "config": first}
    assert admin_ops.rename_tabulator_table(work.bucket, draft, final) == {"name": final, "config": first}
    with pytest.raises(quilt.NotFoundError) as gone:
        admin_ops.get_tabulator_table(work.bucket, draft)
    assert gone.type is quilt.NotFoundError
    assert admin_ops.update_tabulator_table(work.bucket, final, second) == {"name": final, "config": second}
    assert admin_ops.get_tabulator_table(work.bucket, final) == {"name": final, "config": second}
    database = f'"{status.tabulator_data_catalog}"."{work.bucket}"'
    athena = boto3.client("athena")  # the harness's credentials, accepted only with open query on
    read, enable = (lambda: admin_ops.get_open_query_status()["enabled"]), admin_ops.set_open_query
    with borrowed(target.placement, "open-query", read, enable):
        assert [enable(is_on)["enabled"] for is_on in (False, True)] == [False, True]
        found = query(athena, rows_of(f'{database}."{final}"'), time_factor=target.time_factor)
        missing = query(athena, rows_of(f'{database}."{draft}"'), time_factor=target.time_factor)
    source = observer.read(target.data, "simple-csv/data1.csv")
    assert sha256_hex(source) == seeds.sha256("simple-csv", "data1.csv")
    rows = [[row["id"], row["name"], row["category"]] for row in csv.DictReader(io.StringIO(source.decode()))]
    assert (found.state, found.reason, found.names) == ("SUCCEEDED", "", ["id", "name", "kind"])
    assert found.rows == sorted(rows, key=lambda row: int(row[0]))
    assert missing.state == "FAILED"
    assert "TABLE_NOT_FOUND" in missing.reason
    observe("rows", found.rows)


@case(tier="critical", category="workflow", needs=("write",), journey="publish-data")
def test_developer_crosses_backends(
    quilt_ops: quilt.QuiltOps,
    isolated: Isolated,
    work: Work,
    observer: Observer,
    seeds: Seeds,
    target: Settings,
    backend: str,
) -> None:
    """Both backends read a package alike, whichever created it: same answers, same bytes, same hash."""
    other = {"quilt3": "platform", "platform": "quilt3"}[backend]
    files = {"a.csv": "data1.csv", "b.csv": "data2.csv", "deep/c.csv": "data3.csv", "deep/d.csv": "data4.csv"}
    name = work.package_name("crossing")
    entries = simple(target.data, files)
    made = quilt_ops.create_package_revision(name, work.registry, entries, message="Crossing", metadata=METADATA)
    ended = time.monotonic()
    hit = (name, made.top_hash, METADATA["description"], ("day", "shared"), "Crossing")
    await_index(partial(found_packages, quilt_ops, name, work.registry), [hit], since=ended)
    here = explore(quilt_ops, name, work.registry, ["deep"])
    signed_in = target.credentials(target.user)
    there = isolated.run(
        "explore", backend=other, credentials=signed_in, registry=work.registry, package=name, folders=["deep"]
    )
    assert there == here
    assert there["info"]["top_hash"] == made.top_hash == observer.manifest(work.bucket, made.top_hash).computed_hash
    assert there["metadata"] == METADATA
    assert there["fetched"] == {
        key: [seeds.sha256("simple-csv", file), seeds.size("simple-csv", file)] for key, file in files.items()
    }
