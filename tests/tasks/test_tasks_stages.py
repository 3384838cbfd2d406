"""The stages before the suites: what is retried, what blocks the night, and what is recorded."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof.errors import Blocked
from nightproof.housekeeping import CleanupResult
from nightproof.profile import Check
from nightproof.provisioning import CheckFailed
from nightproof.records import SeedResult
from nightproof.seeds import SeedJob
from tasks import housekeeping
from tasks import notifying
from tasks import provisioning
from tasks import reporting
from tasks import seeding

if TYPE_CHECKING:
    from nightproof.night import Night

TRANSIENT = CheckFailed("no answer", "Wait.", transient=True)
FINAL = CheckFailed("wrong key", "Correct it.")
PLANTED = SeedResult(
    "simple-csv",
    "dataset",
    files=1,
    bytes=2,
    sha256="0" * 64,
    generated_bytes=2,
    uploaded_bytes=2,
    repaired=0,
    duration_s=0,
)


def state_with(result: Any) -> Any:
    """Return a stand-in for the state that Prefect passes to a retry condition, with this result."""
    return SimpleNamespace(result=lambda raise_on_failure: result if not raise_on_failure else None)


@pytest.mark.parametrize(("result", "again"), [(TRANSIENT, True), (FINAL, False), (OSError(), False), ("ok", False)])
def test_only_what_may_pass_by_itself_is_asked_again(result: Any, again: bool) -> None:  # noqa: FBT001 - a table
    """Only a transient finding is retried; a wrong key does not become right by waiting."""
    assert provisioning._is_transient(None, None, state_with(result)) is again


def test_a_fault_of_a_check_is_no_finding() -> None:
    """A finding becomes a record; any other exception is a fault of ours and is raised."""
    check = Check(kind="http", url="http://shop")
    assert provisioning._record(check, FINAL, 0.0).detail == "wrong key"
    with pytest.raises(KeyError):
        provisioning._record(check, KeyError("ours"), 0.0)


def test_a_seed_is_planted_by_its_job() -> None:
    """The task returns what its job returns; it only adds retries and a name."""
    assert seeding.plant.fn(SeedJob("simple-csv", lambda: PLANTED), "simple-csv") == PLANTED


@pytest.mark.parametrize("ends", [[PLANTED], [PLANTED, OSError("bucket gone")]])
def test_a_seed_that_fails_blocks_the_night(night: Night, ends: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed seed blocks the night, because tests need its data; earlier seeds stay on record."""
    left = list(ends)
    monkeypatch.setattr(
        seeding, "seed_jobs", lambda _night: [SeedJob(f"job {n}", lambda: PLANTED) for n in range(len(ends))]
    )
    monkeypatch.setattr(seeding, "plant", lambda *_args, **_more: state_with(left.pop(0)))
    if len(ends) == 1:
        seeding.seed(night)
    else:
        with pytest.raises(Blocked, match="The seed `job 1` failed: bucket gone"):
            seeding.seed(night)
    assert night.seeds == [PLANTED]
    assert "seed" in night.stages


def test_a_night_without_a_report_leaves_no_artifact(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """A night without a report creates no artifact."""
    monkeypatch.setattr(reporting, "create_markdown_artifact", lambda *_args, **_more: pytest.fail("made up"))
    reporting.leave_artifacts.fn(night)


def test_nobody_is_told_unless_asked_for(night: Night) -> None:
    """With `notify` off, the stage does not even begin."""
    object.__setattr__(night.plan.choice, "notify", False)
    notifying.notify.fn(night)
    assert "notify" not in night.stages


def test_a_long_cleanup_fits_a_screen() -> None:
    """The page lists forty resources and counts the rest."""
    planned = tuple(f"object b/{number}" for number in range(45))
    found = CleanupResult(("r",), planned, ("object c/x: not ours",), 45, 0, dry_run=False)
    lines = housekeeping._page(found).splitlines()
    assert (lines[2], lines[-1], len(lines)) == ("- delete `object b/0`", "- and 6 more", 43)
