"""Delivery of a message within one time budget: to a Slack channel, to a webhook, or to a file.

The night's message and the supervisor's alerts both use it. It never raises for an outage, its time is bounded, and an
undelivered message is kept in a file.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import Protocol

import httpx

from nightproof.records import NOT_CONFIGURED
from nightproof.records import SlackDelivery
from nightproof.report import courier
from nightproof.report.courier import Undelivered
from nightproof.report.courier import slack_data
from nightproof.report.files import write_atomic
from nightproof.report.words import scrub
from nightproof.verdict.sentences import shorten

if TYPE_CHECKING:
    from pathlib import Path

    from nightproof.history.nights import Night
    from nightproof.profile import Secrets
    from nightproof.profile import Slack
    from nightproof.report.courier import Courier
    from nightproof.report.slack import SlackMessage

LONGEST_ID: Final = 100  # characters of a channel or a timestamp

log = logging.getLogger(__name__)


class Notifier(Protocol):
    """Delivers one message; never raises for an outage, the returned delivery holds the error."""

    def deliver(self, message: SlackMessage, alarm: Night | None = None) -> SlackDelivery:
        """Send parent, thread and recovery; `alarm` is the red night that a recovery answers."""
        ...


@dataclass(slots=True)
class _Parent:
    """Slack's answer about the parent message of the thread."""

    is_there: bool = False
    channel: str = ""
    stamp: str = ""


@dataclass(frozen=True, slots=True)
class SlackNotifier:
    """Posts to one channel with a bot token: the message, its thread, and a recovery below an earlier alarm."""

    token: str
    channel: str
    kept: Path
    base_url: str
    budget_s: float

    def deliver(self, message: SlackMessage, alarm: Night | None = None) -> SlackDelivery:
        """Post the parent first; an incomplete thread is reported as an error, but the message counts as delivered."""
        parent = _Parent()
        reason = courier.run_within(self.budget_s, lambda post: self._post_all(post, message, alarm, parent))
        if reason is None:
            return SlackDelivery(delivered=True, channel=parent.channel, ts=parent.stamp)
        told = f"{'thread: ' * parent.is_there}{keep(self.kept, message, self.channel, reason)}"
        if not parent.is_there:
            return SlackDelivery(delivered=False, channel=self.channel, error=told)
        return SlackDelivery(delivered=True, channel=parent.channel, ts=parent.stamp or None, error=told)

    def _post_all(self, post: Courier, message: SlackMessage, alarm: Night | None, parent: _Parent) -> None:
        head = {"text": message.text, "unfurl_links": False}
        blocks = {"blocks": list(message.blocks)} if message.blocks else {}
        data = self._post(post, head | blocks | {"channel": self.channel})
        parent.is_there, parent.channel = True, _text(data, "channel") or self.channel
        parent.stamp = _text(data, "ts")
        for reply in message.replies:
            if not parent.stamp:
                raise Undelivered("Slack named no message to reply to")
            self._post(post, {"channel": parent.channel, "text": reply, "thread_ts": parent.stamp})
        if message.recovery and alarm and alarm.alarm_ts:
            below = {"channel": alarm.alarm_channel or parent.channel, "thread_ts": alarm.alarm_ts}
            self._post(post, below | {"text": message.recovery, "reply_broadcast": True})

    def _post(self, post: Courier, payload: dict[str, Any]) -> dict[str, Any]:
        return slack_data(post.post(f"{self.base_url.rstrip('/')}/chat.postMessage", payload, self.token))


@dataclass(frozen=True, slots=True)
class WebhookNotifier:
    """Posts the message to a webhook, without thread and recovery, which webhooks do not support."""

    url: str
    kept: Path
    budget_s: float

    def deliver(self, message: SlackMessage, alarm: Night | None = None) -> SlackDelivery:
        """Post text and blocks; only the body `ok` counts as delivered, as a proxy's page may also have status 200."""
        del alarm
        reason = courier.run_within(self.budget_s, lambda post: self._post(post, message))
        if reason is None:
            return SlackDelivery(delivered=True)
        return SlackDelivery(delivered=False, error=keep(self.kept, message, "", reason))

    def _post(self, post: Courier, message: SlackMessage) -> None:
        blocks = {"blocks": list(message.blocks)} if message.blocks else {}
        answer = post.post(self.url, {"text": message.text} | blocks)
        if answer.status != httpx.codes.OK:
            raise Undelivered(f"HTTP {answer.status}{', and redirects are not followed' * answer.is_redirect}")
        if answer.body.strip() != b"ok":
            raise Undelivered("the answer is none of a Slack webhook")


@dataclass(frozen=True, slots=True)
class FileNotifier:
    """Keeps the message as a file if no Slack is configured."""

    kept: Path
    channel: str = ""

    def deliver(self, message: SlackMessage, alarm: Night | None = None) -> SlackDelivery:
        """Write the message; it counts as not delivered, since nobody received it."""
        del alarm  # the recovery text is part of the file
        told = keep(self.kept, message, self.channel, NOT_CONFIGURED)
        return SlackDelivery(delivered=False, channel=self.channel or None, error=told)


def create_notifier(settings: Slack, secrets: Secrets, kept: Path, *, is_alert: bool = False) -> Notifier:
    """Return the notifier for the configuration: token and channel, a webhook, or neither.

    If both are set, the night's message goes to the channel, which has threads, and an alert to the webhook.
    """
    token, webhook = secrets.slack_token, secrets.slack_webhook
    if webhook is not None and (is_alert or token is None or not settings.channel):
        return WebhookNotifier(webhook.get_secret_value(), kept, settings.budget_s)
    if token is not None and settings.channel:
        secret = token.get_secret_value()
        return SlackNotifier(secret, settings.channel, kept, settings.base_url, settings.budget_s)
    return FileNotifier(kept, settings.channel)


def keep(path: Path, message: SlackMessage, channel: str, reason: str) -> str:
    """Write the message as a file; return the reason with the file's name, or with the error if that failed too."""
    try:
        write_atomic(path, dump(message, channel))
    except OSError as error:
        told = f"{reason}; not written: {error.strerror}"
    else:
        told = f"{reason}; kept in {path.name}"
    if reason != NOT_CONFIGURED:
        log.warning("A Slack message was not delivered: %s.", told)
    return told


def dump(message: SlackMessage, channel: str) -> str:
    """Return the message as the JSON of slack.json."""
    data: dict[str, Any] = {
        "channel": channel,
        "text": message.text,
        "blocks": list(message.blocks),
        "replies": list(message.replies),
        "recovery": message.recovery,
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _text(data: dict[str, Any], key: str) -> str:
    """Return a text of Slack's answer, scrubbed and shortened for storage, or ""."""
    value = data.get(key)
    return shorten(scrub(value), LONGEST_ID) if isinstance(value, str) else ""
