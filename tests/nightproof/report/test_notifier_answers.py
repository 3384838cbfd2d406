"""Whatever the server answers, nothing is raised, the time is bounded, the message is kept and the reason returned."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from nightproof.profile import Slack
from nightproof.records import NOT_CONFIGURED
from nightproof.report.notifier import create_notifier
from nightproof.report.slack import SlackMessage
from tests.nightproof.foreign import no_secrets
from tests.nightproof.report.answers import ANSWERS
from tests.nightproof.report.answers import OK
from tests.nightproof.report.answers import Answering
from tests.nightproof.report.answers import Plan
from tests.nightproof.report.answers import answering
from tests.nightproof.report.answers import http
from tests.nightproof.report.answers import limited
from tests.nightproof.report.answers import texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nightproof.report.notifier import Notifier

MESSAGE = SlackMessage("RED: 1 of 2", ({"type": "divider"},), ("first",), "green again")
BUDGET_S = 0.8
SLACK_S = 1.5  # how much later than its budget a delivery may end on a busy machine
KINDS = ("channel", "webhook", "file")


@pytest.fixture
def server() -> Iterator[Answering]:
    """Run a server that answers as planned."""
    with answering() as made:
        yield made


def notifier(kind: str, server: Answering, kept: Path, budget_s: float = BUDGET_S) -> Notifier:
    """Return one of the three notifiers, by what is configured."""
    channel = "#nights" if kind == "channel" else ""
    settings = Slack(channel=channel, base_url=server.url, budget_s=budget_s)
    secrets = {"channel": {"slack_token": "xoxb-token"}, "webhook": {"slack_webhook": f"{server.url}/hook"}}
    return create_notifier(settings, no_secrets(**secrets.get(kind, {})), kept)


@pytest.mark.parametrize("kind", KINDS)
def test_what_every_notifier_holds_to(kind: str, server: Answering, tmp_path: Path) -> None:
    """A message is delivered and not kept, or kept whole in the file and not delivered, with a reason."""
    server.plan = Plan(http(200, b"ok" if kind == "webhook" else OK))
    kept = tmp_path / "slack.json"
    delivery = notifier(kind, server, kept, 20).deliver(MESSAGE)
    assert (delivery.delivered, kept.exists(), bool(delivery.error)) == (kind != "file", kind == "file", kind == "file")
    assert texts(server) == {"channel": ["RED: 1 of 2", "first"], "webhook": ["RED: 1 of 2"], "file": []}[kind]
    server.plan = Plan(http(404, b"no_service"))
    refused = notifier(kind, server, kept, 20).deliver(MESSAGE)
    assert not refused.delivered
    data = json.loads(kept.read_text(encoding="utf-8"))
    assert (data["text"], data["replies"], data["recovery"]) == ("RED: 1 of 2", ["first"], "green again")
    assert refused.error == f"{NOT_CONFIGURED if kind == 'file' else 'HTTP 404'}; kept in slack.json"


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_that_cannot_be_written_is_told(kind: str, server: Answering, tmp_path: Path) -> None:
    """If neither Slack nor the disk takes the message, the delivery has both reasons."""
    server.plan = Plan(http(403, b"no"))
    (tmp_path / "file").touch()
    delivery = notifier(kind, server, tmp_path / "file" / "slack.json").deliver(MESSAGE)
    assert "; not written: " in (delivery.error or "")


@pytest.mark.parametrize("kind", ["channel", "webhook"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_costs_at_most_the_message(kind: str, answer: str, server: Answering, tmp_path: Path) -> None:
    """Every odd answer ends within the budget with a reason, and the message is kept in its file."""
    server.plan, kept = ANSWERS[answer], tmp_path / "slack.json"
    started = time.monotonic()
    delivery = notifier(kind, server, kept).deliver(MESSAGE)
    took = time.monotonic() - started
    assert took < BUDGET_S + SLACK_S
    assert (delivery.delivered, (delivery.error or "").endswith("; kept in slack.json")) == (False, True)
    assert json.loads(kept.read_text(encoding="utf-8"))["text"] == "RED: 1 of 2"
    assert server.got


def test_random_bytes_cost_at_most_the_message(server: Answering, tmp_path: Path) -> None:
    """A hundred random answers, as bodies and as whole responses, cost at most the message."""
    dice = random.Random(20261201)
    kept = tmp_path / "slack.json"
    for number in range(100):
        noise = dice.randbytes(dice.choice((1, 40, 3000)))
        server.plan = Plan(http(200, noise) if number % 2 else noise)
        delivery = notifier(("channel", "webhook")[number // 2 % 2], server, kept, 5).deliver(MESSAGE)
        assert (delivery.delivered, kept.exists()) == (False, True), noise
        kept.unlink()


@pytest.mark.parametrize("token", ["xoxb-1\n", "xoxb-\u2713", "xoxb-\xfc", "xoxb 1", "\x00"])
def test_a_token_that_no_header_carries_is_told(token: str, server: Answering, tmp_path: Path) -> None:
    """A token that no header can carry is reported, nothing is sent, and no text holds the token."""
    settings = Slack(channel="#nights", base_url=server.url, budget_s=5)
    delivery = create_notifier(settings, no_secrets(slack_token=token), tmp_path / "slack.json").deliver(MESSAGE)
    assert (delivery.error or "").startswith("the Slack token holds ")
    assert (server.got, (tmp_path / "slack.json").exists()) == ([], True)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://name.invalid/hook", "no connection: "),
        ("http://127.0.0.1:9/hook", "no connection: "),
        ("hooks.slack.com/services/T/B/x", "its address is no URL"),
        ("http://127.0.0.1:9/a\nb", "its address is no URL"),
    ],
)
def test_an_address_that_leads_nowhere_is_told(url: str, reason: str, tmp_path: Path) -> None:
    """An unknown host, a closed port and an invalid URL have a reason each, without the secret address."""
    secrets = no_secrets(slack_webhook=url)
    delivery = create_notifier(Slack(budget_s=3), secrets, tmp_path / "slack.json").deliver(MESSAGE)
    assert (delivery.error or "").startswith(reason)
    assert "/hook" not in (delivery.error or "")


def test_a_rate_limit_is_waited_for_within_the_budget_only(server: Answering, tmp_path: Path) -> None:
    """A rate limit longer than the budget is not waited for, and the reason names its seconds."""
    server.plan = Plan(limited("300"))
    started = time.monotonic()
    delivery = notifier("channel", server, tmp_path / "slack.json", 60).deliver(MESSAGE)
    assert time.monotonic() - started < SLACK_S
    assert "HTTP 429 with the wish to wait for 300 s, of 60 s in all" in (delivery.error or "")
    assert len(server.got) == 1


def test_nobody_waits_at_the_end_for_what_was_left_behind(server: Answering, tmp_path: Path) -> None:
    """A process ends although an abandoned delivery is still receiving a trickling header."""
    server.plan = Plan(b"HTTP/1.1 200 OK\r\nX-" + b"a" * 2000, 0.2)
    code = (
        "import pathlib, sys\n"
        "from nightproof.report.notifier import WebhookNotifier\n"
        "from nightproof.report.slack import SlackMessage\n"
        "kept = pathlib.Path(sys.argv[2])\n"
        "print(WebhookNotifier(sys.argv[1], kept, 1.0).deliver(SlackMessage('x', ())).error)\n"
    )
    command = [sys.executable, "-c", code, server.url, str(tmp_path / "slack.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=dict(os.environ))
    assert done.stdout == "no whole answer within 1 s; kept in slack.json\n"
    assert not server.is_over.is_set()
