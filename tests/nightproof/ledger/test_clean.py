"""Cleanup deletes what the ledger claims, nothing else, and says what stays."""

from __future__ import annotations

import json
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any

import boto3
import pytest
from botocore.config import Config

from nightproof.ledger import CleanContext
from nightproof.ledger import Ledger
from nightproof.ledger import audit
from nightproof.ledger import clean_run
from nightproof.ledger import open_runs
from nightproof.ledger import plan
from nightproof.ledger import sweep
from nightproof.ledger.s3 import versions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from types_boto3_s3 import S3Client

RUN = "20261120T020000Z-k3f9qa"
NAME = "np-20k3f9qa/pack"
DATA = "data-bucket"


@pytest.fixture
def bucket(s3: S3Client, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give a versioned registry of the test's own."""
    name = "w-" + request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[:50].rstrip("-").lower()
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    yield name
    for version in versions(s3, name, ""):
        s3.delete_object(Bucket=name, Key=version.key, VersionId=version.version_id)
    s3.delete_bucket(Bucket=name)


@pytest.fixture
def context(s3: S3Client, bucket: str) -> CleanContext:
    """Clean in the test's bucket only."""
    return CleanContext(s3, frozenset({bucket}), frozenset({DATA, bucket}))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """Give the directory of one run."""
    path = tmp_path / "runs" / RUN
    path.mkdir(parents=True)
    return path


def ledger_of(run_dir: Path) -> Ledger:
    """Open the run's journal."""
    return Ledger(run_dir / "ledger.jsonl", RUN)


def put_package(s3: S3Client, bucket: str, name: str, digit: str, source: str = DATA) -> str:
    """Write a package the way a push does; return its top hash."""
    top_hash = digit * 64
    entry = {"logical_key": "a.csv", "physical_keys": [f"s3://{source}/a.csv?versionId=1"]}
    manifest = json.dumps({"version": "v0"}) + "\n" + json.dumps(entry) + "\n"
    s3.put_object(Bucket=bucket, Key=f".quilt/packages/{top_hash}", Body=manifest.encode())
    for pointer in ("1700000000", "latest"):
        s3.put_object(Bucket=bucket, Key=f".quilt/named_packages/{name}/{pointer}", Body=top_hash.encode())
    return top_hash


def keys(s3: S3Client, bucket: str) -> set[str]:
    """List every key that has a version or a marker."""
    return {version.key for version in versions(s3, bucket, "")}


def test_package_goes_with_versions_markers_and_manifests(
    s3: S3Client, bucket: str, context: CleanContext, run_dir: Path
) -> None:
    """A finalizer's delete leaves manifests, versions and markers; the purge takes them and the audit agrees."""
    ledger = ledger_of(run_dir)
    made = ledger.intent("package", {"registry": f"s3://{bucket}", "name": NAME})
    put_package(s3, bucket, NAME, "a")
    s3.put_object(Bucket=bucket, Key=f"{NAME}/copied.csv", Body=b"x")
    ledger.confirmed(made)
    for pointer in ("1700000000", "latest"):
        s3.delete_object(Bucket=bucket, Key=f".quilt/named_packages/{NAME}/{pointer}")
    ledger.deleted(made)
    assert clean_run(run_dir, context) == 2
    assert keys(s3, bucket) == set()
    result = audit(run_dir, context)
    assert (result.created, result.deleted, result.kept, result.leaked, result.unknown) == (2, 2, 0, 0, 0)


def test_foreign_look_alikes_stay(s3: S3Client, bucket: str, context: CleanContext, run_dir: Path) -> None:
    """A package of the same shape and a manifest that it shares with ours are not touched."""
    shared = put_package(s3, bucket, "np-20other1/pack", "b")
    ledger_of(run_dir).intent("package", {"registry": f"s3://{bucket}", "name": NAME})
    put_package(s3, bucket, NAME, "b")
    clean_run(run_dir, context)
    assert f".quilt/packages/{shared}" in keys(s3, bucket)
    assert ".quilt/named_packages/np-20other1/pack/latest" in keys(s3, bucket)
    assert not any("np-20k3f9qa" in key for key in keys(s3, bucket))
    assert audit(run_dir, context).leaked == 0


def test_intent_that_made_nothing_is_absent(context: CleanContext, run_dir: Path) -> None:
    """A process that died before creating leaves nothing to count."""
    ledger_of(run_dir).intent("object", {"bucket": next(iter(context.writable)), "key": "np-20k3f9qa/never"})
    assert clean_run(run_dir, context) == 0
    assert audit(run_dir, context).created == 0


def test_orphan_manifest_of_a_died_creation_goes(
    s3: S3Client, bucket: str, context: CleanContext, run_dir: Path
) -> None:
    """A manifest without pointer, written after an unconfirmed intent, into our sources, is ours."""
    ledger_of(run_dir).intent("package", {"registry": f"s3://{bucket}", "name": NAME})
    put_package(s3, bucket, "gone/x", "c")
    put_package(s3, bucket, "gone/y", "d", source="somebody-elses")
    for version in versions(s3, bucket, ".quilt/named_packages/"):
        s3.delete_object(Bucket=bucket, Key=version.key, VersionId=version.version_id)
    clean_run(run_dir, context)
    assert keys(s3, bucket) == {".quilt/packages/" + "d" * 64}


def test_old_orphan_manifest_stays(s3: S3Client, bucket: str, context: CleanContext, run_dir: Path) -> None:
    """A manifest written before the intent's window is somebody else's."""
    put_package(s3, bucket, "gone/x", "e")
    for version in versions(s3, bucket, ".quilt/named_packages/"):
        s3.delete_object(Bucket=bucket, Key=version.key, VersionId=version.version_id)
    later = datetime.now(UTC) + timedelta(hours=1)
    ledger = Ledger(run_dir / "ledger.jsonl", RUN, lambda: later)
    ledger.intent("package", {"registry": f"s3://{bucket}", "name": NAME})
    clean_run(run_dir, context)
    assert keys(s3, bucket) == {".quilt/packages/" + "e" * 64}


@pytest.mark.parametrize(
    ("kind", "locator", "words"),
    [
        ("prefix", {"bucket": "", "prefix": ""}, "does not carry the tag"),
        ("object", {"bucket": "production", "key": "np-20k3f9qa/x"}, "not one of this environment's"),
        ("package", {"registry": "", "name": "np-20other1/pack"}, "does not carry the tag"),
        ("manifest", {"registry": "", "hash": ""}, "is not a manifest"),
    ],
)
def test_scope_guard_refuses_what_a_damaged_ledger_claims(
    s3: S3Client, bucket: str, context: CleanContext, run_dir: Path, kind: str, locator: dict[str, Any], words: str
) -> None:
    """Whatever a ledger says, a bucket or name outside the run's scope stays and is listed as leaked."""
    put_package(s3, bucket, "np-20other1/pack", "f")
    before = keys(s3, bucket)
    claimed = {key: value or (bucket if key in {"bucket", "registry"} else "") for key, value in locator.items()}
    ledger_of(run_dir).intent(kind, claimed)
    assert words in plan(run_dir, context)[0].refusal
    clean_run(run_dir, context)
    assert keys(s3, bucket) == before
    assert words in audit(run_dir, context).entries_leaked[0]


def test_unfinished_upload_is_aborted(s3: S3Client, bucket: str, context: CleanContext, run_dir: Path) -> None:
    """A multipart upload that was cut off counts as a resource and goes."""
    ledger_of(run_dir).intent("prefix", {"bucket": bucket, "prefix": "np-20k3f9qa/"})
    s3.create_multipart_upload(Bucket=bucket, Key="np-20k3f9qa/big.bin")
    assert clean_run(run_dir, context) == 1
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_resource_outside_every_ledger_is_unknown(
    s3: S3Client, bucket: str, context: CleanContext, run_dir: Path
) -> None:
    """What carries tonight's tag and stands in no ledger is counted, not deleted."""
    s3.put_object(Bucket=bucket, Key="np-20k3f9qa/stray", Body=b"x")
    ledger_of(run_dir).intent("object", {"bucket": bucket, "key": "np-20k3f9qa/mine"})
    clean_run(run_dir, context)
    assert audit(run_dir, context).unknown == 1
    assert keys(s3, bucket) == {"np-20k3f9qa/stray"}


def test_audit_contradicts_a_cleanup_that_lies(s3: S3Client, bucket: str, context: CleanContext, run_dir: Path) -> None:
    """An entry noted as purged that is still listed is leaked."""
    ledger_of(run_dir).intent("object", {"bucket": bucket, "key": "np-20k3f9qa/zombie"})
    clean_run(run_dir, context)
    s3.put_object(Bucket=bucket, Key="np-20k3f9qa/zombie", Body=b"x")
    result = audit(run_dir, context, swept=3)
    assert (result.created, result.leaked, result.swept) == (1, 1, 3)
    assert "still listed" in result.entries_leaked[0]


def test_keep_leaves_everything_and_counts_it(s3: S3Client, bucket: str, context: CleanContext, run_dir: Path) -> None:
    """Kept resources are part of the sum."""
    ledger_of(run_dir).intent("object", {"bucket": bucket, "key": "np-20k3f9qa/kept"})
    s3.put_object(Bucket=bucket, Key="np-20k3f9qa/kept", Body=b"x")
    assert clean_run(run_dir, CleanContext(s3, context.writable, context.sources, keep=True)) == 0
    result = audit(run_dir, context)
    assert (result.created, result.kept, result.leaked) == (1, 1, 0)


def test_dead_storage_leaks_everything_and_the_next_sweep_takes_it(
    s3: S3Client, bucket: str, context: CleanContext, run_dir: Path
) -> None:
    """Without S3 nothing is proved gone; the next night closes the dead run's ledger, and only then."""
    made = ledger_of(run_dir).intent("package", {"registry": f"s3://{bucket}", "name": NAME})
    put_package(s3, bucket, NAME, "9")
    ledger_of(run_dir).adopt(plan(run_dir, context)[0].entry, "confirmed")
    dead = boto3.client(
        "s3", endpoint_url="http://127.0.0.1:9", region_name="us-east-1", aws_access_key_id="x",
        aws_secret_access_key="x", config=Config(retries={"total_max_attempts": 1}, connect_timeout=1),
    )  # fmt: skip
    unreachable = CleanContext(dead, context.writable, context.sources)
    assert clean_run(run_dir, unreachable) == 0
    assert audit(run_dir, unreachable).leaked == 1
    assert open_runs(run_dir.parent) == (run_dir,)
    assert sweep(run_dir.parent, "another-run", context) == 2
    assert (keys(s3, bucket), open_runs(run_dir.parent)) == (set(), ())
    assert made
