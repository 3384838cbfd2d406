"""Each storage defect falsifies in exactly one way, respects read rights, and ends when it is switched off."""

from __future__ import annotations

import time
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

import httpx
import pytest

from tests.testbed.aws.asking import SCRATCH
from tests.testbed.aws.asking import WORK
from tests.testbed.aws.asking import Asking
from tests.testbed.aws.asking import refused

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE = b"0123456789" * 200
PRIVATE = "quilt-mcp-test-private"
WEST = "quilt-mcp-test-west"


def body_of(aws: Asking, key: str, **more: Any) -> bytes:
    """Return the bytes of an object in the work bucket."""
    return bytes(aws.s3.get_object(Bucket=WORK, Key=key, **more)["Body"].read())


def test_all_are_declared_and_none_is_on(aws: Asking) -> None:
    """The control surface lists every defect, and none is active in a normal run."""
    known = aws.control("GET", "faults").json()["known"]
    assert aws.control("GET", "defects").json() == []
    named = """s3-get-flips-byte s3-get-returns-stale-version s3-serves-expired-url s3-put-loses-checksum
        s3-wrong-location s3-list-drops-page s3-list-latency-12s s3-old-revision-unreadable athena-hides-database
        list-drops-last-name list-includes-deleted info-returns-previous-revision info-ignores-metadata
        catalog-missing-package-as-empty browse-drops-last-entry browse-mangles-special-names
        catalog-read-latency-8s catalog-read-latency-35s catalog-construct-latency-90s construct-drops-last-entry
        construct-wrong-hash construct-skips-latest-pointer construct-flattens-keys construct-ignores-metadata
        metadata-drops-nulls construct-overwrites-existing construct-refuses-empty construct-ignores-missing-object
        revisions-drop-oldest update-merges-old-entries construct-drops-version-id diff-misses-modified
        flatmap-drops-entry flatmap-unstable-hashes catalog-unknown-hash-as-latest"""
    assert set(named.split()) <= known.keys()


def test_flipped_byte(aws: Asking, prefix: str, switch: Callable[..., None]) -> None:
    """`s3-get-flips-byte` changes one byte of a large object and leaves a small one intact."""
    aws.s3.put_object(Bucket=WORK, Key=f"{prefix}large", Body=LARGE)
    aws.s3.put_object(Bucket=WORK, Key=f"{prefix}small", Body=b"small")
    switch("s3-get-flips-byte")
    got = httpx.get(aws.s3.generate_presigned_url("get_object", Params={"Bucket": WORK, "Key": f"{prefix}large"}))
    assert sum(a != b for a, b in zip(got.content, LARGE, strict=True)) == 1
    assert body_of(aws, f"{prefix}small") == b"small"


def test_stale_version(aws: Asking, prefix: str, switch: Callable[..., None]) -> None:
    """`s3-get-returns-stale-version` serves a key's oldest version, also by version and by range.

    It never serves another key's.
    """
    key = f"{prefix}a"
    aws.s3.put_object(Bucket=WORK, Key=key, Body=b"oldest")
    newest = aws.s3.put_object(Bucket=WORK, Key=key, Body=b"newest")["VersionId"]
    aws.s3.put_object(Bucket=WORK, Key=f"{key}b", Body=b"other")
    switch("s3-get-returns-stale-version")
    assert body_of(aws, key) == b"oldest"
    assert body_of(aws, key, VersionId=newest) == b"oldest"
    assert body_of(aws, key, Range="bytes=0-2") == b"old"
    assert refused(lambda: aws.s3.get_object(Bucket=WORK, Key=f"{prefix}none")) == "NoSuchKey"


def test_stale_version_obeys_rights(aws: Asking, prefix: str, switch: Callable[..., None]) -> None:
    """A caller without read access is refused under `s3-get-returns-stale-version` as well."""
    where = {"Bucket": PRIVATE, "Key": f"{prefix}secret"}
    aws.s3.put_object(**where, Body=b"secret")
    switch("s3-get-returns-stale-version")
    runner = aws.client("s3", "ci-runner")
    assert refused(lambda: runner.get_object(**where)) == "AccessDenied"
    aws.s3.delete_object(**where)


def test_dropped_page(aws: Asking, prefix: str, switch: Callable[..., None]) -> None:
    """`s3-list-drops-page` empties the last of several pages and leaves a single page intact."""
    for number in range(5):
        aws.s3.put_object(Bucket=SCRATCH, Key=f"{prefix}{number}", Body=b"")
    switch("s3-list-drops-page")
    pages = aws.s3.get_paginator("list_objects_v2").paginate(Bucket=SCRATCH, Prefix=prefix, MaxKeys=2)
    assert [page["KeyCount"] for page in pages] == [2, 2, 0]
    assert aws.s3.list_objects_v2(Bucket=SCRATCH, Prefix=prefix)["KeyCount"] == 5


def test_expired_url(aws: Asking, prefix: str, switch: Callable[..., None]) -> None:
    """`s3-serves-expired-url` serves an expired URL, but not one with a wrong signature."""
    aws.s3.put_object(Bucket=WORK, Key=f"{prefix}a", Body=b"1")
    url = aws.s3.generate_presigned_url("get_object", Params={"Bucket": WORK, "Key": f"{prefix}a"}, ExpiresIn=1)
    ends = time.monotonic() + 10
    while httpx.get(url).status_code == 200:
        assert time.monotonic() < ends, f"the URL does not expire, {datetime.now(UTC)}"
        time.sleep(0.1)
    switch("s3-serves-expired-url")
    assert httpx.get(url).content == b"1"
    assert httpx.get(f"{url[:-1]}{'1' if url[-1] == '0' else '0'}").status_code == 403
    aws.control("DELETE", "faults/s3-serves-expired-url")
    assert httpx.get(url).status_code == 403


def test_lost_checksums(aws: Asking, prefix: str, switch: Callable[..., None]) -> None:
    """`s3-put-loses-checksum` omits the checksums from the responses to PUT and copy."""
    where = {"Bucket": WORK, "Key": f"{prefix}a"}
    switch("s3-put-loses-checksum")
    assert "ChecksumSHA256" not in aws.s3.put_object(**where, Body=b"1", ChecksumAlgorithm="SHA256")
    call = {"Bucket": WORK, "Key": f"{prefix}b", "CopySource": where, "ChecksumAlgorithm": "SHA256"}
    assert "ChecksumSHA256" not in aws.s3.copy_object(**call)["CopyObjectResult"]


def test_location_and_databases(aws: Asking, switch: Callable[..., None]) -> None:
    """`s3-wrong-location` returns no region for the west bucket, and `athena-hides-database` lists only `default`."""
    assert aws.s3.get_bucket_location(Bucket="quilt-mcp-test-west")["LocationConstraint"] == "us-west-2"
    switch("s3-wrong-location")
    assert aws.s3.get_bucket_location(Bucket="quilt-mcp-test-west")["LocationConstraint"] is None
    switch("athena-hides-database")
    athena = aws.client("athena", "ci-runner")
    assert athena.list_databases(CatalogName="AwsDataCatalog")["DatabaseList"] == [{"Name": "default"}]


@pytest.mark.parametrize(
    ("name", "is_slow", "is_quick"),
    [
        ("s3-list-latency-12s", lambda s3: s3.list_objects_v2(Bucket=WORK), lambda s3: s3.head_bucket(Bucket=WORK)),
        (
            "catalog-read-latency-8s",
            lambda s3: refused(lambda: s3.get_object(Bucket=WORK, Key=f".quilt/packages/{'0' * 64}")),
            lambda s3: refused(lambda: s3.get_object(Bucket=WORK, Key="plain")),
        ),
        (
            "catalog-construct-latency-90s",
            lambda s3: s3.put_object(Bucket=SCRATCH, Key=f".quilt/packages/{'0' * 64}", Body=b"{}"),
            lambda s3: s3.put_object(Bucket=SCRATCH, Key="tests/plain", Body=b"{}"),
        ),
    ],
)
def test_latency(
    aws: Asking, switch: Callable[..., None], name: str, is_slow: Callable[[Any], Any], is_quick: Callable[[Any], Any]
) -> None:
    """A latency defect delays the requests it is for by `seconds`, and no others."""
    switch(name, seconds=1.5)
    began = time.monotonic()
    is_quick(aws.s3)
    between = time.monotonic()
    is_slow(aws.s3)
    assert between - began < 1.5 <= time.monotonic() - between


def test_an_outage_of_the_west_is_hidden(aws: Asking, switch: Callable[..., None]) -> None:
    """`s3-west-outage-hidden` answers failing requests to the west with an empty 200.

    Working requests and errors elsewhere stay.
    """
    switch("s3-west-outage-hidden")
    assert aws.s3.get_bucket_location(Bucket=WEST)["LocationConstraint"] == "us-west-2"
    switch("error", bucket=WEST, status=503)
    found = aws.s3.get_object(Bucket=WEST, Key="west.txt")
    assert (found["ResponseMetadata"]["HTTPStatusCode"], found["Body"].read()) == (200, b"")
    switch("error", bucket=SCRATCH, status=503)
    assert refused(lambda: aws.s3.head_bucket(Bucket=SCRATCH)) == "503"


def test_missing_objects_exist(aws: Asking, prefix: str, switch: Callable[..., None]) -> None:
    """`construct-ignores-missing-object` answers HEAD of a missing object with size 0.

    Existing objects and manifests are unaffected.
    """
    aws.s3.put_object(Bucket=WORK, Key=f"{prefix}a", Body=b"1")
    switch("construct-ignores-missing-object")
    assert aws.s3.head_object(Bucket=WORK, Key=f"{prefix}none")["ContentLength"] == 0
    assert aws.s3.head_object(Bucket=WORK, Key=f"{prefix}a")["ContentLength"] == 1
    assert refused(lambda: aws.s3.head_object(Bucket=WORK, Key=f".quilt/packages/{'1' * 64}")) == "404"


def test_knobs_meet_what_they_name(aws: Asking, prefix: str, switch: Callable[..., None]) -> None:
    """An error or latency fault affects only the bucket, operation and prefix it names.

    It applies to S3 and the JSON services.
    """
    switch("error", bucket=SCRATCH, status=503)
    assert refused(lambda: aws.s3.head_bucket(Bucket=WORK)) == ""
    assert refused(lambda: aws.s3.list_objects_v2(Bucket=SCRATCH)) == "SlowDown"
    aws.control("DELETE", "faults/error")
    switch("error", operation="glue:GetDatabases", status=400, code="AccessDeniedException")
    assert refused(lambda: aws.s3.list_objects_v2(Bucket=SCRATCH)) == ""
    assert refused(aws.client("glue", "ci-runner").get_databases) == "AccessDeniedException"
    switch("error", operation="HeadObject", prefix=f"{prefix}a", status=500)
    assert [refused(lambda k=k: aws.s3.head_object(Bucket=WORK, Key=f"{prefix}{k}")) for k in "ab"] == ["500", "404"]  # type: ignore[misc]
    switch("latency", operation="PutObject", seconds=0.5)
    began = time.monotonic()
    aws.s3.put_object(Bucket=WORK, Key=f"{prefix}a", Body=b"")
    assert time.monotonic() - began >= 0.5


def test_switches_meet_the_user_they_name(aws: Asking, switch: Callable[..., None]) -> None:
    """A fault or defect limited to a user affects no other, and an error with `times` ends after that many requests."""
    runner = aws.client("s3", "ci-runner")
    switch("error", operation="HeadBucket", user="ci-runner", times=2)
    assert refused(lambda: aws.s3.head_bucket(Bucket=WORK)) == ""
    assert [refused(lambda: runner.head_bucket(Bucket=WORK)) for _ in range(3)] == ["503", "503", ""]
    switch("s3-wrong-location", user="ci-runner")
    found = [client.get_bucket_location(Bucket=WEST)["LocationConstraint"] for client in (aws.s3, runner)]
    assert found == ["us-west-2", None]
