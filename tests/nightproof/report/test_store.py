"""The artifact store: a directory or a bucket, and the link that a message carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nightproof.errors import UsageError
from nightproof.profile import Names
from nightproof.report import store

if TYPE_CHECKING:
    from pathlib import Path

    from nightproof.target import Target

BUCKET = Names().bucket_work


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """Return a run directory with a page and a log two levels down."""
    folder = tmp_path / "20261120T020000Z-abcdef"
    (folder / "cells" / "shop").mkdir(parents=True)
    (folder / "report.html").write_text("<p>page</p>")
    (folder / "cells" / "shop" / "events.jsonl").write_text("{}\n")
    return folder


def test_a_directory_takes_every_file_and_takes_it_again(run_dir: Path, tmp_path: Path) -> None:
    """A directory store copies every file, a repetition overwrites it, and the link is the copy."""
    place = tmp_path / "store"
    assert store.copy_run(run_dir, str(place)) == f"{place}/{run_dir.name}/report.html"
    (run_dir / "report.html").write_text("<p>patched</p>")
    store.copy_run(run_dir, str(place))
    copy = place / run_dir.name
    assert (copy / "report.html").read_text() == "<p>patched</p>"
    assert (copy / "cells" / "shop" / "events.jsonl").read_text() == "{}\n"


@pytest.mark.parametrize("prefix", ["", "/nights/of/ours/"], ids=["root", "prefix"])
def test_a_bucket_takes_every_file_with_its_type(run_dir: Path, embedded: Target, prefix: str) -> None:
    """A bucket stores every file with its content type, and the link is the served address."""
    s3 = embedded.seeder_s3()
    base = f"{prefix.strip('/')}/{run_dir.name}".lstrip("/")
    found = store.copy_run(run_dir, f"s3://{BUCKET}{prefix}", "https://reports.test/", s3)
    assert found == f"https://reports.test/{run_dir.name}/report.html"
    page = s3.get_object(Bucket=BUCKET, Key=f"{base}/report.html")
    assert (page["ContentType"], page["Body"].read()) == ("text/html", b"<p>page</p>")
    assert s3.head_object(Bucket=BUCKET, Key=f"{base}/cells/shop/events.jsonl")["ContentLength"] == 3


def test_without_a_store_the_link_is_the_run_directory(run_dir: Path) -> None:
    """Without a store nothing is copied, and the link is in the run directory."""
    assert store.copy_run(run_dir, "") == str(run_dir / "report.html")


def test_a_bucket_without_keys_is_one_sentence(run_dir: Path) -> None:
    """A bucket without AWS keys is refused in one sentence with the store and both remedies."""
    with pytest.raises(UsageError, match=r"`s3://b/p` needs AWS credentials\. Set them, or name a directory"):
        store.copy_run(run_dir, "s3://b/p")
