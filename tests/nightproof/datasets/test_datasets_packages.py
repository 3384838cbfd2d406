"""Damaged packages: found by pointer, manifest and entry, pushed again with the pinned hash, and reported."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nightproof import seeds
from nightproof.datasets import plan
from nightproof.datasets.catalogue import baseline
from nightproof.datasets.catalogue import others
from nightproof.datasets.manifest import pins
from nightproof.datasets.packages import PUSH_S
from nightproof.datasets.packages import put_packages
from nightproof.datasets.placement import Placement
from nightproof.datasets.push import DELETED
from nightproof.datasets.push import MANIFESTS
from nightproof.datasets.push import POINTERS
from nightproof.datasets.push import Library
from nightproof.datasets.push import clear
from nightproof.datasets.push import create_and_delete
from nightproof.datasets.push import pointers_of
from nightproof.datasets.push import read
from nightproof.datasets.put import Storage
from nightproof.datasets.put import put_dataset
from nightproof.errors import Blocked
from nightproof.profile import Names
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nightproof.datasets.catalogue import Revision
    from nightproof.datasets.push import Catalog
    from nightproof.records import SeedResult
    from nightproof.target import Target

    Damage = Callable[[Storage], object]

PACKAGE = "test-user/single-file"
POINTER = f"{POINTERS}{PACKAGE}/"
BUCKET = Names().bucket_packages
[REVISION] = [revision for revision in baseline(Names()) if revision.package == PACKAGE]
HASH = REVISION.expected(pins())
MANIFEST = MANIFESTS + HASH


@pytest.fixture(scope="module")
def catalog(embedded: Target) -> Catalog:
    """Sign in as the admin; the coverage of children is measured too."""
    found = seeds._sign_in(embedded)
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    return replace(found, child_env={**found.child_env, **measured})


@pytest.fixture(scope="module")
def placed(embedded: Target, catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Put one dataset and its package in place and give their placement."""
    path = tmp_path_factory.mktemp("placed") / "placement.json"
    storage = Storage(embedded.seeder_s3(), Names(), Placement(path))
    put_dataset(storage, "single-file")
    clear(storage.s3, BUCKET, PACKAGE)  # other tests of the session may have left pointers
    seed(storage, catalog)
    return path


@pytest.fixture
def storage(embedded: Target, placed: Path) -> Storage:
    """Return the storage as a new seeding would find it."""
    return Storage(embedded.seeder_s3(), Names(), Placement(placed))


def seed(storage: Storage, catalog: Catalog, *revisions: Revision) -> SeedResult:
    """Bring packages to their revisions."""
    return put_packages(storage, catalog, "some", revisions or [REVISION], in_order=True)


def latest_deleted(storage: Storage) -> None:
    """Delete the pointer that names the newest revision."""
    storage.s3.delete_object(Bucket=BUCKET, Key=f"{POINTER}latest")


def latest_elsewhere(storage: Storage) -> None:
    """Let the newest revision be another."""
    storage.s3.put_object(Bucket=BUCKET, Key=f"{POINTER}latest", Body=b"0" * 64)


def no_text(storage: Storage) -> None:
    """Let the newest revision be no text at all."""
    storage.s3.put_object(Bucket=BUCKET, Key=f"{POINTER}latest", Body=b"\xff\xfe")


def stamp_of(storage: Storage) -> str:
    """Return the key of the pointer with a time."""
    [tag] = pointers_of(storage, REVISION).keys() - {"latest"}
    return POINTER + tag


def stamp_deleted(storage: Storage) -> None:
    """Delete the pointer with a time."""
    storage.s3.delete_object(Bucket=BUCKET, Key=stamp_of(storage))


def stamp_elsewhere(storage: Storage) -> None:
    """Let the pointer with a time name another revision."""
    storage.s3.put_object(Bucket=BUCKET, Key=stamp_of(storage), Body=b"0" * 64)


def extra_revision(storage: Storage) -> None:
    """Add an older revision."""
    storage.s3.put_object(Bucket=BUCKET, Key=f"{POINTER}1700000000", Body=b"0" * 64)


def twice(storage: Storage) -> None:
    """Add the same revision at another time."""
    storage.s3.put_object(Bucket=BUCKET, Key=f"{POINTER}1700000000", Body=HASH.encode())


def displaced(storage: Storage) -> None:
    """Write the pointer again, long after the push."""
    key = f"{POINTER}latest"
    pushed = storage.s3.head_object(Bucket=BUCKET, Key=key)["LastModified"]
    await_value(lambda: datetime.now(UTC) > pushed + timedelta(seconds=PUSH_S + 1), 2 * PUSH_S)
    storage.s3.put_object(Bucket=BUCKET, Key=key, Body=HASH.encode())


def package_deleted(storage: Storage) -> None:
    """Delete all pointers."""
    clear(storage.s3, BUCKET, PACKAGE)


def manifest_deleted(storage: Storage) -> None:
    """Delete the manifest."""
    storage.s3.delete_object(Bucket=BUCKET, Key=MANIFEST)


def manifest_junk(storage: Storage) -> None:
    """Overwrite the manifest with what is none."""
    storage.s3.put_object(Bucket=BUCKET, Key=MANIFEST, Body=b"{")


def altered(storage: Storage, old: bytes, new: bytes) -> None:
    """Overwrite the manifest with one that differs in a word."""
    body = read(storage.s3, BUCKET, MANIFEST)
    assert old in body
    storage.s3.put_object(Bucket=BUCKET, Key=MANIFEST, Body=body.replace(old, new))


def other_message(storage: Storage) -> None:
    """Change the message."""
    altered(storage, b"Baseline", b"Basement")


def other_size(storage: Storage) -> None:
    """Change an entry's size."""
    altered(storage, b"100000", b"100001")


def other_object(storage: Storage) -> None:
    """Let the entry lie in another object, which its hash does not cover."""
    altered(storage, b"single-file/data.csv?", b"simple-csv/data1.csv?")


def version_gone(storage: Storage) -> None:
    """Let the entry name a version that is not there."""
    altered(storage, b"?versionId=", b"?versionId=0000")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (latest_deleted, "the latest pointer was deleted"),
        (latest_elsewhere, "the latest pointer names another revision"),
        (no_text, "the latest pointer names another revision"),
        (stamp_deleted, "no pointer names revision latest"),
        (stamp_elsewhere, "no pointer names revision latest"),
        (extra_revision, "it has 2 revisions instead of 1"),
        (twice, "it has 2 revisions instead of 1"),
        (displaced, "the latest pointer was written at another time than its revision"),
        (package_deleted, "the package was deleted"),
        (manifest_deleted, "the manifest is missing"),
        (manifest_junk, "the manifest is unreadable"),
        (other_message, "the manifest was overwritten"),
        (other_size, "the manifest was overwritten"),
        (other_object, "the entry `data.csv` names a damaged version"),
        (version_gone, "the entry `data.csv` names a damaged version"),
    ],
)
def test_a_damaged_package_is_repaired(
    storage: Storage, placed: Path, catalog: Catalog, damage: Damage, words: str
) -> None:
    """The package is pushed again with its one revision, the report says why, and then all is well."""
    damage(storage)

    result = seed(storage, catalog)

    assert (result.repaired, result.repairs) == (1, (f"{PACKAGE}: {words}",))
    pointers = pointers_of(storage, REVISION)
    assert pointers.pop("latest") == HASH
    assert list(pointers.values()) == [HASH]
    assert json.loads(placed.read_text(encoding="utf-8"))["packages"][PACKAGE] == {"pointers": pointers}
    again = seed(storage, catalog)
    assert (again.repaired, again.repairs) == (0, ())
    assert pointers_of(storage, REVISION) == pointers | {"latest": HASH}


def test_a_repaired_object_leaves_an_intact_entry_alone(storage: Storage, catalog: Catalog) -> None:
    """The package still names the old version after its object was overwritten and repaired: no push."""
    before = pointers_of(storage, REVISION)
    storage.s3.put_object(Bucket=Names().bucket_data, Key="single-file/data.csv", Body=b"y" * 100_000)
    assert put_dataset(storage, "single-file").repaired == 1

    result = seed(storage, catalog)

    assert result.repaired == 0
    assert pointers_of(storage, REVISION) == before


def test_an_entry_whose_version_is_gone_is_pushed_again(storage: Storage, catalog: Catalog) -> None:
    """The object is repaired first, then the package names the new version."""
    key = "single-file/data.csv"
    for listed in storage.s3.list_object_versions(Bucket=Names().bucket_data, Prefix=key)["Versions"]:
        storage.s3.delete_object(Bucket=Names().bucket_data, Key=key, VersionId=listed["VersionId"])
    assert put_dataset(storage, "single-file").repaired == 1

    result = seed(storage, catalog)

    assert result.repairs == (f"{PACKAGE}: the entry `data.csv` names a damaged version",)
    version = storage.placement.version("single-file", "data.csv")
    assert f"?versionId={version}".encode() in read(storage.s3, BUCKET, MANIFEST)


def test_one_damaged_package_among_many(storage: Storage, catalog: Catalog) -> None:
    """Of the hundred small packages one is pushed again, and no other is touched."""
    put_dataset(storage, "perf")
    perf = [revision for revision in others(Names()) if revision.package.startswith("perf/")][:3]
    put_packages(storage, catalog, "perf", perf, in_order=False)
    before = [pointers_of(storage, revision) for revision in perf]
    clear(storage.s3, perf[1].bucket, perf[1].package)

    result = put_packages(storage, catalog, "perf", perf, in_order=False)

    assert (result.files, result.repairs) == (3, ("perf/pkg-001: the package was deleted",))
    after = [pointers_of(storage, revision) for revision in perf]
    assert [after[0], after[2]] == [before[0], before[2]]
    assert after[1]["latest"] == perf[1].expected(pins())


def test_two_revisions_are_pushed_in_their_order(storage: Storage, catalog: Catalog) -> None:
    """A package of two revisions comes back as a whole, the older one first, whoever pushed it."""
    two = [
        replace(REVISION, package="test-user/two", label=label, message=label, by_quilt3=label == "v1")
        for label in ("v1", "v2")
    ]
    clear(storage.s3, BUCKET, "test-user/two")

    first = seed(storage, catalog, *two)

    hashes = [revision.expected(pins()) for revision in two]
    pointers = pointers_of(storage, two[0])
    assert pointers.pop("latest") == hashes[1]
    assert [pointers[tag] for tag in sorted(pointers)] == hashes
    assert (first.files, first.repaired) == (2, 0)
    assert seed(storage, catalog, *two).repaired == 0
    storage.s3.put_object(Bucket=BUCKET, Key=f"{POINTERS}test-user/two/latest", Body=hashes[0].encode())
    by_catalog = [replace(revision, by_quilt3=False) for revision in two]
    assert seed(storage, catalog, *by_catalog).repairs == ("test-user/two: the latest pointer names another revision",)
    clear(storage.s3, BUCKET, "test-user/two")


def test_another_hash_than_the_precomputed_one_blocks(
    storage: Storage, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A push that gives another hash than our own algorithm is not accepted."""
    other = replace(REVISION, package="test-user/other-hash")
    monkeypatch.setattr("nightproof.datasets.push.pins", lambda: pins() | {"single-file/data.csv": ("", 1)})
    with pytest.raises(Blocked, match=rf"^The package `test-user/other-hash` got the hash {HASH} instead of "):
        seed(storage, catalog, other)
    clear(storage.s3, BUCKET, "test-user/other-hash")


def test_what_the_catalog_refuses_is_in_the_sentence(storage: Storage, catalog: Catalog) -> None:
    """An InvalidInput arm, a refused token, a dead registry and an unusable answer each block the night."""
    with pytest.raises(Blocked, match=r"^The package `no slash` got the hash .*InvalidInput"):
        seed(storage, catalog, replace(REVISION, package="no slash"))
    with pytest.raises(Blocked, match=r"^The catalog answered the seeding with HTTP \d+ "):
        replace(catalog, access_token="wrong").ask("query { me { name } }", {})
    with pytest.raises(Blocked, match=r"^The catalog did not answer the seeding \(.*\): look at its log\.$"):
        replace(catalog, registry_url="http://127.0.0.1:9").ask("query { me { name } }", {})


def test_what_the_library_says_is_in_the_sentence(catalog: Catalog) -> None:
    """A bucket that is not there, and then a child that has ended."""
    wrong = replace(REVISION, bucket="no-such-bucket-at-all", entries={})
    with Library(catalog.child_env) as library:
        for _ in range(2):
            with pytest.raises(Blocked, match=r"^quilt3 could not push `test-user/single-file` \(.*NoSuchBucket.*\): "):
                library.push(wrong, {})


def test_the_deleted_package_leaves_traces_only(storage: Storage, catalog: Catalog) -> None:
    """It is made and deleted once; a seeding that ended in between, or somebody's push, is cleaned up."""
    prefix = f"{POINTERS}{DELETED}/"

    def traces() -> tuple[int, int]:
        listed = storage.s3.list_object_versions(Bucket=BUCKET, Prefix=prefix)
        live = storage.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["KeyCount"]
        return live, len(listed.get("DeleteMarkers", []))

    create_and_delete(storage, catalog, BUCKET)
    first = traces()
    create_and_delete(storage, catalog, BUCKET)
    assert first[0] == 0 < first[1]
    assert traces() == first
    storage.s3.put_object(Bucket=BUCKET, Key=f"{prefix}latest", Body=b"0" * 64)
    create_and_delete(storage, catalog, BUCKET)
    assert traces()[0] == 0


def test_packages_of_unwanted_datasets_are_not_pushed(storage: Storage) -> None:
    """A profile with one dataset has the baseline packages whose objects are there."""
    pushed: list[str] = []
    jobs = dict(plan.jobs(storage, lambda: None, ["single-file"]))  # type: ignore[arg-type, return-value]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "create_and_delete", lambda *_: None)
        patch.setattr(
            plan, "put_packages", lambda _s, _c, _n, revisions, **_: pushed.extend(r.package for r in revisions)
        )
        jobs["baseline-packages"]()
    assert pushed == ["test-user/package-a", "test-user/package-b", PACKAGE]
