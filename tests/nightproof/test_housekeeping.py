"""The ad hoc cleanup: its plan, its deletions, its refusals and its requirements."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nightproof.errors import UsageError
from nightproof.housekeeping import clean_earlier
from nightproof.ledger import Ledger
from nightproof.locking import environment_lock
from nightproof.profile import Profile
from nightproof.profile import Secrets
from tests.nightproof.foreign import no_secrets

if TYPE_CHECKING:
    from pathlib import Path

    from nightproof.target import Target

AN_HOUR = timedelta(hours=1)


def run_of(age: timedelta, letters: str) -> str:
    """Return the id of a run that began so long ago."""
    return f"{datetime.now(UTC) - age:%Y%m%dT%H%M%SZ}-{letters}"


@pytest.fixture
def profile(embedded: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    """Return a live profile on the testbed's AWS, and the seeder's keys in the environment."""
    keys = embedded.aws_keys("ci-seeder")
    for name, value in keys.items():
        monkeypatch.setenv(name, value)
    data = {"name": "p", "target": "live", "needs": ["write"], "endpoints": {"aws": embedded.aws_url}}
    return Profile.model_validate(data | {"state_dir": str(tmp_path / "state")})


def leave_behind(profile: Profile, embedded: Target, run: str) -> tuple[str, str]:
    """Create an object as a run would, with a second entry that must not be touched; return its bucket and key."""
    bucket, key = profile.names.bucket_work, f"np-{run[6:8]}{run[-6:]}/left"
    ledger = Ledger(profile.state_dir / "runs" / run / "ledger.jsonl", run)
    ledger.intent("object", {"bucket": bucket, "key": key})
    ledger.intent("object", {"bucket": "somebody-elses", "key": key})
    embedded.seeder_s3().put_object(Bucket=bucket, Key=key, Body=b"x")
    return bucket, key


def listed(embedded: Target, bucket: str, key: str) -> int:
    """Count the versions of one key."""
    return len(embedded.seeder_s3().list_object_versions(Bucket=bucket, Prefix=key).get("Versions", []))


def test_a_dry_run_names_everything_and_changes_nothing(profile: Profile, embedded: Target) -> None:
    """A dry run lists every deletion and every refusal with its reason, and changes nothing."""
    run = run_of(timedelta(days=2), "dryrun")
    bucket, key = leave_behind(profile, embedded, run)
    result = clean_earlier(profile, no_secrets(), min_age=AN_HOUR)
    assert result.planned == (f"object {bucket}/{key}",)
    assert "not one of this environment's writable buckets" in result.refused[0]
    assert result.sentence == "Would delete 1 resources of 1 runs; 1 refused. Nothing was changed."
    assert listed(embedded, bucket, key) == 1


def test_applied_it_deletes_what_is_old_enough(profile: Profile, embedded: Target) -> None:
    """An applied cleanup deletes only runs that are old enough, and counts refused resources as still there."""
    old, young = run_of(timedelta(days=2), "oldone"), run_of(timedelta(minutes=1), "young2")
    gone, stays = (leave_behind(profile, embedded, run) for run in (old, young))
    result = clean_earlier(profile, no_secrets(), min_age=AN_HOUR, dry_run=False)
    assert (result.runs, result.deleted, result.leaked) == ((old,), 1, 1)
    assert result.sentence == "Deleted 1 of 1 resources of 1 runs; 1 still there, 1 refused."
    assert [entry.partition(":")[0] for entry in result.entries_leaked] == [result.refused[0].partition(":")[0]]
    assert (listed(embedded, *gone), listed(embedded, *stays)) == (0, 1)


def test_one_run_may_be_chosen(profile: Profile, embedded: Target) -> None:
    """Only the chosen run is cleaned up, and an unknown one is a UsageError."""
    runs = [run_of(timedelta(days=2), letters) for letters in ("chosen", "others")]
    places = [leave_behind(profile, embedded, run) for run in runs]
    result = clean_earlier(profile, no_secrets(), run_id=runs[0], min_age=AN_HOUR, dry_run=False)
    assert (result.runs, [listed(embedded, *place) for place in places]) == ((runs[0],), [0, 1])
    for unknown in ("20200101T000000Z-aaaaaa", "../state", ""):
        with pytest.raises(UsageError, match=r"There is no run `.*list runs with `nightproof history`"):
            clean_earlier(profile, no_secrets(), run_id=unknown, min_age=AN_HOUR)


def test_a_profile_that_may_not_write_has_nothing_to_clean_up(profile: Profile) -> None:
    """A profile that may not write is refused by name, and the environment is free again."""
    reader = profile.model_copy(update={"needs": ()})
    with pytest.raises(UsageError, match="The profile `p` may not write"):
        clean_earlier(reader, no_secrets(), min_age=AN_HOUR)
    with environment_lock(profile.state_dir, "free"):
        pass


def test_a_night_under_way_excludes_a_cleanup(profile: Profile) -> None:
    """A running night excludes a cleanup, and the sentence names its run."""
    with environment_lock(profile.state_dir, "tonight"), pytest.raises(UsageError, match="locked by run `tonight`"):
        clean_earlier(profile, Secrets(), min_age=AN_HOUR)
