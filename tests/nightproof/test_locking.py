"""One run per environment: the file lock and the lease."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nightproof.errors import UsageError
from nightproof.locking import LEASE_KEY
from nightproof.locking import environment_lock
from nightproof.locking import holder
from nightproof.locking import lease
from nightproof.locking import require_free

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from types_boto3_s3 import S3Client

HOLDING = """
import sys, pathlib
from nightproof.locking import environment_lock
with environment_lock(pathlib.Path(sys.argv[1]), "20261120T020000Z-aaaaaa"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def bucket(s3: S3Client) -> Iterator[str]:
    """Yield an empty bucket."""
    s3.create_bucket(Bucket="lease-bucket")
    yield "lease-bucket"
    s3.delete_object(Bucket="lease-bucket", Key=LEASE_KEY)
    s3.delete_bucket(Bucket="lease-bucket")


@pytest.fixture
def rival(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Yield another process that holds the lock of `tmp_path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_run_is_refused_with_the_holder_named(tmp_path: Path, rival: subprocess.Popen[str]) -> None:
    """A second run is refused at once, with the holder's run id and process."""
    with pytest.raises(UsageError, match=rf"run `20261120T020000Z-aaaaaa` \(process {rival.pid}\)"):
        require_free(tmp_path)


def test_the_kernel_frees_the_lock_of_a_killed_holder(tmp_path: Path, rival: subprocess.Popen[str]) -> None:
    """A holder killed by SIGKILL does not block the next run."""
    rival.send_signal(signal.SIGKILL)
    rival.wait()

    require_free(tmp_path)


def test_the_holder_is_known_while_it_holds_and_forgotten_after(tmp_path: Path) -> None:
    """The note names this process while the lock is held and is gone afterwards."""
    with environment_lock(tmp_path / "state", "the-run"):
        held = holder(tmp_path / "state")

    assert held is not None
    assert (held.pid, held.run_id) == (os.getpid(), "the-run")
    assert holder(tmp_path / "state") is None


def test_a_taken_lock_without_a_note_is_refused_too(tmp_path: Path) -> None:
    """A taken lock without a note is refused too."""
    with environment_lock(tmp_path, "first"):
        (tmp_path / "environment.holder.json").write_text("{", encoding="utf-8")
        with pytest.raises(UsageError, match="locked by another run"):
            require_free(tmp_path)


def test_a_lease_excludes_another_machine(s3: S3Client, bucket: str) -> None:
    """While one run holds the lease, another is refused by name; afterwards the object is gone."""
    with lease(s3, bucket, "run-one"), pytest.raises(UsageError, match="leased by run `run-one`"):
        lease(s3, bucket, "run-two").__enter__()

    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_an_expired_lease_is_taken_over_and_kept_from_its_former_holder(s3: S3Client, bucket: str) -> None:
    """An expired lease is taken over, and its former holder does not delete the new one."""
    with lease(s3, bucket, "slow", life=timedelta(seconds=-1)):
        successor = lease(s3, bucket, "next")
        successor.__enter__()

    held = json.loads(s3.get_object(Bucket=bucket, Key=LEASE_KEY)["Body"].read())
    assert held["run_id"] == "next"
    successor.__exit__(None, None, None)


def test_a_missing_bucket_is_not_taken_for_a_held_lease(s3: S3Client) -> None:
    """Any other refusal of S3, such as a missing bucket, is raised unchanged."""
    with pytest.raises(s3.exceptions.NoSuchBucket), lease(s3, "no-such-bucket", "run"):
        pass
