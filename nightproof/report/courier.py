"""Posting of JSON within one budget of wall time, whatever the server answers.

slack_sdk is not used here on purpose. It sleeps for as long as `Retry-After` says and fails on one that is no number.
It also sends the token to the target of a redirect, and reads bodies without a limit.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import httpx

from nightproof.report.words import scrub
from nightproof.verdict.sentences import shorten

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping

OPERATION_S: Final = 10.0  # for one connect, one read or one write
TRIES: Final = 4
FIRST_PAUSE_S: Final = 1.0
LARGEST_BODY: Final = 1024 * 1024  # bytes; Slack's own answers have a few kilobytes
LONGEST_WORD: Final = 200  # characters of foreign text in a reason
SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
NO_URL: Final = "its address is no URL"
HEADER_SAFE: Final = re.compile(r"[!-~]+")

log = logging.getLogger(__name__)


class Undelivered(Exception):  # noqa: N818 - a state of the message, no fault
    """The message was not delivered; the text is the reason and holds no secret."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_redirect(self) -> bool:
        """Return whether the status is 3xx."""
        return 300 <= self.status < 400  # noqa: PLR2004 - the redirects of HTTP


class Courier:
    """Posts until its time is over; retries after rate limits, server errors and failed connections."""

    def __init__(self, budget_s: float) -> None:
        self._budget_s = budget_s
        self._end = time.monotonic() + budget_s
        self._is_over = threading.Event()
        self._client: httpx.Client | None = None

    def post(
        self,
        url: str,
        payload: Mapping[str, Any] | None = None,
        token: str = "",
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """Post JSON, or a form for Slack's read-only methods, and return the answer.

        Raise Undelivered once retrying is useless or the time is over. A connection that broke after the request was
        sent is not retried: the message may have arrived.
        """
        for number in range(TRIES):
            try:
                answer = self._once(url, {"json": payload or {}} if form is None else {"data": form}, token)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                reason, pause = f"no connection: {shorten(scrub(str(error)), LONGEST_WORD)}", None
            except httpx.UnsupportedProtocol as error:
                raise Undelivered(NO_URL) from error
            except (httpx.HTTPError, OSError) as error:
                raise Undelivered(f"no whole answer: {type(error).__name__}") from error
            else:
                if answer.status != httpx.codes.TOO_MANY_REQUESTS and answer.status < httpx.codes.INTERNAL_SERVER_ERROR:
                    return answer
                reason, pause = f"HTTP {answer.status}", _retry_after(answer)
            if number == TRIES - 1:
                break
            if pause is not None:
                reason += f" with the wish to wait for {pause:g} s, of {self._budget_s:g} s in all"
            self._wait(FIRST_PAUSE_S * 2**number if pause is None else pause, reason)
        raise Undelivered(reason)

    def stop(self) -> None:
        """Abort the running request and send nothing more."""
        self._is_over.set()
        if self._client is not None:
            self._client.close()

    def _once(self, url: str, content: dict[str, Any], token: str) -> Answer:
        limit = min(OPERATION_S, self._remaining())
        headers = {"Authorization": f"Bearer {require_sendable(token)}"} if token else {}
        if self._client is None:  # created here: a wrong proxy or certificate setting raises at this point
            self._client = httpx.Client(follow_redirects=False, headers={"Accept-Encoding": "identity"})
        try:
            request = self._client.build_request("POST", url, **content, headers=headers, timeout=limit)
        except httpx.InvalidURL as error:
            raise Undelivered(NO_URL) from error
        answer = self._client.send(request, stream=True)
        try:
            return Answer(answer.status_code, answer.headers, self._body(answer))
        finally:
            answer.close()

    def _body(self, answer: httpx.Response) -> bytes:
        body = bytearray()
        for chunk in answer.iter_raw():
            body += chunk
            self._remaining()
            if len(body) > LARGEST_BODY:
                raise Undelivered(f"the answer is longer than {LARGEST_BODY} bytes")
        return bytes(body)

    def _remaining(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0 or self._is_over.is_set():
            raise Undelivered(f"no whole answer within {self._budget_s:g} s")
        return left

    def _wait(self, pause_s: float, reason: str) -> None:
        if pause_s >= self._remaining():
            raise Undelivered(reason)
        self._is_over.wait(pause_s)


def run_within(budget_s: float, steps: Callable[[Courier], None]) -> str | None:
    """Run steps that post, for at most `budget_s` seconds; return why they did not finish, or None.

    The steps run in a thread, which is abandoned when the time is over: a hanging name resolution or a trickling header
    cannot be interrupted otherwise. A daemon thread keeps no process alive.
    """
    courier = Courier(budget_s)
    reasons: list[str] = []

    def work() -> None:
        try:
            steps(courier)
        except Undelivered as error:
            reasons.append(str(error))
        except Exception as error:
            # Whatever a library raises may cost the message, never the verdict.
            log.debug("A delivery failed.", exc_info=True)
            reasons.append(f"it failed: {type(error).__name__}")

    thread = threading.Thread(target=work, name="courier", daemon=True)
    thread.start()
    thread.join(budget_s)
    is_late = thread.is_alive()
    courier.stop()
    return f"no whole answer within {budget_s:g} s" if is_late else next(iter(reasons), None)


def require_sendable(token: str) -> str:
    """Return the token; raise Undelivered if an HTTP header cannot carry it."""
    if not HEADER_SAFE.fullmatch(token):
        raise Undelivered("the Slack token holds a blank, a line break or another character that no header carries")
    return token


def slack_data(answer: Answer) -> dict[str, Any]:
    """Return the data of Slack's answer; raise Undelivered with Slack's error word if it is not `ok`."""
    try:
        data = json.loads(answer.body.decode())
    except (ValueError, RecursionError):
        data = None
    word = data.get("error") if isinstance(data, dict) else None
    if isinstance(word, str) and word:
        raise Undelivered(shorten(scrub(word), LONGEST_WORD))
    if answer.status != httpx.codes.OK:
        raise Undelivered(f"HTTP {answer.status}{', and redirects are not followed' * answer.is_redirect}")
    if not isinstance(data, dict) or data.get("ok") is not True:
        raise Undelivered("the answer is none of Slack's API")
    return data


def _retry_after(answer: Answer) -> float | None:
    """Return the seconds in `Retry-After`, or None if there is no such number."""
    text = answer.headers.get("Retry-After", "").strip()
    return float(text) if SECONDS.fullmatch(text) else None
