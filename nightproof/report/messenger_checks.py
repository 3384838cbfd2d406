"""Checks for `doctor` whether a message would be delivered; they send none."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from typing import Final
from urllib.parse import urlsplit

from nightproof.records import CheckResult
from nightproof.report import courier
from nightproof.report.courier import Undelivered
from nightproof.report.courier import slack_data

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from nightproof.profile import Secrets
    from nightproof.profile import Slack
    from nightproof.report.courier import Courier

LONGEST_S: Final = 20.0
PAGES: Final = 10  # of 1,000 channels each
CHANNEL_ID: Final = re.compile(r"[CDG][A-Z0-9]{7,}")
SLACK_HOOK: Final = re.compile(r"/services/T[A-Z0-9]+/B[A-Z0-9]+/[A-Za-z0-9]+")


def check_messengers(settings: Slack, secrets: Secrets) -> tuple[CheckResult, ...]:
    """Return a check of token and channel and one of the webhook, for whatever is configured."""
    token, hook = secrets.slack_token, secrets.slack_webhook
    found = []
    if token is not None or (settings.channel and hook is None):
        secret = token.get_secret_value() if token else ""
        found.append(_checked("slack channel", lambda: _channel(settings, secret)))
    if hook is not None:
        found.append(_checked("slack webhook", lambda: _webhook(hook.get_secret_value())))
    return tuple(found)


def _checked(name: str, look: Callable[[], str]) -> CheckResult:
    """Return the result of `look` as a check that is not required."""
    started = time.monotonic()
    try:
        detail, remedy = look(), ""
    except Undelivered as error:
        detail, remedy = str(error), _remedy(str(error))
    return CheckResult(name, required=False, ok=not remedy, detail=detail, remedy=remedy,
                       duration_s=round(time.monotonic() - started, 3))  # fmt: skip


def _remedy(reason: str) -> str:
    """Return the remedy for a reason; Slack's usual error words are recognised."""
    if reason.startswith(("not_authed", "invalid_auth", "account_inactive", "token_", "the Slack token", "no token")):
        return "Set NIGHTPROOF_SLACK_TOKEN to the bot token of an app that is installed in the workspace."
    if "webhook" in reason or "URL" in reason:
        return "Set NIGHTPROOF_SLACK_WEBHOOK to the address that the app's page on incoming webhooks shows."
    if "channel" in reason:
        return "Correct `slack.channel` in the profile, or invite the bot to that channel."
    if "chat:write" in reason:
        return "Add the scope to the app and install it again."
    return "Look whether `slack.base_url` is right and reachable from here."


def _channel(settings: Slack, token: str) -> str:
    if not token:
        raise Undelivered("no token: `slack.channel` is set and NIGHTPROOF_SLACK_TOKEN is not")
    if not settings.channel:
        raise Undelivered("NIGHTPROOF_SLACK_TOKEN is set and `slack.channel` is not: the channel gets no message")
    found: list[str] = []

    def ask(post: Courier) -> None:
        base = settings.base_url.rstrip("/")
        answer = post.post(f"{base}/auth.test", token=token)
        who = slack_data(answer)
        given = answer.headers.get("X-OAuth-Scopes", "")
        scopes = {scope.strip() for scope in given.split(",")}
        if given and not scopes & {"chat:write", "chat:write:bot"}:
            raise Undelivered("the token lacks the scope chat:write")
        kinds = "public_channel,private_channel" if "groups:read" in scopes else "public_channel"
        seen = _see_channel(post, base, settings.channel, token, kinds)
        if seen is None:
            found.append(f"token of `{who.get('user')}`; the channel was not looked up, the token lacks channels:read")
        elif not seen.get("is_member", True) and "chat:write.public" not in scopes:
            raise Undelivered(f"the bot is no member of the channel `{settings.channel}`")
        else:
            found.append(f"token of `{who.get('user')}`, channel `{settings.channel}`")

    reason = courier.run_within(min(settings.budget_s, LONGEST_S), ask)
    if reason:
        raise Undelivered(reason)
    return found[0]


def _see_channel(post: Courier, base: str, channel: str, token: str, kinds: str) -> dict[str, Any] | None:
    """Return Slack's data on the channel, or None if the token may not ask; raise Undelivered if there is none."""
    try:
        if CHANNEL_ID.fullmatch(channel):
            answer = post.post(f"{base}/conversations.info", token=token, form={"channel": channel})
            return _data_of(slack_data(answer).get("channel"))
        form = {"limit": "1000", "exclude_archived": "true", "types": kinds}
        for _ in range(PAGES):
            data = slack_data(post.post(f"{base}/conversations.list", token=token, form=form))
            for seen in data.get("channels") or ():
                if _data_of(seen).get("name") == channel.removeprefix("#"):
                    return _data_of(seen)
            form["cursor"] = str(_data_of(data.get("response_metadata")).get("next_cursor") or "")
            if not form["cursor"]:
                break
    except Undelivered as error:
        if str(error) == "missing_scope":
            return None
        raise
    raise Undelivered(f"the token sees no channel `{channel}`; one that is private needs its id or groups:read")


def _data_of(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _webhook(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and not re.search(r"\s", url)
    except ValueError:
        is_url = False
    if not is_url:
        raise Undelivered("the webhook is no URL")
    if parts.hostname == "hooks.slack.com" and not (parts.scheme == "https" and SLACK_HOOK.fullmatch(parts.path)):
        raise Undelivered("the webhook has not the form of Slack's: https://hooks.slack.com/services/T…/B…/…")
    return f"its address has the right form, at `{parts.hostname}`; only a message would show whether it works"
