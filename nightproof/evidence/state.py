"""The state of the running test: process-global, because client libraries use threads.

A channel is entered with `with channel("observer"):`. It holds for the code in the block and for asyncio tasks that are
started there. If the block is in the main thread, it also holds for worker threads of client libraries, which do not
inherit context variables.
"""

from __future__ import annotations

import hashlib
import os
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from dataclasses import field
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import Literal

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from collections.abc import Mapping


Channel = Literal["subject", "observer", "control"]
Phase = Literal["setup", "call", "teardown"]
CHANNELS: Final = ("subject", "observer", "control")
HEX_DIGITS: Final = 16
CHILD_CHANNEL: Final = "NIGHTPROOF_TEST_CHANNEL"
PROTOCOLS: Final = (
    "s3",
    "aws",
    "http",
    "graphql",
    "ws",
    "tcp",
)  # as in records.py, too heavy to import here


def hex16(test_id: str) -> str:
    """Return the short form of a test id for headers and names of evidence folders: 16 hex digits."""
    return hashlib.sha256(test_id.encode()).hexdigest()[:HEX_DIGITS]


@dataclass
class TestState:
    """Counters of one test; only `Recording` changes them, under its lock."""

    __test__ = False

    id: str
    prefix: str
    phase: Phase = "setup"
    assertions: int = 0
    unanswered: int = 0
    unrecorded: int = 0
    fixture_exchanges: int = 0
    relayed: dict[str, int] = field(default_factory=dict)  # by endpoint
    vouched: str = ""
    proof: str = ""
    exchanges: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PROTOCOLS, 0))
    observations: list[dict[str, Any]] = field(default_factory=list)
    properties: list[tuple[str, Any]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    unobserved: list[str] = field(default_factory=list)
    tag: str = ""
    log: list[Any] = field(default_factory=list)  # of exchanges, whose module imports this one


class Recording:
    """The process's one running test, or none; safe to use from any thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.test: TestState | None = None
        self.channel: Channel = "subject"
        self.has_exact_inventory = True
        self.moved: Callable[[], None] = lambda: None  # called when the default channel changes
        self._fixtures: list[list[int]] = []

    def forget(self) -> None:
        """Stop counting in a process that a test forked: its numbers are copies; the children's file counts."""
        self.lock = threading.Lock()
        self.test = None

    def name(self, kind: str, locator: Mapping[str, Any]) -> None:
        """Record the name of a resource that the running test is about to create: the next backend gives it another."""
        given = str(locator.get("name") or locator.get("key") or locator.get("prefix") or "").rstrip("/")
        if self.test is not None and self.test.tag and self.test.tag in given:
            self.stand_for(kind, given)

    def stand_for(self, kind: str, given: str) -> None:
        """Register a value that only the running test has, to be compared as `<kind N>` with N from 1."""
        with self.lock:
            if self.test is not None:
                number = 1 + sum(placeholder.startswith(f"<{kind} ") for placeholder in self.test.names.values())
                self.test.names.setdefault(given, f"<{kind} {number}>")

    @contextmanager
    def fixture(self) -> Iterator[list[int]]:
        """Yield a list with one number, which counts the answers in the block."""
        counter = [0]
        self._fixtures.append(counter)
        try:
            yield counter
        finally:
            self._fixtures = [one for one in self._fixtures if one is not counter]

    def count_assertion(self) -> None:
        """Count one assertion that held while the test body ran."""
        with self.lock:
            if self.test is not None and self.test.phase == "call":
                self.test.assertions += 1

    def count(self, channel: str, phase: str, protocol: str, *, answered: bool, recorded: bool = True) -> None:
        """Count one request; only the subject channel of the call phase is evidence.

        A request without a recorder carries no header of ours, so that no server can count it. Counters of fixtures
        include every phase.
        """
        with self.lock:
            if self.test is None or channel != "subject":
                return
            for counter in self._fixtures if answered else ():
                counter[0] += 1
            if phase != "call":
                return
            if answered:
                self.test.exchanges[protocol] += 1
                self.test.unrecorded += not recorded
            else:
                self.test.unanswered += 1

    def count_relayed(self, channel: str, phase: str, protocol: str, endpoint: str, number: int) -> None:
        """Count the answers that the relay saw; clients in Python do not count them, so that none is counted twice."""
        for _ in range(number):
            self.count(channel, phase, protocol, answered=True, recorded=False)
        with self.lock:
            if self.test is not None and (channel, phase) == ("subject", "call"):
                self.test.relayed[endpoint] = self.test.relayed.get(endpoint, 0) + number


RECORDING: Final = Recording()
os.register_at_fork(after_in_child=RECORDING.forget)
_channel: ContextVar[Channel | None] = ContextVar("nightproof_channel", default=None)


def current_channel() -> Channel:
    """Return the channel of a request made here and now."""
    return _channel.get() or RECORDING.channel


@contextmanager
def channel(name: Channel) -> Iterator[None]:
    """Send the requests of the block on another channel than `subject`: `observer` or `control`."""
    if name not in CHANNELS:
        raise ValueError(f"There is no channel `{name}`: use {', '.join(CHANNELS)}.")
    token = _channel.set(name)
    is_main = threading.current_thread() is threading.main_thread()
    before = RECORDING.channel
    if is_main:
        _move_default(name)
    try:
        yield
    finally:
        _channel.reset(token)
        if is_main:
            _move_default(before)


def _move_default(name: Channel) -> None:
    """Change the channel of threads without one of their own, and of child processes started from now on."""
    RECORDING.channel = name
    os.environ[CHILD_CHANNEL] = name
    RECORDING.moved()
