"""The doctor's Slack checks: token, scope, channel and webhook, without sending a message."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof.profile import Slack
from nightproof.report.messenger_checks import check_messengers
from tests.nightproof.foreign import no_secrets
from tests.nightproof.report.answers import ANSWERS
from tests.nightproof.report.answers import Answering
from tests.nightproof.report.answers import Plan
from tests.nightproof.report.answers import answering
from tests.nightproof.report.answers import http

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nightproof.records import CheckResult

CHANNELS = [{"name": "nights", "is_member": True}, {"name": "others", "is_member": False}]


@pytest.fixture
def server() -> Iterator[Answering]:
    """Run a server in the place of Slack."""
    with answering() as made:
        yield made


def check(
    server: Answering, answer: dict[str, Any], channel: str = "#nights", scopes: str = "chat:write"
) -> CheckResult:
    """Return the channel check's result for the given answers of Slack."""
    server.plan = Plan(http(200, json.dumps(answer).encode(), f"X-OAuth-Scopes: {scopes}"))
    settings = Slack(channel=channel, base_url=server.url, budget_s=5)
    return check_messengers(settings, no_secrets(slack_token="xoxb-1"))[0]


def test_a_good_channel_is_told_and_nothing_is_sent(server: Answering) -> None:
    """A valid token and channel pass, and no request writes a message."""
    found = check(server, {"ok": True, "user": "bot", "channels": CHANNELS})
    assert (found.ok, found.required, found.detail) == (True, False, "token of `bot`, channel `#nights`")
    assert not any(b"text" in body for body in server.got)
    assert check(server, {"ok": True, "user": "bot", "channel": {"is_member": True}}, "C0123ABCD").ok


@pytest.mark.parametrize(
    ("answer", "channel", "scopes", "detail", "remedy"),
    [
        ({"ok": False, "error": "invalid_auth"}, "#nights", "chat:write", "invalid_auth", "NIGHTPROOF_SLACK_TOKEN"),
        ({"ok": True}, "#nights", "files:write", "lacks the scope chat:write", "Add the scope"),
        ({"ok": True, "channels": CHANNELS}, "#night", "chat:write", "sees no channel `#night`", "slack.channel"),
        ({"ok": True, "channels": CHANNELS}, "#others", "chat:write", "no member of the channel", "invite the bot"),
    ],
)
def test_what_would_keep_a_message_back_is_told(
    server: Answering, answer: dict[str, Any], channel: str, scopes: str, detail: str, remedy: str
) -> None:
    """Each obstacle to a message is reported with its reason and the remedy."""
    found = check(server, answer, channel, scopes)
    assert not found.ok
    assert detail in found.detail
    assert remedy in found.remedy


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_answer_holds_the_doctor_up(server: Answering, answer: str) -> None:
    """No answer of Slack keeps the check longer than its budget; it fails with a reason."""
    server.plan = ANSWERS[answer]
    started = time.monotonic()
    settings = Slack(channel="#nights", base_url=server.url, budget_s=0.5)
    found = check_messengers(settings, no_secrets(slack_token="xoxb-1"))[0]
    assert time.monotonic() - started < 3
    assert (found.ok, bool(found.detail), bool(found.remedy)) == (False, True, True)


@pytest.mark.parametrize(
    ("url", "is_ok"),
    [
        ("https://hooks.slack.com/services/T0AB/B0CD/xYz1", True),
        ("https://chat.example.org/hooks/abc", True),
        ("http://hooks.slack.com/services/T0AB/B0CD/xYz1", False),
        ("https://hooks.slack.com/services/T0AB", False),
        ("hooks.slack.com/services/T0AB/B0CD/xYz1", False),
        ("https://chat.example.org/ho ok", False),
        ("http://[half", False),
    ],
)
def test_a_webhook_is_looked_at_by_its_form(url: str, *, is_ok: bool) -> None:
    """A webhook is checked by its form only, nothing is sent, and no text holds its secret part."""
    (found,) = check_messengers(Slack(), no_secrets(slack_webhook=url))
    assert (found.ok, bool(found.remedy)) == (is_ok, not is_ok)
    assert "xYz1" not in found.detail + found.remedy


def test_a_half_is_told_and_nothing_is_nothing() -> None:
    """A channel without a token, or a token without a channel, is reported; without both there is no check."""
    (channel,) = check_messengers(Slack(channel="#nights"), no_secrets())
    (token,) = check_messengers(Slack(), no_secrets(slack_token="xoxb-1"))
    assert "NIGHTPROOF_SLACK_TOKEN is not" in channel.detail
    assert "`slack.channel` is not" in token.detail
    assert check_messengers(Slack(), no_secrets()) == ()
