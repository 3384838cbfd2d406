"""Resources of a damaged ledger are found by the run's tag and deleted; look-alikes stay."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from nightproof.ledger import Ledger
from nightproof.ledger import recover
from nightproof.ledger import sweep
from nightproof.ledger.s3 import versions

if TYPE_CHECKING:
    from pathlib import Path

    from types_boto3_s3 import S3Client

    from nightproof.ledger import CleanContext

TONIGHT = "20991231T020000Z-zzzzzz"
DAMAGES = ["garbled", "halved", "zeroed"]


@pytest.fixture
def run() -> str:
    """Return the id of a run that starts now, as what it makes in a moment is to be of its time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-k3f9qa"


def damage(path: Path, kind: str) -> None:
    """Damage every line of a journal."""
    lines = path.read_bytes().splitlines()
    changed = {
        "garbled": [b"\xff" * 20 + line[20:] for line in lines],
        "halved": [line[: len(line) // 2] for line in lines],
        "zeroed": [b"\0" * len(line) for line in lines],
    }[kind]
    path.write_bytes(b"\n".join(changed) + b"\n")


def tag(run: str) -> str:
    """Return the tag of a run."""
    return f"np-{run[6:8]}{run[-6:]}"


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_ledger_is_made_good_by_tag(
    s3: S3Client, bucket: str, context: CleanContext, tmp_path: Path, run: str, kind: str
) -> None:
    """Tagged objects and packages are deleted with versions and manifests; look-alikes stay; it is reported once."""
    ours, others = tag(run), (f"{tag(run)}x/a", f"x{tag(run)}/a", "np-20aaaaaa/a", "a/b")
    top_hash = "a" * 64
    s3.put_object(Bucket=bucket, Key=f".quilt/packages/{top_hash}", Body=b"{}\n")
    for key in (f"{ours}/a", f"{ours}/a", f"deep/{ours}/b", *others):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.put_object(Bucket=bucket, Key=f".quilt/named_packages/{ours}/pack/latest", Body=top_hash.encode())
    ledger = Ledger(tmp_path / run / "cells" / "a" / "ledger.jsonl", run)
    for name in ("a", "b"):
        ledger.confirmed(ledger.intent("object", {"bucket": bucket, "key": f"{ours}/{name}"}))
    damage(ledger.path, kind)

    told = recover(tmp_path, TONIGHT, context)

    assert told == (f"The ledger of `{run}` has 4 unreadable lines: 3 resources were found by its tag.",)
    assert sweep(tmp_path, TONIGHT, context) == 4
    assert {version.key for version in versions(s3, bucket, "")} == set(others)
    assert recover(tmp_path, TONIGHT, context) == ()


def test_what_is_older_than_the_run_is_somebody_elses(
    s3: S3Client, bucket: str, context: CleanContext, tmp_path: Path
) -> None:
    """An object older than the run is not touched, even with its tag."""
    run = "20991130T020000Z-k3f9qa"
    s3.put_object(Bucket=bucket, Key=f"{tag(run)}/a", Body=b"x")
    (tmp_path / run).mkdir()
    (tmp_path / run / "ledger.jsonl").write_bytes(b"garbled\n")
    assert recover(tmp_path, TONIGHT, context)[0].endswith("1 unreadable lines: 0 resources were found by its tag.")
    assert sweep(tmp_path, TONIGHT, context) == 0
    assert [version.key for version in versions(s3, bucket, "")] == [f"{tag(run)}/a"]


def test_a_torn_end_is_no_damage(context: CleanContext, tmp_path: Path, run: str) -> None:
    """A torn last line is no damage, nor is the current night's own ledger."""
    for name in (run, TONIGHT):
        ledger = Ledger(tmp_path / name / "ledger.jsonl", name)
        ledger.intent("object", {"bucket": "b", "key": "k"})
    with (tmp_path / run / "ledger.jsonl").open("ab") as file:
        file.write(b'{"event": "int')
    (tmp_path / TONIGHT / "ledger.jsonl").write_bytes(b"garbled\n")
    assert recover(tmp_path, TONIGHT, context) == ()
