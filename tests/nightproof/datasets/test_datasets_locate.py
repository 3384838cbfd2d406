"""Seeds on a read-only target are located: found ones are recorded, wrong or missing ones block the night."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof import seeds
from nightproof.datasets.catalogue import baseline_over
from nightproof.datasets.catalogue import tabular_over
from nightproof.datasets.locate import locate
from nightproof.datasets.manifest import pins
from nightproof.datasets.placement import Placement
from nightproof.datasets.push import clear
from nightproof.datasets.put import Storage
from nightproof.datasets.table_specs import tables_over
from nightproof.errors import Blocked
from nightproof.errors import UsageError
from nightproof.profile import Names
from nightproof.profile import Profile
from nightproof.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from types_boto3_s3 import S3Client

DATASET = "single-file"
REMEDY = "seed them."


@pytest.fixture(scope="module")
def target(embedded: Target, tmp_path_factory: pytest.TempPathFactory) -> Target:
    """Return the testbed under a profile that writes its seeds, with a placement of its own."""
    profile = embedded.profile.model_copy(update={"datasets": (DATASET,), "suite": ()})
    return Target(profile, embedded.secrets, tmp_path_factory.mktemp("state"), embedded.facts)


@pytest.fixture(scope="module")
def seeded(target: Target) -> Iterator[Target]:
    """Put the objects of one dataset in place, and pointers of the baseline packages as a push leaves them."""
    seeds.jobs_of(target)[0].run()
    s3 = target.seeder_s3()
    made = []
    for revision in (*baseline_over(Names(), [DATASET]), *tabular_over(Names(), [DATASET])):
        if revision.label != "v2":
            clear(s3, revision.bucket, revision.package)  # other tests of the session may have left pointers
        for tag in ("latest", "1700000002"):
            made.append((revision.bucket, f".quilt/named_packages/{revision.package}/{tag}"))
            s3.put_object(Bucket=made[-1][0], Key=made[-1][1], Body=revision.expected(pins()).encode())
    yield target
    for bucket, key in made:
        s3.delete_object(Bucket=bucket, Key=key)


@pytest.fixture
def storage(seeded: Target, tmp_path: Path) -> Storage:
    """Return the storage with nothing known of it."""
    return Storage(seeded.seeder_s3(), Names(), Placement(tmp_path / "placement.json"))


@pytest.fixture
def altered(seeded: Target) -> Iterator[Any]:
    """Replace one object by another body and bring the first back afterwards."""
    s3: S3Client = seeded.seeder_s3()
    kept: list[tuple[str, str, bytes]] = []

    def alter(bucket: str, key: str, body: bytes | None) -> None:
        kept.append((bucket, key, s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
        if body is None:
            s3.delete_object(Bucket=bucket, Key=key)
        else:
            s3.put_object(Bucket=bucket, Key=key, Body=body)

    yield alter
    for bucket, key, body in kept:
        s3.put_object(Bucket=bucket, Key=key, Body=body)


def test_what_is_in_place_is_noted(seeded: Target, storage: Storage, tmp_path: Path) -> None:
    """Versions and pointer times of found seeds are recorded in the placement, and nothing is uploaded."""
    found = locate(storage, [DATASET], REMEDY)

    noted = json.loads((tmp_path / "placement.json").read_text(encoding="utf-8"))
    [version] = [entry["version_id"] for key, entry in noted.items() if key.startswith(f"{DATASET}/")]
    listed = seeded.seeder_s3().list_object_versions(Bucket=Names().bucket_data, Prefix=f"{DATASET}/")["Versions"]
    assert version == next(item["VersionId"] for item in listed if item["IsLatest"])
    assert set(noted["packages"]["test-user/package-b"]["pointers"]) == {"1700000002"}
    assert (found.files, found.uploaded_bytes, found.repaired) == (2 + len(baseline_over(Names(), [DATASET])), 0, 0)


@pytest.mark.parametrize(("body", "why"), [(None, "404"), (b"short", "5 bytes instead of")], ids=["gone", "other"])
def test_an_object_that_is_not_as_pinned_blocks_the_night(
    storage: Storage, altered: Any, body: bytes | None, why: str
) -> None:
    """A wrong object blocks the night; the sentence has its name, the number of wrong ones and the remedy."""
    path = next(iter(pins_of(DATASET)))
    altered(Names().bucket_data, f"{DATASET}/{path}", body)

    with pytest.raises(Blocked, match=rf"^1 of 5 seeds .* `s3://.*/{DATASET}/{path}` \(.*{why}.*\): seed them\.$"):
        locate(storage, [DATASET], REMEDY)


def test_a_package_without_its_revision_blocks_the_night(storage: Storage, altered: Any) -> None:
    """A baseline package with another latest revision blocks the night."""
    pointer = ".quilt/named_packages/test-user/package-a"
    altered(Names().bucket_packages, f"{pointer}/latest", b"0" * 64)
    altered(Names().bucket_packages, f"{pointer}/1700000002", b"0" * 64)

    with pytest.raises(Blocked, match=r"^1 of 5 seeds .*/test-user/package-a` \(no revision [0-9a-f]{12}\)"):
        locate(storage, [DATASET], REMEDY)


def test_bulk_objects_that_are_missing_block_the_night(storage: Storage) -> None:
    """Missing bulk objects are found by listing, and the sentence names the first."""
    with pytest.raises(Blocked, match=r"^\d+ of 1\d{4} seeds .*, first `s3://.*/bulk/files-1000` \(no revision"):
        locate(storage, ["bulk-src"], REMEDY)


def test_a_table_that_is_not_as_configured_blocks_the_night(storage: Storage) -> None:
    """A wrong table blocks the night if the tests read tables and its package is seeded."""
    [events] = tables_over(Names(), [DATASET])
    assert locate(storage, [DATASET], REMEDY, {events.name: events.config, "another": "x"}).files == 5

    with pytest.raises(Blocked, match=r"^1 of 6 seeds .*: events_parquet` \(not as configured\): seed them\.$"):
        locate(storage, [DATASET], REMEDY, {events.name: events.config + " "})


def test_a_read_only_profile_looks_and_never_writes(seeded: Target, tmp_path: Path) -> None:
    """Without the need `write` a night has one job that only reads, and seeding it is refused."""
    profile = Profile.model_validate({
        "target": "live", "name": "ro", "datasets": [DATASET],
        "endpoints": {"aws": seeded.aws_url, "catalog": seeded.catalog_url},
    })  # fmt: skip
    target = Target(profile, seeded.secrets, tmp_path)

    assert [job.name for job in seeds.jobs_of(target)] == ["located"]
    with pytest.raises(UsageError, match=r"The profile `ro` is read-only: add `write`"):
        seeds.seed_target(target, lambda *_: None)


def pins_of(dataset: str) -> list[str]:
    """Return the paths of a dataset."""
    return [key.removeprefix(f"{dataset}/") for key in pins() if key.startswith(f"{dataset}/")]
