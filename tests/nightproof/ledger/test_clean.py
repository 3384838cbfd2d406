"""Cleanup deletes only the resources that the ledger claims, and reports what stays."""

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
from botocore.exceptions import EndpointConnectionError

from nightproof.ledger import CleanContext
from nightproof.ledger import Ledger
from nightproof.ledger import audit
from nightproof.ledger import clean_run
from nightproof.ledger import open_runs
from nightproof.ledger import plan
from nightproof.ledger import sweep
from nightproof.ledger.s3 import uploads
from nightproof.ledger.s3 import versions

if TYPE_CHECKING:
    from pathlib import Path

    from types_boto3_s3 import S3Client

RUN = "20261120T020000Z-k3f9qa"
NAME = "np-20k3f9qa/pack"
DATA = "data-bucket"


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
    """The purge deletes the versions, markers and manifests that a finalizer's delete leaves, and the audit agrees."""
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


def test_a_damaged_pointer_names_no_manifest(s3: S3Client, bucket: str, context: CleanContext, run_dir: Path) -> None:
    """A pointer without a valid hash is deleted with its package, and no manifest is looked for."""
    ledger = ledger_of(run_dir)
    ledger.confirmed(ledger.intent("package", {"registry": f"s3://{bucket}", "name": NAME}))
    put_package(s3, bucket, NAME, "a")
    s3.put_object(Bucket=bucket, Key=f".quilt/named_packages/{NAME}/latest", Body=b"no hash")
    assert clean_run(run_dir, context) == 2
    assert (keys(s3, bucket), audit(run_dir, context).entries_leaked) == (set(), ())


def test_foreign_look_alikes_stay(s3: S3Client, bucket: str, context: CleanContext, run_dir: Path) -> None:
    """A foreign package of the same shape, and a manifest shared with it, are not touched."""
    shared = put_package(s3, bucket, "np-20other1/pack", "b")
    ledger_of(run_dir).intent("package", {"registry": f"s3://{bucket}", "name": NAME})
    put_package(s3, bucket, NAME, "b")
    clean_run(run_dir, context)
    assert f".quilt/packages/{shared}" in keys(s3, bucket)
    assert ".quilt/named_packages/np-20other1/pack/latest" in keys(s3, bucket)
    assert not any("np-20k3f9qa" in key for key in keys(s3, bucket))
    assert audit(run_dir, context).leaked == 0


def test_intent_that_made_nothing_is_absent(context: CleanContext, run_dir: Path) -> None:
    """An intent whose process died before creating is absent and counts for nothing."""
    ledger_of(run_dir).intent("object", {"bucket": next(iter(context.writable)), "key": "np-20k3f9qa/never"})
    assert clean_run(run_dir, context) == 0
    assert audit(run_dir, context).created == 0


def test_orphan_manifest_of_a_died_creation_goes(
    s3: S3Client, bucket: str, context: CleanContext, run_dir: Path
) -> None:
    """A manifest without a pointer, written after an unconfirmed intent over our sources, is deleted."""
    ledger_of(run_dir).intent("package", {"registry": f"s3://{bucket}", "name": NAME})
    put_package(s3, bucket, "gone/x", "c")
    put_package(s3, bucket, "gone/y", "d", source="somebody-elses")
    for version in versions(s3, bucket, ".quilt/named_packages/"):
        s3.delete_object(Bucket=bucket, Key=version.key, VersionId=version.version_id)
    clean_run(run_dir, context)
    assert keys(s3, bucket) == {".quilt/packages/" + "d" * 64}


def test_old_orphan_manifest_stays(s3: S3Client, bucket: str, context: CleanContext, run_dir: Path) -> None:
    """A manifest written before the intent's window is not touched."""
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
        ("package", {"registry": "", "name": "np-20k3f9qax/pack"}, "does not carry the tag"),
        ("prefix", {"bucket": "", "prefix": "np-20k3f9qa"}, "has no end"),
        ("role", {"name": "np-20k3f9qa-role"}, "not one of this environment's"),
        ("user", {"name": "test-admin"}, "does not begin with the tag"),
        ("user", {"name": "joe-np-20k3f9qa-x"}, "does not begin with the tag"),
        ("table", {"bucket": "np-20k3f9qa-data", "name": "simple_rows"}, "does not begin with the tag"),
        ("manifest", {"registry": "", "hash": ""}, "is not a manifest"),
    ],
)
def test_scope_guard_refuses_what_a_damaged_ledger_claims(
    s3: S3Client, bucket: str, context: CleanContext, run_dir: Path, kind: str, locator: dict[str, Any], words: str
) -> None:
    """A bucket or name outside the run's scope is never deleted, and is listed as leaked."""
    put_package(s3, bucket, "np-20other1/pack", "f")
    before = keys(s3, bucket)
    claimed = {key: value or (bucket if key in {"bucket", "registry"} else "") for key, value in locator.items()}
    ledger_of(run_dir).intent(kind, claimed)
    assert words in plan(run_dir, context)[0].refusal
    clean_run(run_dir, context)
    assert keys(s3, bucket) == before
    assert words in audit(run_dir, context).entries_leaked[0]


def test_only_our_unfinished_uploads_are_aborted(
    s3: S3Client, bucket: str, context: CleanContext, run_dir: Path
) -> None:
    """Our unfinished multipart upload counts as a resource and is aborted; uploads with similar names go on."""
    foreign = ["a.bin", "np-20k3f9qa", "np-20k3f9qax/big.bin", "np-20other1/big.bin", "xnp-20k3f9qa/big.bin"]
    foreign += ["np-20k3f9qa/one.bin.bak", "np-20k3f9q/big.bin"]
    ours = ["np-20k3f9qa/big/1.bin", "np-20k3f9qa/big/2.bin", "np-20k3f9qa/one.bin", "np-20k3f9qa/pack/copied.csv"]
    for key in foreign + ours:
        s3.create_multipart_upload(Bucket=bucket, Key=key)
    ledger = ledger_of(run_dir)
    ledger.intent("prefix", {"bucket": bucket, "prefix": "np-20k3f9qa/big/"})
    ledger.intent("object", {"bucket": bucket, "key": "np-20k3f9qa/one.bin"})
    ledger.intent("package", {"registry": bucket, "name": NAME})
    assert clean_run(run_dir, context) == 3
    assert sorted(upload.key for upload in uploads(s3, bucket, "")) == sorted(foreign)
    assert audit(run_dir, context).unknown == 2  # `np-20k3f9qa` and `one.bin.bak`: of this run, and in no ledger


def test_an_entry_of_another_run_is_refused(s3: S3Client, bucket: str, context: CleanContext, run_dir: Path) -> None:
    """A ledger line of another run, or with an empty run id, deletes nothing."""
    for run in ("20261120T020000Z-other1", ""):
        Ledger(run_dir / "ledger.jsonl", run).intent("object", {"bucket": bucket, "key": "np-20other1/x"})
    s3.put_object(Bucket=bucket, Key="np-20other1/x", Body=b"x")
    assert clean_run(run_dir, context) == 0
    assert keys(s3, bucket) == {"np-20other1/x"}
    assert all("is written down for the run" in said for said in audit(run_dir, context).entries_leaked)


def test_packages_whose_manifests_cannot_be_read_stay_until_they_can(
    s3: S3Client, bucket: str, context: CleanContext, run_dir: Path
) -> None:
    """A package whose manifests cannot be read keeps its pointers until the next sweep."""
    ledger_of(run_dir).intent("package", {"registry": bucket, "name": NAME})
    put_package(s3, bucket, NAME, "8")

    def refuse(**_given: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://gone")

    s3.meta.events.register("before-call.s3.GetObject", refuse)
    assert clean_run(run_dir, context) == 0
    s3.meta.events.unregister("before-call.s3.GetObject", refuse)
    assert "manifests could not be listed" in audit(run_dir, context).entries_leaked[0]
    assert sweep(run_dir.parent, "another-run", context) == 2
    assert keys(s3, bucket) == set()


@pytest.mark.parametrize("body", [b"\x00PAR1", b"{}\n[1]\n", b"{}\nnull\n", b'{}\n{"physical_keys": 3}\n', b""])
def test_what_is_no_manifest_of_ours_never_stops_a_cleanup(
    s3: S3Client, bucket: str, context: CleanContext, run_dir: Path, body: bytes
) -> None:
    """A foreign file among the manifests stays and does not stop the cleanup."""
    ledger_of(run_dir).intent("package", {"registry": bucket, "name": NAME})
    put_package(s3, bucket, NAME, "7")
    s3.put_object(Bucket=bucket, Key=".quilt/packages/" + "6" * 64, Body=body)
    assert clean_run(run_dir, context) == 2
    assert keys(s3, bucket) == {".quilt/packages/" + "6" * 64}


def test_resource_outside_every_ledger_is_unknown(
    s3: S3Client, bucket: str, context: CleanContext, run_dir: Path
) -> None:
    """A resource with the run's tag and no ledger entry counts as unknown and is not deleted."""
    s3.put_object(Bucket=bucket, Key="np-20k3f9qa/stray", Body=b"x")
    ledger_of(run_dir).intent("object", {"bucket": bucket, "key": "np-20k3f9qa/mine"})
    clean_run(run_dir, context)
    assert audit(run_dir, context).unknown == 1
    assert keys(s3, bucket) == {"np-20k3f9qa/stray"}


def test_audit_contradicts_a_cleanup_that_lies(s3: S3Client, bucket: str, context: CleanContext, run_dir: Path) -> None:
    """An entry recorded as deleted that is still listed counts as leaked."""
    ledger_of(run_dir).intent("object", {"bucket": bucket, "key": "np-20k3f9qa/zombie"})
    clean_run(run_dir, context)
    s3.put_object(Bucket=bucket, Key="np-20k3f9qa/zombie", Body=b"x")
    result = audit(run_dir, context, swept=3)
    assert (result.created, result.leaked, result.swept) == (1, 1, 3)
    assert "still listed" in result.entries_leaked[0]


def test_keep_leaves_everything_and_counts_it(s3: S3Client, bucket: str, context: CleanContext, run_dir: Path) -> None:
    """Kept resources stay and are part of the sum."""
    ledger_of(run_dir).intent("object", {"bucket": bucket, "key": "np-20k3f9qa/kept"})
    s3.put_object(Bucket=bucket, Key="np-20k3f9qa/kept", Body=b"x")
    assert clean_run(run_dir, CleanContext(s3, context.writable, context.sources, keep=True)) == 0
    result = audit(run_dir, context)
    assert (result.created, result.kept, result.leaked) == (1, 1, 0)


def test_dead_storage_leaks_everything_and_the_next_sweep_takes_it(
    s3: S3Client, bucket: str, context: CleanContext, run_dir: Path
) -> None:
    """Without S3 everything counts as leaked; the next night's sweep closes the ledger."""
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


def test_a_second_writer_is_told_instead_of_chased_for_ever(
    s3: S3Client, bucket: str, context: CleanContext, run_dir: Path
) -> None:
    """A writer faster than the cleanup is reported as the reason, and the entry stays open."""
    key = "np-20k3f9qa/again"
    ledger_of(run_dir).intent("object", {"bucket": bucket, "key": key})
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")

    def write_again(**_given: Any) -> None:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")

    s3.meta.events.register("after-call.s3.DeleteObjects", write_again)
    assert clean_run(run_dir, context) == 0
    (leaked,) = audit(run_dir, context).entries_leaked
    assert f"`s3://{bucket}/{key}` still lists entries after 5 rounds of deletion: look for another writer" in leaked


def test_a_refused_deletion_names_key_code_and_permission(
    s3: S3Client, bucket: str, context: CleanContext, run_dir: Path
) -> None:
    """A deletion refused inside a 200 answer of S3 is reported with key, code and permission."""
    key = "np-20k3f9qa/locked"
    ledger_of(run_dir).intent("object", {"bucket": bucket, "key": key})
    s3.put_object(Bucket=bucket, Key=key, Body=b"x")

    def refuse(parsed: dict[str, Any], **_given: Any) -> None:
        parsed["Errors"] = [{"Key": key, "Code": "AccessDenied"}]

    s3.meta.events.register("after-call.s3.DeleteObjects", refuse)
    assert clean_run(run_dir, context) == 0
    said = plan(run_dir, context)[0].entry.detail
    assert f"refused to delete 1 of 1 entries in `{bucket}`, first `{key}`: AccessDenied. Give the cleanup" in said
