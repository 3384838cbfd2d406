"""Alerts of the supervisor: each is kept as a file, told once where people are told, and tried again until it is.

They are delivered in a thread of their own, so that the watch goes on whatever the other side answers. What still lies
in the folder `alerts` of the state directory was told to nobody.
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
    """An alert that nobody was told yet."""

    message: SlackMessage
    path: Path
    tries: int = 0
    next_try: float = 0.0


def tell(profile: Profile, secrets: Secrets, key: str, sentence: str) -> SlackDelivery:
    """Tell one sentence from a command that ends afterwards, within one budget of time; return what became of it."""
    told = Redactor(secrets.values()).text(" ".join(sentence.split()))
    path = _place(profile.state_dir.absolute() / "alerts", key)
    return create_notifier(profile.slack, secrets, path, is_alert=True).deliver(_message(told))


def _message(told: str) -> SlackMessage:
    return SlackMessage(shorten(f"🔴 nightproof: {escape(told)}", TEXT), ())


def _place(folder: Path, key: str) -> Path:
    return folder / f"{re.sub('[^A-Za-z0-9-]+', '-', key)}.json"


class Alerts:
    """Tells each alert once; an outage is logged, and tried again with growing pauses."""

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
        """Hand a sentence over unless the same key was before; return at once."""
        if key in self._keys:
            return
        self._keys.add(key)
        told = self._redact(" ".join(sentence.split()))
        log.warning("%s", told)
        announce("alert", told)  # Prefect silences the log of the process that it is imported into
        message, path = _message(told), _place(self.folder, key)
        keep(path, message, self._settings.channel, NOT_CONFIGURED)  # also what a supervisor that is killed leaves
        self._pending.append(_Pending(message, path))

    def flush(self) -> bool:
        """Wait until each alert was tried once, for at most one budget of time; return whether each was."""
        try:
            return await_value(lambda: all(alert.tries for alert in list(self._pending)), self._settings.budget_s)
        except TimeoutError:
            return False

    def stop(self) -> None:
        """Try once what was not tried yet, then deliver no more."""
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
