"""Alerts of the supervisor, each kept as a file until it is delivered.

An alert is sent once per key to Slack, and retried until it arrives or the tries run out. A thread of its own delivers,
so a slow or silent Slack never holds up the watch. A file still in `alerts/` of the state directory reached nobody.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final

from nightproof.progress import announce
from nightproof.records import NOT_CONFIGURED
from nightproof.redact import Redactor
from nightproof.report.notifier import create_notifier
from nightproof.report.notifier import keep
from nightproof.report.slack import SlackMessage
from nightproof.report.slack import escape
from nightproof.report.slack_limits import TEXT
from nightproof.verdict.sentences import shorten
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from pathlib import Path

    from nightproof.profile import Profile
    from nightproof.profile import Secrets
    from nightproof.records import SlackDelivery

TRIES: Final = 12  # the last one comes after an hour and a half
FIRST_PAUSE_S: Final = 10.0
LONGEST_PAUSE_S: Final = 900.0
POLL_S: Final = 0.2
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Pending:
    """An alert that has not been delivered."""

    message: SlackMessage
    path: Path
    tries: int = 0
    next_try: float = 0.0


def tell(profile: Profile, secrets: Secrets, key: str, sentence: str) -> SlackDelivery:
    """Deliver one sentence from a command that ends afterwards, within one time budget; return the delivery."""
    told = Redactor(secrets.values()).text(" ".join(sentence.split()))
    path = _place(profile.state_dir.absolute() / "alerts", key)
    return create_notifier(profile.slack, secrets, path, is_alert=True).deliver(_message(told))


def _message(told: str) -> SlackMessage:
    return SlackMessage(shorten(f"🔴 nightproof: {escape(told)}", TEXT), ())


def _place(folder: Path, key: str) -> Path:
    return folder / f"{re.sub('[^A-Za-z0-9-]+', '-', key)}.json"


class Alerts:
    """Delivers each alert once; logs an outage and retries with growing pauses."""

    def __init__(self, profile: Profile, secrets: Secrets, first_pause_s: float = FIRST_PAUSE_S) -> None:
        self.folder = profile.state_dir.absolute() / "alerts"
        self._settings = profile.slack
        self._secrets = secrets
        self._redact = Redactor(secrets.values()).text
        self._first_pause_s = first_pause_s
        self._keys: set[str] = set()
        self._pending: list[_Pending] = []
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="alerts", daemon=True)
        self._thread.start()

    def send(self, key: str, sentence: str) -> None:
        """Queue a sentence unless its key was queued before; return at once."""
        if key in self._keys:
            return
        self._keys.add(key)
        told = self._redact(" ".join(sentence.split()))
        log.warning("%s", told)
        announce("alert", told)  # Prefect silences the log of the process that it is imported into
        message, path = _message(told), _place(self.folder, key)
        keep(path, message, self._settings.channel, NOT_CONFIGURED)  # on disk before a kill can lose it
        self._pending.append(_Pending(message, path))

    def flush(self) -> bool:
        """Wait, for at most one time budget, until each alert was tried once; return whether each was."""
        try:
            return await_value(lambda: all(alert.tries for alert in list(self._pending)), self._settings.budget_s)
        except TimeoutError:
            return False

    def stop(self) -> None:
        """Try each untried alert once, then end the deliveries."""
        self.flush()
        self._is_over.set()

    def _work(self) -> None:
        while not self._is_over.wait(POLL_S):
            for alert in list(self._pending):
                if alert.next_try <= time.monotonic() and not self._is_over.is_set():
                    self._try(alert)

    def _try(self, alert: _Pending) -> None:
        notifier = create_notifier(self._settings, self._secrets, alert.path, is_alert=True)
        delivery = notifier.deliver(alert.message)
        alert.tries += 1
        if delivery.delivered:
            alert.path.unlink(missing_ok=True)
        elif delivery.trouble:
            pause_s = min(self._first_pause_s * 2 ** (alert.tries - 1), LONGEST_PAUSE_S)
            alert.next_try = time.monotonic() + pause_s
            is_last = alert.tries == TRIES
            more = "and stays there" if is_last else f"and tried again in {pause_s:g} s"
            sentence = f"The alert was not delivered: {self._redact(delivery.trouble)}, {more}."
            log.warning("%s", sentence)
            announce("alert", sentence)
            if not is_last:
                return
        self._pending.remove(alert)
