"""The cleanup flow: a dry run by default, and an honest count of what is still there."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest

from flows.cleanup import cleanup
from nightproof.ledger import Ledger
from nightproof.profile import Names

if TYPE_CHECKING:
    from pathlib import Path

    from prefect.client.orchestration import SyncPrefectClient
    from types_boto3_s3 import S3Client

pytestmark = [
    pytest.mark.xdist_group("harness"),  # one server for all of them
    pytest.mark.timeout(240),  # its start on a busy machine
]
RUN_ID = "20261101T020000Z-clean2"
BUCKET = Names().bucket_work
KEY = "np-01clean2/left"


@pytest.fixture
def profile(tmp_path: Path, s3_url: str, s3: S3Client, monkeypatch: pytest.MonkeyPatch) -> str:
    """Leave an object behind as a dead run would; return the path of a profile that may clean it up."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    for bucket in (BUCKET, Names().bucket_scratch, Names().bucket_data):
        s3.create_bucket(Bucket=bucket)
    ledger = Ledger(tmp_path / "state" / "runs" / RUN_ID / "ledger.jsonl", RUN_ID)
    ledger.intent("object", {"bucket": BUCKET, "key": KEY})
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"x")
    path = tmp_path / "store.toml"
    path.write_text(
        f'target = "live"\nneeds = ["write"]\nstate_dir = "{tmp_path / "state"}"\n[endpoints]\naws = "{s3_url}"\n'
    )
    return str(path)


def clean(profile: str, **parameters: Any) -> Any:
    """Run the flow with the path of a profile; return its state."""
    flow: Any = cleanup.with_options(validate_parameters=False)
    return flow(profile, return_state=True, **parameters)


def left(s3: S3Client) -> int:
    """Return the number of objects that are still there."""
    return int(s3.list_objects_v2(Bucket=BUCKET, Prefix=KEY)["KeyCount"])


def page(client: SyncPrefectClient) -> str:
    """Return the newest Markdown artifact of a cleanup."""
    found = [artifact for artifact in client.read_artifacts() if artifact.key == "cleanup"]
    return str(max(found, key=lambda artifact: str(artifact.created)).data)


def test_it_is_a_dry_run_by_default(profile: str, s3: S3Client, client: SyncPrefectClient) -> None:
    """By default nothing is deleted; the plan with its counts is an artifact and the state's message."""
    state = clean(profile)

    sentence = "Would delete 1 resources of 1 runs; 0 refused. Nothing was changed."
    assert (state.is_completed(), state.message) == (True, sentence)
    assert page(client) == f"{sentence}\n\n- delete `object {BUCKET}/{KEY}`"
    assert left(s3) == 1


def test_applied_it_deletes_and_says_how_much(profile: str, s3: S3Client, client: SyncPrefectClient) -> None:
    """Without the dry run, the resources in the ledger are gone from a listing, and the page counts them."""
    state = clean(profile, dry_run=False, run_id=RUN_ID, min_age_hours=1)

    assert (state.is_completed(), left(s3)) == (True, 0)
    assert page(client).startswith("Deleted 1 of 1 resources of 1 runs; 0 still there, 0 refused.")


def test_what_it_may_not_touch_fails_it(profile: str, tmp_path: Path, client: SyncPrefectClient) -> None:
    """A refused resource that is still there fails the flow; the page names it with the reason."""
    ledger = Ledger(tmp_path / "state" / "runs" / RUN_ID / "ledger.jsonl", RUN_ID)
    ledger.intent("object", {"bucket": "somebody-elses", "key": KEY})

    state = clean(profile, dry_run=False)

    assert (state.is_failed(), "1 still there, 1 refused" in state.message) == (True, True)
    assert f"- refuse object somebody-elses/{KEY}: " in page(client)


def test_an_age_out_of_bounds_is_refused(profile: str) -> None:
    """The form's bounds are enforced for every caller of the flow."""
    state: Any = cleanup(min_age_hours=0, return_state=True)

    assert state.is_failed()
    assert "greater than or equal to 1" in state.message
    assert profile
