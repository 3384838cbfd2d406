"""A ledger's writer dies at every possible point; the next sweep settles what it left."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nightproof.ledger import Ledger
from nightproof.ledger import audit
from nightproof.ledger import open_runs
from nightproof.ledger import read_entries
from nightproof.ledger import sweep
from nightproof.ledger.s3 import uploads
from nightproof.ledger.s3 import versions

if TYPE_CHECKING:
    from pathlib import Path

    from types_boto3_s3 import S3Client

    from nightproof.ledger import CleanContext

RUN = "20261120T020000Z-k3f9qa"
KEY = "np-20k3f9qa/thing"
WRITER = """
import json, os, pathlib, signal, sys
import boto3
from botocore.config import Config
from nightproof.ledger import Ledger

given = json.loads(sys.argv[1])
bucket = given["bucket"]
s3 = boto3.client("s3", endpoint_url=given["url"], region_name="us-east-1", aws_access_key_id="test",
                  aws_secret_access_key="test", config=Config(s3={"addressing_style": "path"}))
ledger = Ledger(pathlib.Path(given["path"]), given["run"])

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def die_in_mid_line():
    whole = os.write
    os.write = lambda fd, data: (whole(fd, data[: len(data) // 2]), die())

def upload():
    made = s3.create_multipart_upload(Bucket=bucket, Key=given["key"])
    s3.upload_part(Bucket=bucket, Key=given["key"], UploadId=made["UploadId"], PartNumber=1, Body=b"x")

steps = {
    "tear": die_in_mid_line,
    "intend": lambda: given.update(id=ledger.intent("object", {"bucket": bucket, "key": given["key"]})),
    "make": lambda: s3.put_object(Bucket=bucket, Key=given["key"], Body=b"x"),
    "upload": upload,
    "confirm": lambda: ledger.confirmed(given["id"]),
    "delete": lambda: s3.delete_object(Bucket=bucket, Key=given["key"]),
    "deleted": lambda: ledger.deleted(given["id"]),
}
for step in given["steps"]:
    steps[step]()
die()
"""
POINTS = {
    "tear intend": (0, 0, 0),
    "intend": (1, 0, 0),
    "intend make": (1, 1, 1),
    "intend upload": (1, 1, 1),
    "intend make tear confirm": (1, 1, 1),
    "intend make confirm": (1, 1, 1),
    "intend make confirm delete": (1, 1, 1),
    "intend make confirm delete tear deleted": (1, 1, 1),
    "intend make confirm delete deleted": (1, 1, 1),
}


@pytest.mark.parametrize("steps", POINTS)
def test_whatever_a_killed_writer_left_the_next_sweep_settles(
    s3: S3Client, s3_url: str, bucket: str, context: CleanContext, run_dir: Path, steps: str
) -> None:
    """After SIGKILL at any point the sweep leaves nothing, counts what had been made, and closes the ledger."""
    path = run_dir / "ledger.jsonl"
    given = {"path": str(path), "bucket": bucket, "url": s3_url, "run": RUN, "key": KEY, "steps": steps.split()}
    writer = subprocess.run([sys.executable, "-c", WRITER, json.dumps(given)], check=False)
    assert writer.returncode == -signal.SIGKILL
    entries, deleted, created = POINTS[steps]
    assert len(read_entries([path])) == entries
    assert sweep(run_dir.parent, "another-run", context) == deleted
    result = audit(run_dir, context)
    assert (result.created, result.deleted, result.leaked, result.unknown) == (created, created, 0, 0)
    assert (versions(s3, bucket, ""), uploads(s3, bucket, ""), open_runs(run_dir.parent)) == ((), (), ())


def test_two_processes_write_one_ledger(tmp_path: Path) -> None:
    """Two processes write one ledger without a mixed or lost line."""
    code = (
        "import pathlib, sys\n"
        "from nightproof.ledger import Ledger\n"
        "ledger = Ledger(pathlib.Path(sys.argv[1]), sys.argv[2])\n"
        "for n in range(60):\n"
        "    ledger.confirmed(ledger.intent('object', {'bucket': 'b' * 3000, 'key': f'{sys.argv[3]}-{n}'}))\n"
    )
    path = tmp_path / "ledger.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path), RUN, name]) for name in ("one", "two")]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    entries = read_entries([path])
    assert sorted(entry.locator["key"] for entry in entries) == sorted(
        f"{w}-{n}" for w in ("one", "two") for n in range(60)
    )
    assert {entry.state for entry in entries} == {"confirmed"}


def test_an_intent_that_does_not_fit_on_the_disk_is_no_intent(tmp_path: Path) -> None:
    """A disk that takes only half a line raises, so that nothing is created without an intent."""
    path = tmp_path / "ledger.jsonl"
    Ledger(path, RUN).intent("object", {"bucket": "b", "key": "first"})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 50, before[1]))
    try:
        with pytest.raises(OSError, match="No space left on device"):
            Ledger(path, RUN).intent("object", {"bucket": "b", "key": "second"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    Ledger(path, RUN).intent("object", {"bucket": "b", "key": "third"})
    assert [entry.locator["key"] for entry in read_entries([path])] == ["first", "third"]
