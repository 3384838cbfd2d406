"""Fixtures of the ledger tests: a bucket for each test, a run directory, and the context of its cleanup."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nightproof.ledger import CleanContext
from nightproof.ledger.s3 import uploads
from nightproof.ledger.s3 import versions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from types_boto3_s3 import S3Client

RUN = "20261120T020000Z-k3f9qa"
DATA = "data-bucket"


@pytest.fixture
def bucket(s3: S3Client, request: pytest.FixtureRequest) -> Iterator[str]:
    """Return a versioned registry bucket for this test."""
    name = "w-" + request.node.name.replace("_", "-").replace("[", "-").replace("]", "")[:50].rstrip("-").lower()
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    yield name
    for upload in uploads(s3, name, ""):
        s3.abort_multipart_upload(Bucket=name, Key=upload.key, UploadId=upload.upload_id)
    for version in versions(s3, name, ""):
        s3.delete_object(Bucket=name, Key=version.key, VersionId=version.version_id)
    s3.delete_bucket(Bucket=name)


@pytest.fixture
def context(s3: S3Client, bucket: str) -> CleanContext:
    """Return a cleanup context limited to the test's bucket."""
    return CleanContext(s3, frozenset({bucket}), frozenset({DATA, bucket}))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """Return the directory of one run."""
    path = tmp_path / "runs" / RUN
    path.mkdir(parents=True)
    return path
