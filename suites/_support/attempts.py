"""Package creations under a fault, classified as in the report: passed, failed or timed out, and whether slow."""

from __future__ import annotations

import time
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof import quilt
from nightproof.evidence import note
from suites._support.hashes import top_hash

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from suites._support.control import Call
    from suites._support.control import CallLog
    from suites._support.control import Faults
    from suites._support.isolated import Isolated
    from suites._support.observer import Observer
    from suites._support.work import Work

SLOW_S: Final = 10
QUICK_S: Final = 10
# The request that creates a revision: the catalog's mutation, or quilt3's own upload of the manifest.
CONSTRUCT: Final = {"platform": ("catalog", "PackageConstruct"), "quilt3": ("aws", "PutObject")}
APART_S: Final = 100


@dataclass(frozen=True)
class Attempt:
    """The outcome of one creation: its class, the context of its error, and its duration in seconds."""

    name: str
    outcome: str
    context: dict[str, Any]
    seconds: float
    since: float = 0.0
    """When it began, in epoch seconds."""

    def verdict(self, factor: float) -> str:
        """Return the class for the report; all but a timeout are marked `(slow)` from 10 s times `factor` on."""
        return (
            f"{self.outcome} (slow)" if self.outcome != "timeout" and self.seconds >= SLOW_S * factor else self.outcome
        )


class Attempts:
    """Creates packages of one file, each with its own message and so with its own top hash."""

    def __init__(self, work: Work, observer: Observer, source: str) -> None:
        self._work = work
        self._observer = observer
        self._entries = [{"logical_key": "data.csv", "physical_key": source}]

    def name(self) -> str:
        """Return a new package name, already in the ledger. Call it from one thread at a time."""
        return self._work.package_name("attempt")

    def make(self, ops: quilt.QuiltOps, message: str, name: str = "") -> Attempt:
        """Create a package. A BackendError becomes an outcome; any other error is raised."""
        name, said = name or self.name(), self._work.own_message(message)
        since, began = time.time(), time.monotonic()
        try:
            ops.create_package_revision(name, self._work.registry, self._entries, message=said)
        except quilt.BackendError as error:
            return Attempt(name, _outcome(error.context), error.context, time.monotonic() - began, since)
        return Attempt(name, "pass", {}, time.monotonic() - began, since)

    def make_apart(self, isolated: Isolated, home: Path, message: str, name: str, **construction: Any) -> Attempt:
        """Create a package in a child process, because quilt3 allows one user per process.

        A BackendError becomes an outcome; any other error raises ChildProcessError.
        """
        asked = {"package": name, "registry": self._work.registry, "entries": self._entries}
        said, since = self._work.own_message(message), time.time()
        done = isolated.run("attempt", home, deadline_s=APART_S, message=said, **asked, **construction)
        seconds, error = done["seconds"], done["class"]
        if error is None:
            return Attempt(name, "pass", {}, seconds, since)
        if error != "BackendError":
            raise ChildProcessError(f"The creation of {name} ended in {error}: {done['message']}")
        return Attempt(name, _outcome(done["context"]), done["context"], seconds, since)

    def hash_of(self, made: Attempt, message: str) -> str:
        """Return the top hash that the package of an earlier attempt has with another message."""
        bucket = self._work.bucket
        manifest = self._observer.manifest(bucket, self._observer.latest(bucket, made.name)[0])
        return top_hash(manifest.header | {"message": self._work.own_message(message)}, list(manifest.entries.values()))


@dataclass(frozen=True)
class Bench:
    """One user targeted by the faults, with clients of a short and a long time limit, and readers of the outcome."""

    backend: str
    factor: float
    user: str
    short: quilt.QuiltOps
    long: quilt.QuiltOps
    attempts: Attempts
    apart: Callable[[float, str, str], Attempt]
    fault: Faults
    call_log: CallLog

    def switch(self, name: str, seconds: float = 0, **more: Any) -> None:
        """Switch on a fault for the creations of this user; `seconds` is scaled by the time factor."""
        parameters = more | ({"seconds": seconds * self.factor} if seconds else {})
        self.fault.set(CONSTRUCT[self.backend][0], name, user=self.user, **parameters)

    def slowest_ms(self) -> float:
        """Return the server's time for the slowest creation request of this user, in milliseconds."""
        service, operation = CONSTRUCT[self.backend]
        calls = [call for call in self._calls(0) if (call.service, call.operation) == (service, operation)]
        return max(call.ms for call in calls)

    def _calls(self, since: float) -> list[Call]:
        """Return the logged requests of this user that began at `since` or later, in order of their beginning."""
        return [call for call in self.call_log.calls() if call.user == self.user and call.began >= since]

    def clocked(self, attempt: Attempt) -> Attempt:
        """Return the attempt with the seconds during which a service was answering at least one request of it.

        The client's own work takes longer on a busy machine, and that says nothing about the system.
        """
        end, seconds = 0.0, 0.0
        for call in self._calls(attempt.since):
            done = call.began + call.ms / 1000
            seconds += max(done - max(call.began, end), 0.0)  # counts overlapping requests once
            end = max(end, done)
        return replace(attempt, seconds=seconds)

    def lead_s(self, attempt: Attempt) -> float:
        """Return the seconds of a failed attempt before the request that stalled; 0 for the platform backend.

        A push of quilt3 sends many requests.
        """
        if self.backend == "platform":
            return 0.0
        # Ignores the stalled request: nothing says when the server logs a request that its client abandoned.
        _, stalled = CONSTRUCT[self.backend]
        before = [call for call in self._calls(attempt.since) if call.operation != stalled]
        return before[-1].began + before[-1].ms / 1000 - before[0].began

    def make(self, message: str) -> Attempt:
        """Create a package with the long time limit."""
        return self.clocked(self.attempts.make(self.long, message))

    def normal(self, message: str) -> Attempt:
        """Check case a: with every fault off, a creation passes in less than 10 s."""
        self.fault.reset()
        made = self.clocked(self.attempts.make(self.short, message))
        assert (made.verdict(1), made.context) == ("pass", {})
        assert made.seconds < QUICK_S
        return made

    def class_of(self, case: str, attempt: Attempt) -> str:
        """Return the class of an attempt, and note it in the report as `case_<case>`."""
        found = attempt.verdict(self.factor)
        note(f"case_{case}", found)
        return found

    def overhead_s(self, usual: Attempt) -> float:
        """Return the seconds of a failed attempt besides the failed request: in quilt3 a usual push, else 0."""
        return usual.seconds if self.backend == "quilt3" else 0.0


def _outcome(context: dict[str, Any]) -> str:
    return "timeout" if context["kind"] == "timeout" else "error"
