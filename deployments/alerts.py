"""Short alerts of the supervisor: to a Slack webhook or channel, else to its own log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from typing import Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.errors import SlackClientError
from slack_sdk.webhook import WebhookClient

if TYPE_CHECKING:
    from nightproof.profile import Profile
    from nightproof.profile import Secrets

TIMEOUT_S: Final = 10
log = logging.getLogger(__name__)


class Alerts:
    """Sends each alert once; an outage is logged and tried again with the next round."""

    def __init__(self, profile: Profile, secrets: Secrets) -> None:
        self._settings = profile.slack
        self._secrets = secrets
        self._sent: set[str] = set()

    def send(self, key: str, sentence: str) -> None:
        """Send a sentence unless the same key was sent before."""
        if key in self._sent:
            return
        log.warning("%s", sentence)
        try:
            self._deliver(f"nightproof: {sentence}")
        except (SlackApiError, SlackClientError, OSError) as error:
            log.warning("The alert was not delivered: %s", type(error).__name__)
            return
        self._sent.add(key)

    def _deliver(self, text: str) -> None:
        webhook, token = self._secrets.slack_webhook, self._secrets.slack_token
        if webhook is not None:
            answer = WebhookClient(webhook.get_secret_value(), timeout=TIMEOUT_S).send(text=text)
            if answer.status_code != 200:  # noqa: PLR2004 - the one status that a webhook answers when it took it
                raise OSError(f"the webhook answered {answer.status_code}")
        elif token is not None and self._settings.channel:
            client = WebClient(token.get_secret_value(), base_url=self._settings.base_url, timeout=TIMEOUT_S)
            client.chat_postMessage(channel=self._settings.channel, text=text)
