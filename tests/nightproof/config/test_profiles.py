"""How the paths of a profile resolve, and which schedules are valid."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.client.schemas.schedules import CronSchedule

from nightproof.config import profiles
from nightproof.config.cron import require_cron
from nightproof.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nightproof.foreign import Foreign

RELATIVE = 'state_dir = "state"\nartifact_store = "store"\nhistory_url = "sqlite:///h.sqlite"\n'


def test_a_profile_means_the_same_places_from_every_folder(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """State, store, history and suites start from the profile's folder, however its path is given."""
    text = foreign.profile_path.read_text().replace(f'state_dir = "{foreign.state}"\n', RELATIVE)
    foreign.profile_path.write_text(text)
    (tmp_path / "below").mkdir()
    ways = {tmp_path: "shop.toml", tmp_path / "below": "../shop.toml", tmp_path.parent: str(foreign.profile_path)}
    found = []
    for folder, path in ways.items():
        monkeypatch.chdir(folder)
        found.append(profiles.load(path))
    assert {one.state_dir for one in found} == {tmp_path / "state"}
    assert {one.artifact_store for one in found} == {str(tmp_path / "store")}
    assert {one.history_url for one in found} == {f"sqlite:///{tmp_path / 'h.sqlite'}"}
    assert {one.suite[0].path for one in found} == {foreign.suite}


def test_a_profile_of_ours_works_in_the_checkout_or_where_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A profile of ours works in the checkout, else in the working directory; the folder from `up` wins over both."""
    monkeypatch.delenv(profiles.WORKDIR_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    by_path = str(profiles.find("embedded"))
    assert {profiles.load(given).state_dir for given in ("embedded", by_path)} == {profiles.CHECKOUT / ".nightproof"}
    monkeypatch.setattr(profiles, "CHECKOUT", tmp_path / "site-packages")
    assert profiles.load("embedded").state_dir == tmp_path / ".nightproof"
    monkeypatch.setenv(profiles.WORKDIR_VARIABLE, str(tmp_path / "there"))
    assert profiles.load("embedded").state_dir == tmp_path / "there" / ".nightproof"


def test_a_typo_of_a_profile_is_answered_with_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown profile is answered with the nearest known name or file, even if the working directory is gone."""
    (tmp_path / "shop.toml").touch()
    for wrong, meant in (("embeddd", "embedded"), (str(tmp_path / "shpo.toml"), "shop.toml")):
        with pytest.raises(UsageError, match=rf"Did you mean `{meant}`\?"):
            profiles.find(wrong)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(UsageError, match=r"There is no profile `x\.toml`"):
        profiles.find("x.toml")
    os.chdir(tmp_path)


FIELDS = st.sampled_from(
    ["*", "0", "5", "12", "31", "1-5", "*/15", "1,2", "mon", "JAN", "7", "60", "x", "5/2", "L", "#"]
)


@given(st.lists(FIELDS, min_size=4, max_size=6).map(" ".join))
def test_every_schedule_that_passes_is_one_for_prefect(schedule: str) -> None:
    """Prefect accepts every schedule that the profile accepts."""
    try:
        require_cron(schedule)
    except ValueError:
        return
    assert CronSchedule(cron=schedule, timezone="UTC").cron == schedule
