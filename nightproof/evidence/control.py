"""The servers' count of the subject requests that a test sent in its call phase."""

from __future__ import annotations

import json
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import quote

from nightproof.evidence.exchange import inside
from nightproof.evidence.state import channel

if TYPE_CHECKING:
    from collections.abc import Mapping

ASK_TIMEOUT_S: Final = 5.0
SETTLE_S: Final = 1.0  # a server logs a call before the last byte; a client counts it at the first
POLL_S: Final = 0.02


@dataclass(frozen=True)
class Seen:
    """What the servers saw of one test: the number of requests and the slowest in ms; None without a call log."""

    number: int | None = None
    worst_ms: float | None = None


@dataclass(frozen=True)
class CallLog:
    """The call logs of the embedded systems; `urls` is empty on a live target."""

    urls: tuple[str, ...]
    token: str

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> CallLog:
        """Read the `name=url` pairs and the token from the environment of the cell."""
        pairs = env.get("NIGHTPROOF_CONTROL_URLS", "").split()
        return cls(tuple(pair.partition("=")[2] for pair in pairs), env.get("NIGHTPROOF_CONTROL_TOKEN", ""))

    def count(self, prefix: str, at_least: int) -> Seen:
        """Count over all servers; wait up to 1 s for `at_least` requests."""
        if not self.urls:
            return Seen()
        deadline = time.monotonic() + SETTLE_S
        while len(seen := [ms for url in self.urls for ms in self._ask(url, prefix)]) < at_least:
            if time.monotonic() >= deadline:
                break
            time.sleep(POLL_S)
        return Seen(len(seen), round(max(seen), 1) if seen else None)

    def _ask(self, url: str, prefix: str) -> list[float]:
        request = urllib.request.Request(  # noqa: S310 - the address comes from our own testbed
            f"{url.rstrip('/')}/_nightproof/calls?test={quote(prefix)}",
            headers={"Authorization": f"Bearer {self.token}", "X-Test-Id": f"{prefix}:control:call"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with inside(), channel("control"), opener.open(request, timeout=ASK_TIMEOUT_S) as answer:
                calls: list[dict[str, Any]] = json.load(answer)
        except (OSError, ValueError):
            return []  # a dead server cannot confirm anything, and the verdict says so
        mine = [call for call in calls if call.get("channel") == "subject" and call.get("phase") == "call"]
        return [float(call.get("ms") or 0) for call in mine]
