"""Deliver the message: to Slack, or to a file where no Slack is configured; an outage never fails the night."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import Protocol

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.errors import SlackClientError
from slack_sdk.http_retry.builtin_handlers import ConnectionErrorRetryHandler
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler
from slack_sdk.http_retry.builtin_handlers import ServerErrorRetryHandler

from nightproof.records import SlackDelivery
from nightproof.report.files import write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from nightproof.history.nights import Night
    from nightproof.report.slack import SlackMessage

TIMEOUT_S: Final = 10
RETRIES: Final = 3

log = logging.getLogger(__name__)


class Notifier(Protocol):
    """Delivers one night's message; never raises for an outage, the delivery says what happened."""

    def deliver(self, message: SlackMessage, alarm: Night | None = None) -> SlackDelivery:
        """Send parent, thread and recovery; `alarm` is the red night that a recovery answers."""
        ...


class SlackNotifier:
    """Posts to one channel with a bot token; retries rate limits, server errors and lost connections."""

    def __init__(
        self,
        token: str,
        channel: str,
        fallback: Path,
        *,
        base_url: str = "https://slack.com/api/",
        timeout_s: int = TIMEOUT_S,
    ) -> None:
        handlers = [
            RateLimitErrorRetryHandler(max_retry_count=RETRIES),
            ServerErrorRetryHandler(max_retry_count=RETRIES),
            ConnectionErrorRetryHandler(max_retry_count=RETRIES),
        ]
        base = base_url if base_url.endswith("/") else f"{base_url}/"
        self._client = WebClient(token=token, base_url=base, timeout=timeout_s, retry_handlers=handlers)
        self._channel = channel
        self._fallback = fallback

    def deliver(self, message: SlackMessage, alarm: Night | None = None) -> SlackDelivery:
        """Post the parent first; what follows it is worth a log line when it fails, not the delivery."""
        try:
            parent = self._client.chat_postMessage(
                channel=self._channel, text=message.text, blocks=list(message.blocks), unfurl_links=False
            )
        except (SlackApiError, SlackClientError, OSError) as error:
            reason = _reason(error)
            log.warning("The Slack message was not delivered: %s. It is kept in %s.", reason, self._fallback)
            FileNotifier(self._fallback, self._channel).deliver(message)
            return SlackDelivery(delivered=False, channel=self._channel, error=reason)
        channel, stamp = str(parent.get("channel") or self._channel), str(parent.get("ts"))
        left_out = self._follow(message, channel, stamp, alarm)
        return SlackDelivery(delivered=True, channel=channel, ts=stamp, error=left_out)

    def _follow(self, message: SlackMessage, channel: str, stamp: str, alarm: Night | None) -> str | None:
        try:
            for reply in message.replies:
                self._client.chat_postMessage(channel=channel, text=reply, thread_ts=stamp)
            if message.recovery and alarm and alarm.alarm_ts:
                self._client.chat_postMessage(
                    channel=alarm.alarm_channel or channel,
                    text=message.recovery,
                    thread_ts=alarm.alarm_ts,
                    reply_broadcast=True,
                )
        except (SlackApiError, SlackClientError, OSError) as error:
            log.warning("A reply in the Slack thread was not delivered: %s.", _reason(error))
            return f"thread: {_reason(error)}"
        return None


class FileNotifier:
    """Keeps the message as slack.json where no Slack is configured, or for a dry run."""

    def __init__(self, path: Path, channel: str = "") -> None:
        self._path = path
        self._channel = channel

    def deliver(self, message: SlackMessage, alarm: Night | None = None) -> SlackDelivery:
        """Write the message; it counts as not delivered, since nobody was told."""
        del alarm  # the recovery text is part of the file
        try:
            write_atomic(self._path, dump(message, self._channel))
        except OSError as error:
            return SlackDelivery(delivered=False, channel=self._channel or None, error=f"not written: {error}")
        return SlackDelivery(
            delivered=False, channel=self._channel or None, error="no Slack configured: see slack.json"
        )


def dump(message: SlackMessage, channel: str) -> str:
    """Give the message as the JSON that slack.json holds."""
    data: dict[str, Any] = {
        "channel": channel,
        "text": message.text,
        "blocks": list(message.blocks),
        "replies": list(message.replies),
        "recovery": message.recovery,
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _reason(error: Exception) -> str:
    if isinstance(error, SlackApiError):
        return str(error.response.get("error") or error)
    return f"{type(error).__name__}: {error}"
