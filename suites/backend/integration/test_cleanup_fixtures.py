"""Cleanup after tests: fixtures delete what a test created, however it ends; the sweeper deletes the rest."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof import quilt
from nightproof.evidence import case
from nightproof.evidence import unobserved
from suites._support import inner_tests
from suites._support.inner import Inner
from suites._support.sessions import lent_keys

if TYPE_CHECKING:
    from suites._support.control import Control
    from suites._support.control import Faults
    from suites._support.inner import Resource
    from suites._support.observer import Observer
    from suites._support.people import People
    from suites._support.settings import Settings
    from suites._support.work import Ledger
    from suites._support.work import Work

JOURNEY = "publish-data"
CATEGORY = "integration-write"
NEEDS = ("write", "admin", "mint_jwt", "call_log")
GONE = "purged and listed again"
OPEN = {"intent", "confirmed"}


CASES = {
    "asserts": inner_tests.ASSERTS, "setup": inner_tests.SETUP, "finalizer": inner_tests.FINALIZER,
    "refused": inner_tests.REFUSED, "killed": inner_tests.KILLED, "late": inner_tests.LATE,
}  # fmt: skip
EXITS = {"asserts": 1, "setup": 1, "finalizer": 1, "refused": 0, "killed": -9, "late": 1}


@dataclass(frozen=True)
class Bench:
    """A nested pytest, the user whose credentials it has, and readers of what it leaves."""

    inner: Inner
    user: str
    observer: Observer
    control: Control

    def present(self, case: str) -> list[str]:
        """Return the titles of a case's S3 resources that are still visible to a reader."""
        found = [made for made in self.inner.resources(case) if self.observer.inventory(*made.place)]
        return [made.title for made in found]

    def left(self, resources: list[Resource]) -> set[str]:
        """Return the titles of resources of which S3 holds a version, a delete marker or an unfinished upload."""
        return {made.title for made in resources if self.observer.leftovers(*made.place)}

    def states(self, case: str) -> set[str]:
        """Return the last states of a case's resources in its ledger."""
        return {made.state for made in self.inner.resources(case)}

    def statuses(self, test: str, operation: str, phase: str) -> list[int]:
        """Return S3's statuses for an operation of a generated test in one phase, in order of time."""
        calls = self.calls("aws", test)
        return [call["status"] for call in calls if (call["operation"], call["phase"]) == (operation, phase)]

    def calls(self, service: str, test: str) -> list[Any]:
        """Return the requests of a generated test that a service logged, in order of time."""
        found = self.control.request("GET", service, "calls", params={"test": self.inner.test_of(test)})
        return sorted(found, key=lambda call: float(call["time"]))


@pytest.fixture
def bench(
    ledger: Ledger, people: People, observer: Observer, control: Control, target: Settings, backend: str,
    request: pytest.FixtureRequest,
) -> Bench:  # fmt: skip
    """Return a bench with the credentials of its own user, so that no fault affects tests of other cells."""
    user = people.create("inner").name
    folder = f"inner-{request.node.name}-{os.environ.get('NIGHTPROOF_PASS', '1')}"
    inner = Inner(ledger.path.parent / folder, ledger.run_id, backend, target, lent_keys(people.sign_in(user)))
    return Bench(inner, user, observer, control)


def hashes_of(output: str) -> list[str]:
    """Return the hashes of the revisions that a generated test prints."""
    return re.findall(r"made ([0-9a-f]{64})", output)


def check_swept(bench: Bench, bucket: str, made: list[str]) -> None:
    """Run the sweeper; check that no version, delete marker or manifest is left, and that its report says so."""
    status, report = bench.inner.clean()
    assert (status, report["leaked"], report["entries_leaked"], report["refused"]) == (0, 0, [], [])
    resources = [one for one in bench.inner.resources() if one.kind not in {"user", "table"}]
    assert bench.left(resources) == set()
    assert [bench.observer.leftovers(bucket, f".quilt/packages/{top_hash}") for top_hash in made] == [[]] * len(made)
    assert {(one.state, one.detail) for one in resources} == {("deleted", GONE)}


@case(tier="high", category=CATEGORY, needs=NEEDS, journey=JOURNEY)
def test_cleanup_one_object(bench: Bench, quilt_ops: quilt.QuiltOps, target: Settings, backend: str) -> None:
    """An object and a package are in the ledger before they are in S3, and are deleted after the test."""
    done = bench.inner.run("one", inner_tests.ONE)
    assert done.exit == 0, done.output
    thing, package = bench.inner.resources("one")
    assert (thing.kind, package.kind) == ("object", "package")
    puts = [call for call in bench.calls("aws", "test_makes") if call["operation"] == "PutObject"]
    assert thing.intended_s <= next(call["time"] for call in puts if call["channel"] == "observer")
    service, operation = {"platform": ("catalog", "PackageConstruct"), "quilt3": ("aws", "PutObject")}[backend]
    made = [call for call in bench.calls(service, "test_makes") if call["operation"] == operation]
    assert package.intended_s <= next(call["time"] for call in made if call["channel"] == "subject")
    assert (bench.present("one"), bench.states("one")) == ([], {"deleted"})
    with unobserved("the package is named by the inner run"), pytest.raises(quilt.QuiltOpsError) as caught:
        quilt_ops.get_package_info(package.locator["name"], target.work_registry)
    assert type(caught.value) is quilt.NotFoundError
    (top_hash,) = hashes_of(done.output)
    check_swept(bench, target.work, [top_hash])


@case(tier="high", category=CATEGORY, needs=NEEDS, journey=JOURNEY)
@pytest.mark.timeout(240)
def test_cleanup_many_objects(bench: Bench, admin_ops: quilt.QuiltOps, target: Settings) -> None:
    """Cleanup deletes more objects than one request can, and versions, an upload, a user, a table and revisions."""
    done = bench.inner.run("many", inner_tests.MANY)
    assert done.exit == 0, done.output
    resources = bench.inner.resources("many")
    assert sorted(one.kind for one in resources) == ["package", "prefix", "prefix", "table", "user"]
    deletions = bench.statuses("test_makes", "DeleteObjects", "teardown")
    assert (len(deletions) >= 3, set(deletions)) == (True, {200})
    assert bench.statuses("test_makes", "AbortMultipartUpload", "teardown") == [204]
    in_s3 = [one for one in resources if one.kind not in {"user", "table"}]
    assert bench.left([one for one in in_s3 if one.kind == "prefix"]) == set()
    assert ([one.title for one in in_s3 if bench.observer.inventory(*one.place)], bench.states("many")) == (
        [],
        {"deleted"},
    )
    named = {one.kind: one.locator["name"] for one in resources if one.kind in {"user", "table"}}
    assert named["user"] not in [user.name for user in admin_ops.admin.list_users()]
    assert named["table"] not in [table["name"] for table in admin_ops.list_tabulator_tables(target.work)]
    first, second = hashes_of(done.output)
    check_swept(bench, target.work, [first, second])


def check_ends(bench: Bench, case: str, output: str) -> None:
    """Check what a case leaves: nothing, the one resource that could not be deleted, or everything."""
    made = [one.title for one in bench.inner.resources(case)]
    assert len(made) >= 2, output
    stays = {"killed": made, "late": made, "finalizer": [title for title in made if "inner-first" in title][-1:]}
    assert bench.present(case) == stays.get(case, []), output
    states = {"killed": OPEN, "late": OPEN, "finalizer": {"confirmed", "deleted"}}
    assert bench.states(case) == states.get(case, {"deleted"}), output
    told = {"finalizer": ["1 passed, 1 error", "ERROR at teardown of test_ends"]}
    assert [words for words in told.get(case, []) if words not in output] == [], output


@case(tier="critical", category=CATEGORY, needs=(*NEEDS, "fault"), journey=JOURNEY)
@pytest.mark.timeout(300)
def test_cleanup_on_failure(
    bench: Bench, work: Work, quilt_ops: quilt.QuiltOps, observer: Observer, target: Settings, fault: Faults
) -> None:
    """However a test fails, its resources are deleted; the sweeper deletes those of a dead process and nothing else."""
    source = {"logical_key": "data.csv", "physical_key": f"s3://{target.data}/single-file/data.csv"}
    bystander, thing = work.create("bystander", [source]), work.put_one(target.scratch, "bystander", b"stays")
    before = observer.registry_state(work.bucket, bystander), observer.inventory(target.scratch, thing)
    refusal = {"user": bench.user, "operation": "DeleteObjects", "status": 403, "code": "AccessDenied"}
    for ending, text in CASES.items():
        if ending == "refused":
            fault.set("aws", "error", times=1, **refusal)
        done = bench.inner.run(ending, text)
        fault.reset()
        assert done.exit == EXITS[ending], done.output
        check_ends(bench, ending, done.output)
    fault.set("aws", "error", **refusal)
    status, report = bench.inner.clean()
    fault.reset()
    leaked = {entry.partition(": ")[0] for entry in report["entries_leaked"]}
    assert (status, report["leaked"]) == (1, len(leaked))
    # A manifest may stay as long as a package points at it, so it is not a leak by itself.
    assert leaked ^ bench.left([one for one in bench.inner.resources() if one.kind != "manifest"]) == set()
    assert leaked >= {one.title for ending in ("killed", "late") for one in bench.inner.resources(ending)}
    check_swept(bench, target.work, [])
    assert (observer.registry_state(work.bucket, bystander), observer.inventory(target.scratch, thing)) == before
    assert quilt_ops.get_package_info(bystander, work.registry).name == bystander
