"""Invalid input: the client and the server behind it reject it by field, value and rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof import quilt
from nightproof.evidence import case
from suites._support import unfit
from suites._support.provoked import SIMPLE
from suites._support.sso import borrowed_sso

if TYPE_CHECKING:
    from collections.abc import Iterator

    from suites._support.control import CallLog
    from suites._support.observer import Observer
    from suites._support.people import People
    from suites._support.settings import Settings
    from suites._support.tables import Tables
    from suites._support.work import Work

JOURNEY = "understand-errors"
ARMS = "__typename ... on InvalidInput { errors { path name } }"
CONSTRUCT = f"""mutation C($name: String!, $bucket: String!, $entries: [PackageConstructEntry!]!) {{
    packageConstruct(params: {{bucket: $bucket, name: $name}}, src: {{entries: $entries}}) {{ {ARMS} }} }}"""
TABLE = f"""mutation T($bucket: String!, $name: String!, $config: String) {{
    bucketSetTabulatorTable(bucketName: $bucket, tableName: $name, config: $config) {{ {ARMS} }} }}"""
SSO = f"mutation S($config: String) {{ admin {{ setSsoConfig(config: $config) {{ {ARMS} }} }} }}"
USER = f"""mutation U($name: String!, $email: String!) {{ admin {{ user {{
    create(input: {{name: $name, email: $email, role: "user"}}) {{ {ARMS} }} }} }} }}"""
SESSION = f"""mutation B($scope: String!, $ttl: Int!) {{
    browsingSessionCreate(scope: $scope, ttl: $ttl) {{ {ARMS} }} }}"""


@pytest.fixture
def sso_kept(admin_ops: quilt.QuiltOps, target: Settings) -> Iterator[str | None]:
    """Hold the SSO text alone and yield it: a server that accepts an invalid text has it for every test."""
    with borrowed_sso(admin_ops.admin, target) as text:
        yield text


def check_refused(asked: unfit.Unfit, backend: str) -> None:
    """Check that a call with an invalid argument raises the exact ValidationError."""
    with pytest.raises(quilt.QuiltOpsError) as caught:
        asked.act()
    assert type(caught.value) is quilt.ValidationError
    rule = caught.value.context["validation_rule"]
    assert rule != ""
    assert caught.value.context == {
        "backend_type": backend,
        "operation": asked.operation,
        "field_name": asked.field,
        "field_value": asked.value,
        "validation_rule": rule,
    } | ({} if asked.index is None else {"index": asked.index})


def sent_to_server(target: Settings, names: list[str], user: str, table: str) -> list[tuple[str, dict[str, Any]]]:
    """Return eight documents that our clients never send, each with one invalid value."""
    good = {"logicalKey": "data.csv", "physicalKey": f"s3://{target.data}/single-file/data.csv"}
    packages = {
        "a.b/c": good,
        names[0]: good | {"logicalKey": "../x"},
        names[1]: good | {"physicalKey": f"s3://{target.data}/single-file/none.csv"},
    }
    scope = f"s3://{target.packages}#package={SIMPLE}&hash={'0' * 64}"
    return [
        *((CONSTRUCT, {"bucket": target.work, "name": name, "entries": [entry]}) for name, entry in packages.items()),
        (TABLE, {"bucket": target.work, "name": table, "config": "schema: []"}),
        (SSO, {"config": "- no mapping"}),
        (USER, {"name": user, "email": f"other-{user}@example.org"}),
        (SESSION, {"scope": scope, "ttl": 5}),
        (SESSION, {"scope": "nowhere", "ttl": 180}),
    ]


def refusal_of(admin: quilt.QuiltOps, document: str, variables: dict[str, Any]) -> tuple[str, str]:
    """Send a document; return name and path of the one error in its InvalidInput result."""
    found = admin.execute_graphql_query(document, variables)["data"]
    while "__typename" not in found:
        (found,) = found.values()
    assert found["__typename"] == "InvalidInput"
    (error,) = found["errors"]
    return error["name"], error["path"]


REFUSALS = [
    ("InvalidName", "params.name"),
    ("InvalidLogicalKey", "src.entries.0.logicalKey"),
    ("ObjectNotFound", "src.entries.0.physicalKey"),
    ("InvalidConfig", "config"),
    ("InvalidConfig", "config"),
    ("Conflict", "input.name"),
    ("InvalidTtl", "ttl"),
    ("InvalidScope", "scope"),
]


@dataclass(frozen=True)
class World:
    """The state that rejected calls must leave unchanged."""

    observer: Observer
    admin: quilt.QuiltOps
    target: Settings
    packages: list[str]
    user: str
    table: str

    def state(self) -> dict[str, Any]:
        """Return the present state of packages, user, table and SSO configuration."""
        sso = self.admin.admin.get_sso_config()
        return {
            "packages": [self.observer.registry_state(self.target.work, name) for name in self.packages],
            "user": self.admin.admin.get_user(self.user),
            "table": self.table in [table["name"] for table in self.admin.list_tabulator_tables(self.target.work)],
            "sso": sso.text if sso else None,
        }


@case(tier="high", category="error_handling", needs=("write", "admin", "call_log"), journey=JOURNEY)
@pytest.mark.usefixtures("sso_kept")
def test_invalid_inputs_are_refused(
    quilt_ops: quilt.QuiltOps,
    admin_ops: quilt.QuiltOps,
    work: Work,
    people: People,
    tables: Tables,
    observer: Observer,
    target: Settings,
    call_log: CallLog,
    backend: str,
) -> None:
    """The client rejects 32 invalid arguments without a request, the server eight more; unusual valid input passes."""
    user, table = people.create("taken").name, tables.name(target.work, "unfit")
    packages = [work.package_name("unfit") for _ in range(3)]
    world = World(observer, admin_ops, target, packages, user, table)
    before = world.state()
    bad = [
        *unfit.names(quilt_ops, target.registry), *unfit.registries(quilt_ops),
        *unfit.paths(quilt_ops, target.registry), *unfit.entries(quilt_ops, packages[2], work.registry),
        *unfit.others(quilt_ops, admin_ops, target, user),
    ]  # fmt: skip
    assert len(bad) == 32
    sent = call_log.calls()
    for asked in bad:
        check_refused(asked, backend)
    assert call_log.calls() == sent
    documents = sent_to_server(target, packages, user, table)
    assert [refusal_of(admin_ops, *document) for document in documents] == REFUSALS
    check_missing_source(quilt_ops, work, packages[2], f"s3://{target.data}/single-file/none.csv", backend)
    assert world.state() == before
    check_neighbours(quilt_ops, work, observer, f"s3://{target.data}/single-file/data.csv")


def check_missing_source(ops: quilt.QuiltOps, work: Work, name: str, uri: str, backend: str) -> None:
    """Check that the error for a missing source names it, and that no package is created."""
    with pytest.raises(quilt.QuiltOpsError) as caught:
        ops.create_package_revision(name, work.registry, [{"logical_key": "a.csv", "physical_key": uri}])
    assert type(caught.value) is quilt.NotFoundError
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "create_package_revision",
        "resource_type": "file",
        "identifier": uri,
        "search_location": f"s3://{uri.split('/')[2]}",
    }


def check_neighbours(ops: quilt.QuiltOps, work: Work, observer: Observer, source: str) -> None:
    """Check that valid but unusual input passes: signs in a name, a space in a key, empty metadata."""
    entry = {"logical_key": "data.csv", "physical_key": source}
    signs = work.create("a_b-c-d", [entry])
    spaced = work.create("spaced", [entry | {"logical_key": "a key.csv"}])
    empty = work.create("empty-metadata", [entry], metadata={})
    found = [[item.path for item in ops.browse_content(name, work.registry)] for name in (signs, spaced, empty)]
    assert found == [["data.csv"], ["a key.csv"], ["data.csv"]]
    assert ops.get_package_metadata(empty, work.registry) == {}
    for name in (signs, spaced, empty):
        top_hash = observer.latest(work.bucket, name)[0]
        assert observer.manifest(work.bucket, top_hash).computed_hash == top_hash
