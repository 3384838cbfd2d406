"""The troubles of runs that the supervisor reports: missed, stuck and failed ones. Tested against its own server."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from prefect.settings import PREFECT_API_AUTH_STRING
from prefect.settings import PREFECT_API_URL
from prefect.settings import temporary_settings

from deployments import watching
from nightproof.config.loader import load
from nightproof.records import NOT_ASKED
from nightproof.records import NOT_CONFIGURED
from nightproof.records import SlackDelivery
from nightproof.report.files import dump_report
from nightproof.report.files import write_atomic
from nightproof.verdict.assemble import build_report
from nightproof.waiting import await_value
from tests.deployments.test_deployments_runs import delete
from tests.deployments.test_deployments_runs import make
from tests.golden import samples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nightproof.profile import Profile
    from tests.deployments.conftest import Up

pytestmark = [
    pytest.mark.timeout(300),  # the supervisor's start on a busy machine, and two minutes of a missed night
    pytest.mark.xdist_group("up"),  # one supervisor for all of them, in their order
    pytest.mark.skipif(sys.platform != "linux", reason="the supervisor's fixture looks into /proc"),
]


@pytest.fixture(autouse=True)
def server(up: Up) -> Iterator[None]:
    """Point the Prefect client of this process at the supervisor's server."""
    with temporary_settings({PREFECT_API_URL: f"{up.url}/api", PREFECT_API_AUTH_STRING: ":".join(up.login)}):
        yield


def profile(up: Up, wall_s: float | None = None) -> Profile:
    """Return the supervisor's profile with `wall_s` as the gate on the wall time, or without one."""
    own = load(str(up.foreign.profile_path)).profile
    return own.model_copy(update={"gates": own.gates.model_copy(update={"wall_s": wall_s})})


def sentences(up: Up, since: datetime, wall_s: float | None = None) -> dict[str, str]:
    """Return the sentences of the troubles since a time, by the first 41 letters of their key."""
    return {trouble.key[:41]: trouble.sentence for trouble in watching.troubles(profile(up, wall_s), since)}


def told(up: Up, *parts: str) -> list[str]:
    """Return the messages that contain all these texts."""
    return [text for text in up.messenger.got if all(part in text for part in parts)]


def test_what_is_late_or_stuck_is_told(up: Up) -> None:
    """Reported are a late run without a worker and a run over its limit. Early and taken runs are not."""
    now = datetime.now(UTC)
    due = now - timedelta(minutes=2)
    late = make(up, "SCHEDULED", "late-one", due)
    early = make(up, "SCHEDULED", "early-one", now + timedelta(minutes=20))
    taken = make(up, "PENDING", "taken-one", due)
    running = make(up, "RUNNING", "slow-one")
    found = sentences(up, now - timedelta(hours=1), 0.000_001)
    assert f"The run `late-one` was due at {due:%Y-%m-%d %H:%M} UTC and no worker has taken it" in found[f"late-{late}"]
    assert f"Run: {up.url}/runs/flow-run/{late}" in found[f"late-{late}"]
    assert found[f"stuck-{running}"[:41]].startswith("The run `slow-one` has been running since ")
    assert not [sentence for sentence in found.values() if "early-one" in sentence or "taken-one" in sentence]
    assert not [
        sentence for sentence in sentences(up, now).values() if "late-one" in sentence or "slow-one" in sentence
    ]
    delete(up, late, early, taken, running)


def test_a_missed_night_is_told_in_time_and_once(up: Up) -> None:
    """A run that no worker takes is reported within two minutes after its time, and only once."""
    due = datetime.now(UTC)
    missed = make(up, "SCHEDULED", "missed-one", due)
    await_value(lambda: told(up, "`missed-one` was due at", missed), 120)
    assert datetime.now(UTC) - due < timedelta(seconds=120)
    bad = make(up, "CRASHED", "bad-one")
    await_value(lambda: told(up, "`bad-one` Crashed"), 30)
    assert len(told(up, "missed-one")) == 1
    assert len(told(up, "bad-one")) == 1
    delete(up, missed, bad)


def test_a_bad_end_that_the_night_told_itself_is_not_told_again(up: Up) -> None:
    """A failed run is reported unless the night's own message was delivered, not configured or not wanted."""
    since = datetime.now(UTC) - timedelta(seconds=5)
    for name, delivery, is_told in (
        ("20261120T020000Z-aaaaaa", SlackDelivery(delivered=True, ts="1.1"), False),
        ("20261120T020000Z-bbbbbb", SlackDelivery(error=f"{NOT_CONFIGURED}; kept in slack.json"), False),
        ("20261120T020000Z-cccccc", SlackDelivery(error=NOT_ASKED), False),
        ("20261120T020000Z-dddddd", SlackDelivery(error="channel_not_found; kept in slack.json"), True),
        ("20261120T020000Z-eeeeee", None, True),
    ):
        run_dir = up.foreign.state / "runs" / name
        if delivery:
            write_atomic(run_dir / "report.json", dump_report(replace(build_report(samples.green()), slack=delivery)))
        run = make(up, "FAILED", name)
        found = [sentence for sentence in sentences(up, since).values() if name in sentence]
        assert [f"The run `{name}` Failed" in sentence for sentence in found] == [True] * is_told
        delete(up, run)
        shutil.rmtree(run_dir, ignore_errors=True)
