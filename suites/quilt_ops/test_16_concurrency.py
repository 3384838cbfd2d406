"""Concurrent threads on one client: no thread gets another's answer, and no write is lost."""

from __future__ import annotations

import hashlib
import time
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

from nightproof import quilt
from nightproof.evidence import case
from nightproof.evidence import finding
from nightproof.evidence import note
from suites._support.index import await_index
from suites._support.threads import together

if TYPE_CHECKING:
    from collections.abc import Callable

    from nightproof.quilt.records import Content_Info
    from nightproof.quilt.records import Package_Creation_Result
    from nightproof.quilt.records import Package_Info
    from suites._support.observer import Observer
    from suites._support.people import People
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings
    from suites._support.tables import Tables
    from suites._support.work import Work

JOURNEY = "work-together"
NESTED = "test-user/nested-structure"
LARGE = "test-user/large-package"
READ = ["metadata-rich", "mixed-formats", "nested-structure", "simple-csv", "versioned-data"]
# Neighbours come from different packages where possible, so that mixed-up answers are noticed.
PLACES = [
    (NESTED, ""), (LARGE, ""), (NESTED, "data"), (LARGE, "chunk_050.bin"), (NESTED, "data/raw"),
    (NESTED, "data/raw/2024-01"), (NESTED, "data/processed"), (NESTED, "data/special"), (NESTED, "docs"),
    (NESTED, "metadata"),
]  # fmt: skip
THREADS, OPERATIONS = 10, 20
MIXED_LIMIT_S = 60
# Of four creations of one name: quilt3 checks and writes without a lock, the catalog holds a lock.
MOST_CREATIONS = {"quilt3": 4, "platform": 1}
CONFIG = """schema:
- name: {column}
  type: STRING
source:
  type: quilt-packages
  package_name: "^np-none/{column}$"
  logical_key: "\\\\.csv$"
parser:
  format: csv
  header: true
"""


@case(tier="high", category="concurrency", journey=JOURNEY)
def test_concurrent_reads(quilt_ops: quilt.QuiltOps, test_registry: str, seeds: Seeds) -> None:
    """Ten threads that read the information of five packages each get the package that they requested."""
    names = [f"test-user/{name}" for name in READ]

    def read(first: int) -> list[tuple[str, Package_Info]]:
        turned = names[first:] + names[:first]
        return [(name, quilt_ops.get_package_info(name, test_registry)) for name in turned]

    found = together([partial(read, number % len(names)) for number in range(THREADS)])
    pairs = [pair for listed in found for pair in listed]
    assert len(pairs) == 50
    for name, info in pairs:
        seed = seeds.package(name)
        assert (info.name, info.top_hash, info.message) == (name, seeds.top_hash(name), seed["message"])
        assert info.description == seed["metadata"]["description"]
        assert info.tags == tuple(seed["metadata"]["tags"])


def one_file(bucket: str, number: int) -> list[dict[str, Any]]:
    """Return the entries of a package of one file; each number has another file."""
    path = f"data{number + 1}.csv"
    return [{"logical_key": path, "physical_key": f"s3://{bucket}/simple-csv/{path}"}]


@case(tier="critical", category="concurrency", needs=("write",), journey=JOURNEY)
def test_concurrent_creates(
    quilt_ops: quilt.QuiltOps, work: Work, observer: Observer, target: Settings, backend: str
) -> None:
    """Packages created at once each have their own content, and concurrent creations of one name leave no damage."""

    def create(name: str, number: int) -> Package_Creation_Result:
        entries = one_file(target.data, number)
        return quilt_ops.create_package_revision(name, work.registry, entries, message=f"Number {number}")

    names = [work.package_name(f"several-{number}") for number in range(5)]
    made = together([partial(create, name, number) for number, name in enumerate(names)])
    ended = time.monotonic()
    for number, (name, result) in enumerate(zip(names, made, strict=True)):
        manifest = observer.manifest(work.bucket, result.top_hash)
        assert (result.success, result.package_name, result.file_count) == (True, name, 1)
        assert list(manifest.entries) == [f"data{number + 1}.csv"]
        assert manifest.header["message"] == f"Number {number}"
        assert result.top_hash == manifest.computed_hash == observer.latest(work.bucket, name)[0]
        found = partial(search, quilt_ops, name, work.registry)
        await_index(found, [(name, result.top_hash)], since=ended)

    def attempt(name: str, number: int) -> Package_Creation_Result | quilt.ValidationError:
        try:
            return create(name, number)
        except quilt.ValidationError as refusal:
            return refusal

    one = work.package_name("same")
    check_race(together([partial(attempt, one, number) for number in range(4)]), one, work, observer, backend)


def search(quilt_ops: quilt.QuiltOps, name: str, registry: str) -> list[tuple[str, str]]:
    """Return name and top hash of each package that a search for a name finds."""
    return [(hit.name, hit.top_hash) for hit in quilt_ops.search_packages(name, registry)]


def check_race(
    results: list[Package_Creation_Result | quilt.ValidationError],
    name: str,
    work: Work,
    observer: Observer,
    backend: str,
) -> None:
    """Check four creations of one name: those that succeeded are whole, the others were rejected as existing."""
    refused = [result for result in results if isinstance(result, quilt.ValidationError)]
    made = [(number, result) for number, result in enumerate(results) if not isinstance(result, quilt.ValidationError)]
    for number, result in made:
        manifest = observer.manifest(work.bucket, result.top_hash)
        assert list(manifest.entries) == [f"data{number + 1}.csv"]
        assert manifest.computed_hash == result.top_hash
    rule = "package must not exist; use update_package_revision"
    assert [refusal.context["validation_rule"] for refusal in refused] == [rule] * (4 - len(made))
    hashes = [result.top_hash for _, result in made]
    assert observer.latest(work.bucket, name)[0] in hashes
    assert 1 <= len(hashes) <= MOST_CREATIONS[backend]
    note("creations_of_one_name", len(hashes))
    if len(hashes) > 1:
        finding("create-race", f"{len(hashes)} of 4 creations of {name} succeeded: {', '.join(hashes)}.")


@case(tier="high", category="concurrency", journey=JOURNEY)
def test_concurrent_browse(quilt_ops: quilt.QuiltOps, test_registry: str) -> None:
    """Ten threads that list ten directories each get the result of a single thread."""

    def browse(name: str, path: str) -> list[Content_Info]:
        return quilt_ops.browse_content(name, test_registry, path)

    alone = [browse(*place) for place in PLACES]
    assert [len(items) for items in alone[:2]] == [4, 100]
    for turn in range(3):
        turned = PLACES[turn:] + PLACES[:turn]
        assert together([partial(browse, *place) for place in turned]) == alone[turn:] + alone[:turn]


@case(tier="high", category="concurrency", needs=("admin", "write"), journey=JOURNEY)
def test_concurrent_admin(admin_ops: quilt.QuiltOps, people: People, seeds: Seeds) -> None:
    """Two users created at once both exist, and a concurrent list contains every seeded user."""
    first, second = people.name("first"), people.name("second")
    admin = admin_ops.admin
    acts: list[Callable[[], Any]] = [
        lambda: admin.create_user(first, f"{first}@example.org", "user"),
        lambda: admin.create_user(second, f"{second}@example.org", "viewer"),
        admin.list_users,
    ]
    made_first, made_second, meanwhile = together(acts)
    seeded = {user["name"]: user for user in seeds.manifest["users"]}
    facts = {user.name: user for user in meanwhile if user.name in seeded}
    assert facts.keys() == seeded.keys()
    for name, user in facts.items():
        given = {"name": user.name, "email": user.email, "role": user.role.name if user.role else None}
        assert given | {"is_admin": user.is_admin, "is_service": user.is_service} == seeded[name]
    after = {user.name: user for user in admin.list_users()}
    assert (made_first.name, made_second.name) == (first, second)
    assert {first, second} <= after.keys()
    assert (after[first].email, after[second].email) == (f"{first}@example.org", f"{second}@example.org")
    assert (after[first], after[second]) == (admin.get_user(first), admin.get_user(second))


@case(tier="high", category="concurrency", needs=("admin", "write"), journey=JOURNEY)
def test_concurrent_tables(admin_ops: quilt.QuiltOps, tables: Tables, target: Settings) -> None:
    """Two tables created at once are both stored, each with its own configuration."""
    wanted = [
        {"name": tables.name(target.work, short), "config": CONFIG.format(column=short)}
        for short in ("first", "second")
    ]
    acts: list[Callable[[], Any]] = [
        *(partial(admin_ops.create_tabulator_table, target.work, each["name"], each["config"]) for each in wanted),
        partial(admin_ops.list_tabulator_tables, target.work),
    ]
    *made, meanwhile = together(acts)
    assert made == wanted
    ours = {table["name"]: table for table in wanted}
    seen = [table for table in meanwhile if table["name"] in ours]
    assert seen == [ours[table["name"]] for table in seen]
    assert meanwhile == sorted(meanwhile, key=lambda table: table["name"])
    listed = admin_ops.list_tabulator_tables(target.work)
    assert [table for table in listed if table["name"] in ours] == sorted(wanted, key=lambda table: table["name"])
    assert [admin_ops.get_tabulator_table(target.work, name) for name in ours] == wanted


@case(tier="normal", category="concurrency", needs=("admin",), journey=JOURNEY)
def test_concurrent_mixed(admin_ops: quilt.QuiltOps, test_registry: str, seeds: Seeds, target: Settings) -> None:
    """Two hundred seeded reads in ten threads return the results of the same reads in sequence."""
    query = "query Facts($bucket: String!, $name: String!) { package(bucket: $bucket, name: $name) { bucket name } }"
    names = seeds.package_names
    acts: list[Callable[[], Any]] = [
        *(partial(admin_ops.search_packages, text, test_registry) for text in ("csv", "nested")),
        *(partial(admin_ops.browse_content, name, test_registry) for name in (NESTED, LARGE, "test-user/simple-csv")),
        *(
            partial(admin_ops.execute_graphql_query, query, {"bucket": target.packages, "name": name})
            for name in names[:3]
        ),
        *(partial(admin_ops.list_tabulator_tables, bucket) for bucket in (target.data, target.packages)),
    ]
    alone = [act() for act in acts]
    assert [hit.name for hit in alone[0]] == seeds.newest_first(set(seeds.manifest["search"]["csv"]))
    assert [answer["data"]["package"]["name"] for answer in alone[5:8]] == names[:3]

    def mixed(thread: int) -> list[tuple[int, Any]]:
        chosen = [hashlib.sha256(f"{thread}:{turn}".encode()).digest()[0] % len(acts) for turn in range(OPERATIONS)]
        return [(number, acts[number]()) for number in chosen]

    began = time.monotonic()
    found = [pair for listed in together([partial(mixed, thread) for thread in range(THREADS)]) for pair in listed]
    assert time.monotonic() - began < MIXED_LIMIT_S * target.time_factor
    assert len(found) == THREADS * OPERATIONS
    assert [result for _, result in found] == [alone[number] for number, _ in found]
