"""Alerts: each is sent once over the configured channel, stored until delivered, and retried after an outage."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from deployments.alerts import Alerts
from nightproof.profile import Profile
from nightproof.waiting import await_value
from tests.nightproof.foreign import no_secrets
from tests.nightproof.report.answers import ANSWERS
from tests.nightproof.report.answers import OK
from tests.nightproof.report.answers import Answering
from tests.nightproof.report.answers import Plan
from tests.nightproof.report.answers import answering
from tests.nightproof.report.answers import http
from tests.nightproof.report.answers import texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHANNELS = ("webhook", "token and channel", "none")
LIMIT_S = 40


@pytest.fixture
def server() -> Iterator[Answering]:
    """Serve planned answers in place of Slack."""
    with answering() as made:
        yield made


def good(kind: str) -> Plan:
    """Return the answer of a channel that accepts the alert."""
    return Plan(http(200, b"ok" if kind == "webhook" else OK))


@contextmanager
def alerts(kind: str, server: Answering, folder: Path, **more: str) -> Iterator[Alerts]:
    """Yield a sender of alerts over one kind of channel; its pauses and its budget are short."""
    slack = {"base_url": server.url, "budget_s": 3.0} | ({"channel": "#nights"} if "channel" in kind else {})
    configured = {"webhook": {"slack_webhook": f"{server.url}/hook"}, "token and channel": {"slack_token": "xoxb-1"}}
    profile = Profile.model_validate({"target": "live", "state_dir": str(folder), "slack": slack})
    sender = Alerts(profile, no_secrets(**configured.get(kind, {}), **more), 0.1)
    yield sender
    sender.stop()


def kept(sender: Alerts) -> list[str]:
    """Return the texts of undelivered alerts; a file that is delivered during the listing is left out."""
    found = []
    for path in sender.folder.glob("*.json"):
        with suppress(FileNotFoundError):
            found.append(json.loads(path.read_text())["text"])
    return sorted(found)


@pytest.mark.parametrize("kind", CHANNELS)
def test_each_alert_is_told_once(kind: str, server: Answering, tmp_path: Path) -> None:
    """An alert with the same key is sent once; without a channel it is stored as a file instead."""
    server.plan = good(kind)
    with alerts(kind, server, tmp_path) as sender:
        for key, sentence in (("a", "first"), ("a", "first"), ("b", "<second>"), ("a", "first")):
            sender.send(key, sentence)
        assert sender.flush()
        wanted = ["🔴 nightproof: &lt;second&gt;", "🔴 nightproof: first"]
        assert sorted(texts(server)) == ([] if kind == "none" else wanted)
        assert kept(sender) == (wanted if kind == "none" else [])
    assert all("#nights" in body.decode() for body in server.got) is (kind != "webhook")


@pytest.mark.parametrize("kind", ["webhook", "token and channel"])
def test_an_outage_is_tried_again(
    kind: str, server: Answering, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An undelivered alert stays in its file until a retry delivers it. The log has the reason and no secret."""
    server.plan = Plan(http(403, b"no"))
    with alerts(kind, server, tmp_path) as sender:
        sender.send("a", "first")
        await_value(lambda: len(server.got) > 1, LIMIT_S)
        assert kept(sender) == ["🔴 nightproof: first"]
        server.plan = good(kind)
        await_value(lambda: not kept(sender), LIMIT_S)
    assert any(
        line.startswith("The alert was not delivered: HTTP 403; kept in a.json, and") for line in caplog.messages
    )
    assert "xoxb-1" not in caplog.text
    assert "/hook" not in caplog.text


@pytest.mark.parametrize("answer", ANSWERS)
def test_no_answer_holds_the_watch_up(answer: str, server: Answering, tmp_path: Path) -> None:
    """Sending never blocks, the alert is stored, and both alerts are delivered once Slack answers again."""
    server.plan = ANSWERS[answer]
    with alerts("webhook", server, tmp_path) as sender:
        started = time.monotonic()
        sender.send("a", "first")
        assert time.monotonic() - started < 0.5
        await_value(lambda: server.got, LIMIT_S)
        assert kept(sender) == ["🔴 nightproof: first"]
        server.plan = good("webhook")
        sender.send("b", "second")
        await_value(lambda: not kept(sender), LIMIT_S)


def test_an_alert_holds_no_secret(server: Answering, tmp_path: Path) -> None:
    """A secret in a run's message is redacted in the alert and in its file."""
    with alerts("none", server, tmp_path, refresh_token="planted-refresh-token") as sender:
        sender.send("a", "refused planted-refresh-token\nin two lines")
        assert kept(sender) == ["🔴 nightproof: refused [redacted] in two lines"]


def test_the_last_alert_is_tried_before_the_end(server: Answering, tmp_path: Path) -> None:
    """Stopping still delivers the last alert, and a silent Slack delays it only for a limited time."""
    server.plan = good("webhook")
    with alerts("webhook", server, tmp_path) as sender:
        sender.send("server", "the last word")
    assert texts(server) == ["🔴 nightproof: the last word"]
    server.plan = ANSWERS["never an answer"]
    started = time.monotonic()
    with alerts("webhook", server, tmp_path) as sender:
        sender.send("server", "unheard")
    assert time.monotonic() - started < LIMIT_S
    assert kept(sender) == ["🔴 nightproof: unheard"]
