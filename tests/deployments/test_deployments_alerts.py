"""Short alerts: delivered once, kept for the next round when the messenger is out."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

import pytest

from deployments.alerts import Alerts
from nightproof.profile import Profile
from tests.nightproof.foreign import no_secrets

if TYPE_CHECKING:
    from nightproof.profile import Secrets
    from tests.deployments.conftest import Messenger


def alerts(messenger: Messenger, secrets: Secrets, channel: str = "") -> Alerts:
    """Make alerts that go to the messenger."""
    slack = {"channel": channel, "base_url": f"{messenger.url}/api/"}
    return Alerts(Profile.model_validate({"target": "live", "slack": slack}), secrets)


def test_a_webhook_gets_each_alert_once(messenger: Messenger) -> None:
    """The same trouble in the next round is no news; another one is."""
    sender = alerts(messenger, no_secrets(slack_webhook=f"{messenger.url}/hook"))
    for key, sentence in (("a", "first"), ("a", "first"), ("b", "second")):
        sender.send(key, sentence)
    assert [json.loads(body)["text"] for body in messenger.got] == ["nightproof: first", "nightproof: second"]


def test_a_channel_gets_it_with_a_token(messenger: Messenger) -> None:
    """Without a webhook the bot's token and the profile's channel do."""
    alerts(messenger, no_secrets(slack_token="planted-bot-token"), "#nights").send("a", "first")
    assert "nightproof: first" in unquote_plus(messenger.got[0])
    assert "#nights" in unquote_plus(messenger.got[0])


@pytest.mark.parametrize("kind", ["slack_webhook", "slack_token"])
def test_an_outage_is_tried_again(messenger: Messenger, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """What was not delivered is not counted as sent, and the secret is not in the log."""
    secret = f"{messenger.url}/hook" if kind == "slack_webhook" else "planted-bot-token"
    sender = alerts(messenger, no_secrets(**{kind: secret}), "#nights")
    messenger.status = 500
    sender.send("a", "first")
    assert messenger.got == []
    messenger.status = 200
    sender.send("a", "first")
    assert len(messenger.got) == 1
    assert caplog.messages.count("first") == 2
    assert any(message.startswith("The alert was not delivered: ") for message in caplog.messages)
    assert secret not in caplog.text


def test_without_a_messenger_the_log_has_it(messenger: Messenger, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is configured: the sentence is logged once and nobody is called."""
    caplog.set_level(logging.WARNING)
    sender = alerts(messenger, no_secrets())
    sender.send("a", "first")
    sender.send("a", "first")
    assert (caplog.messages, messenger.got) == (["first"], [])
