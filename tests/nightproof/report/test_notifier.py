"""Slack as it answers over HTTP: parent, thread and recovery, rate limits, refusals and an outage."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof.history.nights import Night
from nightproof.records import Colour
from nightproof.report.notifier import SlackNotifier
from nightproof.report.slack import SlackMessage
from tests.golden import samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MESSAGE = SlackMessage(text="RED: 1 of 2", blocks=(), replies=("first", "second"), recovery="green again")
OK = (200, {"ok": True, "channel": "C1", "ts": "17.1"})


class Slack(ThreadingHTTPServer):
    """Answers with what is planned, in order, then with success; keeps what was posted."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.planned: list[tuple[int, dict[str, Any]]] = []
        self.posted: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        """The base URL, without the slash that people forget."""
        return f"http://127.0.0.1:{self.server_port}/api"


class _Handler(BaseHTTPRequestHandler):
    server: Slack

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append(json.loads(body))
        status, answer = self.server.planned.pop(0) if self.server.planned else OK
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status == 429:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())

    def log_message(self, *_given: object) -> None:
        """Suppress the access log on stderr."""


@pytest.fixture
def slack() -> Iterator[Slack]:
    """Run a Slack-like server."""
    with Slack() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def notifier(slack: Slack, tmp_path: Path) -> SlackNotifier:
    """Return a notifier that posts to it."""
    return SlackNotifier("xoxb-token", "#nights", tmp_path / "slack.json", slack.url, 30)


def alarm() -> Night:
    """Return the red night that a recovery answers."""
    return Night("20261119T020000Z-aaaaaa", samples.STARTED, Colour.RED, None, alarm_channel="C9", alarm_ts="3.3")


def test_replies_and_recovery_follow_the_parent(slack: Slack, notifier: SlackNotifier, tmp_path: Path) -> None:
    """Replies go under the new message, the recovery under the old alarm and into the channel."""
    found = notifier.deliver(MESSAGE, alarm())
    assert (found.delivered, found.channel, found.ts, found.error) == (True, "C1", "17.1", None)
    threads = [(post["channel"], post["text"], post.get("thread_ts")) for post in slack.posted]
    assert threads == [
        ("#nights", "RED: 1 of 2", None), ("C1", "first", "17.1"), ("C1", "second", "17.1"),
        ("C9", "green again", "3.3"),
    ]  # fmt: skip
    assert [post.get("reply_broadcast") for post in slack.posted] == [None, None, None, True]
    assert not (tmp_path / "slack.json").exists()


def test_a_rate_limit_is_waited_for(slack: Slack, notifier: SlackNotifier) -> None:
    """After a rate limit the message is sent again and arrives."""
    slack.planned = [(429, {"ok": False, "error": "ratelimited"})]
    assert notifier.deliver(MESSAGE).delivered
    assert [post["text"] for post in slack.posted] == ["RED: 1 of 2", "RED: 1 of 2", "first", "second"]


def test_a_refusal_keeps_the_message(slack: Slack, notifier: SlackNotifier, tmp_path: Path) -> None:
    """A refusal is recorded with Slack's error word, and the message is kept in the run directory."""
    slack.planned = [(200, {"ok": False, "error": "channel_not_found"})]
    found = notifier.deliver(MESSAGE)
    assert (found.delivered, found.error) == (False, "channel_not_found; kept in slack.json")
    assert json.loads((tmp_path / "slack.json").read_text(encoding="utf-8"))["replies"] == ["first", "second"]


def test_a_thread_that_fails_is_told_beside_the_delivery(slack: Slack, notifier: SlackNotifier) -> None:
    """A failed thread leaves the parent delivered and is named as an error."""
    slack.planned = [OK, (200, {"ok": False, "error": "msg_too_long"})]
    found = notifier.deliver(MESSAGE)
    assert (found.delivered, found.error) == (True, "thread: msg_too_long; kept in slack.json")
    assert len(slack.posted) == 2
