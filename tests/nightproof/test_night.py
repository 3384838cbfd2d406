"""A night while it runs: its opening, its end, and its remains when it is voided."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from nightproof import night as nights
from nightproof.conclusion import settle
from nightproof.errors import SuiteError
from nightproof.errors import UsageError
from nightproof.locking import environment_lock
from nightproof.night import RESERVE_BYTES
from nightproof.night import Night
from nightproof.night import clean_context
from nightproof.night import close_night
from nightproof.night import open_night
from nightproof.night import start_target
from nightproof.plan import Choice
from nightproof.plan import make_plan
from nightproof.profile import Profile
from nightproof.progress import LISTENERS
from nightproof.target import Target
from tests.nightproof.foreign import RUN_ID
from tests.nightproof.foreign import no_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nightproof.progress import News
    from tests.nightproof.foreign import Foreign

LATER = "20261121T020000Z-bcdefg"


@pytest.fixture
def news() -> Iterator[list[News]]:
    """Collect the announced news."""
    heard: list[News] = []
    LISTENERS.append(heard.append)
    yield heard
    LISTENERS.remove(heard.append)


@pytest.fixture
def night(foreign: Foreign) -> Night:
    """Return a planned night that was not opened."""
    return Night(make_plan(foreign.profile(), Choice(), RUN_ID), no_secrets())


def test_an_open_night_holds_its_environment_and_is_the_latest(foreign: Foreign) -> None:
    """An open night refuses a second one by name, and closing it frees the environment."""
    night = open_night(str(foreign.profile_path), Choice(), RUN_ID)

    with pytest.raises(UsageError, match=f"locked by run `{RUN_ID}`"):
        open_night(str(foreign.profile_path), Choice(), LATER)

    assert night.run_dir.is_dir()
    assert (foreign.state / "runs" / "latest").resolve() == night.run_dir
    assert not (foreign.state / "runs" / LATER).exists()
    close_night(night)
    close_night(night)  # safe to repeat
    later = open_night(str(foreign.profile_path), Choice(), LATER)
    assert (foreign.state / "runs" / "latest").resolve() == later.run_dir
    close_night(later)


def test_the_reports_room_is_held_until_the_night_is_settled(foreign: Foreign) -> None:
    """The report's space is reserved until the night is settled, and the reservation is deleted then."""
    night = open_night(str(foreign.profile_path), Choice(), RUN_ID)
    held = night.run_dir / ".reserved"
    assert held.stat().st_blocks * 512 >= RESERVE_BYTES
    settle(night)
    assert not held.exists()
    close_night(night)


def test_a_disk_without_room_for_the_report_is_wrong_usage(foreign: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without space for the report is a UsageError with place, size and remedy, and nothing is left."""

    def full(*_given: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        with pytest.raises(UsageError, match=rf"{RUN_ID}` cannot hold a report of \d+ bytes \(No space.*free space"):
            open_night(str(foreign.profile_path), Choice(), RUN_ID)

    assert not (foreign.state / "runs" / RUN_ID).exists()
    close_night(open_night(str(foreign.profile_path), Choice(), LATER))


@pytest.mark.parametrize("wrong", ["uncatalogued", "check", "profile"])
def test_wrong_usage_leaves_neither_run_nor_lock(foreign: Foreign, wrong: str) -> None:
    """Wrong usage starts nothing and writes nothing."""
    given = str(foreign.profile_path)
    if wrong == "uncatalogued":
        foreign.write(more="strict_catalogue = true")
        foreign.lock("test_other")
    elif wrong == "check":
        foreign.write(more='checks = [{kind = "bucket"}]')
    else:
        given = "no-such-profile"

    with pytest.raises(UsageError, match=r"lacks `shop|no check `bucket`|no profile `no-such"):
        open_night(given, Choice(), RUN_ID)

    assert not (foreign.state / "runs").exists()
    with environment_lock(foreign.state, "next"):
        pass


def test_a_suite_that_cannot_be_imported_is_a_finding_of_the_night(foreign: Foreign, news: list[News]) -> None:
    """A suite that cannot be imported is announced; the night goes on, and its tests are `not_run`."""
    (foreign.suite / "test_it.py").write_text("import module_that_is_gone\n")

    close_night(open_night(str(foreign.profile_path), Choice(), RUN_ID))

    (told,) = [item.text for item in news if "could not collect" in item.text]
    assert str(foreign.suite) in told
    assert "module_that_is_gone" in told


def test_a_voided_night_is_taken_back(foreign: Foreign) -> None:
    """Wrong usage found after the start leaves no run directory."""
    night = open_night(str(foreign.profile_path), Choice(), RUN_ID)
    night.void()

    close_night(night)

    assert not night.run_dir.exists()


def test_starting_registers_every_secret_with_the_redactor(foreign: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start registers every secret of the target with the redactor."""
    monkeypatch.setenv("NIGHTPROOF_SLACK_TOKEN", "xoxb-planted-token")
    monkeypatch.setenv("NIGHTPROOF_JWT_SECRET", "planted-jwt-secret")
    night = open_night(str(foreign.profile_path), Choice(), RUN_ID)

    start_target(night)
    close_night(night)

    assert night.redactor.text("a planted-jwt-secret b xoxb-planted-token c") == "a [redacted] b [redacted] c"
    assert night.builds == {}


def test_a_live_night_that_may_write_holds_a_lease(
    foreign: Foreign, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A live night with write access holds a lease in the scratch bucket until it ends."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    more = f'needs = ["write"]\n[endpoints]\naws = "{s3_url}"\n[names]\nbucket_scratch = "lease-of-a-night"'
    foreign.write(more=more)
    night = open_night(str(foreign.profile_path), Choice(), RUN_ID)
    s3 = Target(night.plan.profile, night.secrets, foreign.state).seeder_s3()
    s3.create_bucket(Bucket="lease-of-a-night")

    start_target(night)
    held = s3.list_objects_v2(Bucket="lease-of-a-night")
    close_night(night)

    assert [item["Key"] for item in held["Contents"]] == [".nightproof/lease.json"]
    assert s3.list_objects_v2(Bucket="lease-of-a-night")["KeyCount"] == 0


def test_a_stage_is_timed_even_when_it_fails(night: Night, news: list[News]) -> None:
    """A failed stage is timed too; repeated stages add up, and each is announced."""
    with pytest.raises(ValueError, match="broken"), night.stage("seed"):
        raise ValueError("broken")
    first = night.stages["seed"]
    with night.stage("seed"):
        pass

    assert night.stages["seed"] >= first >= 0
    assert [item.stage for item in news] == ["seed", "seed"]


def test_the_systems_are_asked_for_only_after_the_start(night: Night) -> None:
    """Using the systems before the start is an error that names the missing stage."""
    with pytest.raises(UsageError, match="run the stage `start` first"):
        _ = night.systems


def test_an_interruption_is_noted_and_ends_the_groups(night: Night, news: list[News]) -> None:
    """After an interruption no new process group can start."""
    night.interrupt("SIGTERM")

    assert night.interrupted == "SIGTERM"
    assert night.groups.is_stopping
    assert [(item.stage, item.text) for item in news] == [("interrupted", "SIGTERM")]


def test_faults_of_the_harness_become_violations(night: Night) -> None:
    """Errors of the harness become violations; results of healthy cells do not."""
    night.note_faults([None, 3, SuiteError("the log is lost")])

    assert night.violations == ["The harness failed: the log is lost"]


def test_versions_name_the_interpreter_and_what_is_installed(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """The versions hold the interpreter and installed packages, and omit a missing package."""
    monkeypatch.setattr(nights, "REPORTED_VERSIONS", ("pytest", "no-such-package"))

    assert night.versions().keys() == {"python", "pytest"}


def test_only_writable_targets_are_cleaned(embedded: Target, tmp_path: Path, night: Night) -> None:
    """Only scratch and work are writable for a cleanup, and a read-only target has none."""
    context = clean_context(embedded)
    assert context is not None
    assert context.writable == {"quilt-mcp-test-work", "quilt-mcp-test-scratch"}
    assert context.sources - context.writable == {"quilt-mcp-test-data"}
    assert not context.keep

    read_only = Target(Profile.model_validate({"target": "live"}), no_secrets(), tmp_path)
    assert clean_context(read_only) is None
    assert clean_context(None) is None
    assert night.clean_context() is None


@pytest.mark.parametrize(("chosen", "asked"), [(True, False), (False, True)], ids=["by-choice", "by-call"])
def test_resources_are_kept_on_request(embedded: Target, foreign: Foreign, *, chosen: bool, asked: bool) -> None:
    """Resources are kept if the run's choice or the caller asks for it."""
    night = Night(make_plan(foreign.profile(), Choice(keep_resources=chosen), RUN_ID), no_secrets())
    night.target = embedded

    context = night.clean_context(keep=asked)

    assert context is not None
    assert context.keep
