"""A night that cannot begin: its cause, its exit code, and an alert over the configured channel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from deployments import running
from nightproof.errors import Blocked
from nightproof.errors import NightproofError
from nightproof.errors import UsageError
from tests.nightproof.report.answers import ANSWERS
from tests.nightproof.report.answers import Plan
from tests.nightproof.report.answers import answering
from tests.nightproof.report.answers import http
from tests.nightproof.report.answers import texts

if TYPE_CHECKING:
    from tests.deployments.conftest import Call
    from tests.nightproof.foreign import Foreign


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Blocked("The server did not start."), 2),
        (UsageError("The environment is locked."), 3),
        (NightproofError("?"), 1),
    ],
)
def test_it_is_told_with_its_cause(
    foreign: Foreign, call: Call, monkeypatch: pytest.MonkeyPatch, error: NightproofError, code: int
) -> None:
    """The cause is sent as one alert, or stored without a channel; `--no-notify` leaves none."""

    def refuse(*_args: object) -> None:
        raise error

    monkeypatch.setattr(running, "run_night", refuse)
    foreign.state.mkdir()
    profile = ("--profile", str(foreign.profile_path))
    assert call("run", *profile, "--no-notify") == (code, "", f"{error}\n")
    assert not list(foreign.state.glob("alerts/*"))
    assert call("run", *profile) == (code, "", f"{error}\n")
    (kept,) = foreign.state.glob("alerts/unstarted-*.json")
    sentence = f"🔴 nightproof: No night of `shop` could begin or end as it should: {error}"
    assert json.loads(kept.read_text())["text"] == sentence
    kept.unlink()
    with answering() as slack:
        monkeypatch.setenv("NIGHTPROOF_SLACK_WEBHOOK", f"{slack.url}/hook")
        slack.plan = Plan(http(200, b"ok"))
        assert call("run", *profile) == (code, "", f"{error}\n")
        assert texts(slack) == [sentence]
        slack.plan = ANSWERS["not HTTP"]
        assert "The alert was not delivered: no whole answer: RemoteProtocolError" in call("run", *profile)[2]


def test_a_profile_that_cannot_be_read_names_nobody(call: Call) -> None:
    """An unreadable profile exits 3 with its own sentence and nothing before it."""
    code, _, said = call("run", "--profile", "no-such-profile")
    assert code == 3
    assert said.startswith("There is no profile `no-such-profile`")


def test_a_server_that_does_not_start_blocks_a_real_run(foreign: Foreign, call: Call) -> None:
    """A server that misses its limit leads to exit 2, the cause, progress on stderr and a stored alert."""
    foreign.write(more="server_start_s = 0.05")
    code, out, said = call("run", "--profile", str(foreign.profile_path))
    assert (code, out) == (2, "")
    assert "prefect: starting the Prefect server\n" in said
    assert "within 0.05 s: it wrote nothing. Read `" in said
    assert len(list(foreign.state.glob("alerts/unstarted-*.json"))) == 1
    assert "starting at http://127.0.0.1:" in (foreign.state / "prefect" / "server.log").read_text()
