"""After a seeding killed at any moment, the next one restores exactly the pinned state."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from nightproof import seeds
from nightproof.datasets import plan
from nightproof.datasets import put
from nightproof.datasets.catalogue import baseline
from nightproof.datasets.catalogue import bucket_of
from nightproof.datasets.catalogue import key_of
from nightproof.datasets.generators import FILES
from nightproof.datasets.generators import generate
from nightproof.datasets.manifest import pins
from nightproof.datasets.placement import Placement
from nightproof.datasets.push import POINTERS
from nightproof.datasets.push import pointers_of
from nightproof.datasets.put import Storage
from nightproof.profile import Names

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from nightproof.datasets.push import Catalog
    from nightproof.records import SeedResult
    from nightproof.target import Target

NAMES = Names()
DATASETS = ["simple-csv", "empty-package"]
JOBS = ("simple-csv", "empty-package", "package-a", "package-b", "documents", "baseline-packages")
# A seeding that kills itself at the n-th request to S3, or after the n-th push, of one job.
CHILD = """
import json, os, signal, sys, boto3
from pathlib import Path
from nightproof.datasets import plan
from nightproof.datasets.placement import Placement
from nightproof.datasets.push import Catalog, Pusher
from nightproof.datasets.put import Storage
from nightproof.profile import Names

order = json.loads(sys.stdin.read())
running, left = [""], [order["after"]]

def count(**_):
    left[0] -= running[0] == order["job"]
    if left[0] <= 0:
        os.kill(os.getpid(), signal.SIGKILL)

push = Pusher.push

def push_and_count(*given):
    push(*given)
    count()

Pusher.push = push_and_count
s3 = boto3.client("s3")
s3.meta.events.register("before-send.s3", count)
storage = Storage(s3, Names(), Placement(Path(order["placement"])))
for name, job in plan.jobs(storage, lambda: Catalog(*order["catalog"]), order["datasets"]):
    running[0] = name
    if name in order["jobs"]:
        job()
"""


def interrupt(catalog: Catalog, placement: Path, job: str, after: int) -> int:
    """Start a seeding that kills itself, and give its exit code."""
    order = {
        "job": job, "after": after, "placement": str(placement), "datasets": DATASETS, "jobs": JOBS,
        "catalog": [catalog.registry_url, catalog.access_token, dict(catalog.child_env)],
    }  # fmt: skip
    child = subprocess.run(
        [sys.executable, "-c", CHILD], input=json.dumps(order), text=True, check=False, stderr=subprocess.PIPE,
        env=os.environ | dict(catalog.child_env),
    )  # fmt: skip
    assert child.returncode in {0, -signal.SIGKILL}, child.stderr
    return child.returncode


def seed(target: Target, catalog: Catalog, placement: Path) -> list[SeedResult]:
    """Seed to the end, the performance packages too."""
    storage = Storage(target.seeder_s3(), NAMES, Placement(placement))
    return [job() for _, job in plan.jobs(storage, lambda: catalog, DATASETS)]


def wipe(target: Target) -> None:
    """Delete every version of everything that these jobs put."""
    s3 = target.seeder_s3()
    prefixes = [(NAMES.bucket_data, f"{name}/") for name in JOBS] + [(NAMES.bucket_packages, f"{POINTERS}test-user/")]
    for bucket, prefix in prefixes:
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
            for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])


def require_pinned(target: Target, placement: Path) -> None:
    """Compare objects, packages and placement with what is pinned, by reading them here."""
    s3, noted = target.seeder_s3(), json.loads(placement.read_text(encoding="utf-8"))
    for dataset, path in [(name, path) for name in JOBS for path in FILES.get(name, {})]:
        found = s3.get_object(Bucket=bucket_of(dataset, NAMES), Key=key_of(dataset, path))
        assert found["Body"].read() == generate(dataset, path)
        assert noted[f"{dataset}/{path}"] == {"version_id": found["VersionId"]}
    storage = Storage(s3, NAMES, Placement(placement))
    listed = s3.list_objects_v2(Bucket=NAMES.bucket_packages, Prefix=f"{POINTERS}test-user/").get("Contents", [])
    revisions = [revision for revision in baseline(NAMES) if revision.sources() <= set(JOBS)]
    assert {item["Key"].split("/")[3] for item in listed} == {r.package.split("/")[1] for r in revisions}
    seconds = []
    for revision in revisions:
        pointers = pointers_of(storage, revision)
        assert pointers.pop("latest") == revision.expected(pins())
        assert list(pointers.values()) == [revision.expected(pins())]
        assert noted["packages"][revision.package]["pointers"] == pointers
        seconds += [int(second) for second in pointers]
    assert len(set(seconds)) == len(revisions)


def test_a_killed_seeding_is_completed_by_the_next(embedded: Target, tmp_path: Path) -> None:
    """Killed among objects and among packages, the state is the pinned one at last; a further seeding does nothing."""
    placement, catalog = tmp_path / "placement.json", seeds._sign_in(embedded)
    wipe(embedded)

    codes = [
        interrupt(catalog, placement, *at) for at in (("simple-csv", 9), ("documents", 3), ("baseline-packages", 12))
    ]
    first = seed(embedded, catalog, placement)

    assert codes == [-signal.SIGKILL] * 3
    require_pinned(embedded, placement)
    noted = placement.read_bytes()
    again = seed(embedded, catalog, placement)
    assert {(r.uploaded_bytes, r.generated_bytes, r.repaired, r.repairs) for r in again} == {(0, 0, 0, ())}
    assert [(r.name, r.files, r.bytes, r.sha256) for r in again] == [
        (r.name, r.files, r.bytes, r.sha256) for r in first
    ]
    assert placement.read_bytes() == noted
    wipe(embedded)


def test_an_upload_cut_off_is_taken_away(embedded: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts of a killed seeding's upload are removed when the object is sent; foreign uploads stay."""
    monkeypatch.setattr(put, "PART", 1000)
    s3, bucket, key = embedded.seeder_s3(), NAMES.bucket_data, key_of("single-file", "data.csv")
    left = [s3.create_multipart_upload(Bucket=bucket, Key=name)["UploadId"] for name in (key, f"{key}.mine")]

    put.put_dataset(Storage(s3, NAMES, Placement(tmp_path / "placement.json")), "single-file")

    found = s3.list_multipart_uploads(Bucket=bucket, Prefix=key).get("Uploads", [])
    assert [(upload["Key"], upload["UploadId"]) for upload in found] == [(f"{key}.mine", left[1])]
    s3.abort_multipart_upload(Bucket=bucket, Key=f"{key}.mine", UploadId=left[1])
    s3.delete_object(Bucket=bucket, Key=key)
