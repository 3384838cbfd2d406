"""Attempts at a creation under a fault, told apart as a report must: passed, broken or out of time, and how slow."""

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
# Where a construct happens: the catalog's mutation, or the library's own write of a manifest.
CONSTRUCT: Final = {"platform": ("catalog", "PackageConstruct"), "quilt3": ("aws", "PutObject")}
APART_S: Final = 100


@dataclass(frozen=True)
class Attempt:
    """What a creation came to: its class, its error's context, and the seconds it took."""

    name: str
    outcome: str
    context: dict[str, Any]
    seconds: float
    since: float = 0.0
    """When it began, in epoch seconds."""

    def verdict(self, factor: float) -> str:
        """Give the class as the report names it; slowness is a remark, whatever the outcome."""
        return (
            f"{self.outcome} (slow)" if self.outcome != "timeout" and self.seconds >= SLOW_S * factor else self.outcome
        )


class Attempts:
    """Creates packages of one file, each with a message of its own, so that each has its own hash."""

    def __init__(self, work: Work, observer: Observer, source: str) -> None:
        self._work = work
        self._observer = observer
        self._entries = [{"logical_key": "data.csv", "physical_key": source}]

    def name(self) -> str:
        """Give the name of a package to make; not from several threads at once."""
        return self._work.package_name("attempt")

    def make(self, ops: quilt.QuiltOps, message: str, name: str = "") -> Attempt:
        """Create a package; a failure of the system is an outcome, any other error is raised."""
        name, said = name or self.name(), self._work.own_message(message)
        since, began = time.time(), time.monotonic()
        try:
            ops.create_package_revision(name, self._work.registry, self._entries, message=said)
        except quilt.BackendError as error:
            return Attempt(name, _outcome(error.context), error.context, time.monotonic() - began, since)
        return Attempt(name, "pass", {}, time.monotonic() - began, since)

    def make_apart(self, isolated: Isolated, home: Path, message: str, name: str, **construction: Any) -> Attempt:
        """Create a package in a process of its own: quilt3 lets one user at a time into a process."""
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
        """Give the hash that a package like one made before has with another message."""
        bucket = self._work.bucket
        manifest = self._observer.manifest(bucket, self._observer.latest(bucket, made.name)[0])
        return top_hash(manifest.header | {"message": self._work.own_message(message)}, list(manifest.entries.values()))


@dataclass(frozen=True)
class Bench:
    """One user whom the faults name, with a short and a long limit, and what looks at the outcome."""

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
        """Switch a fault of constructs on for this user."""
        parameters = more | ({"seconds": seconds * self.factor} if seconds else {})
        self.fault.set(CONSTRUCT[self.backend][0], name, user=self.user, **parameters)

    def slowest_ms(self) -> float:
        """Give how long the server took for the slowest construct of this user."""
        service, operation = CONSTRUCT[self.backend]
        calls = [call for call in self._calls(0) if (call.service, call.operation) == (service, operation)]
        return max(call.ms for call in calls)

    def _calls(self, since: float) -> list[Call]:
        """List what the services answered this user from a time on, in order of their beginning."""
        return [call for call in self.call_log.calls() if call.user == self.user and call.began >= since]

    def clocked(self, attempt: Attempt) -> Attempt:
        """Give an attempt with the seconds for which a service had one of its requests.

        The client's own work takes longer the busier the machine is, which says nothing about the system.
        """
        end, seconds = 0.0, 0.0
        for call in self._calls(attempt.since):
            done = call.began + call.ms / 1000
            seconds += max(done - max(call.began, end), 0.0)
            end = max(end, done)
        return replace(attempt, seconds=seconds)

    def lead_s(self, attempt: Attempt) -> float:
        """Give what an error's time holds before the request that stalled: in quilt3 a push is many requests."""
        if self.backend == "platform":
            return 0.0
        # What stalled is not waited for: the server writes a request down that its client gave up when it likes.
        _, stalled = CONSTRUCT[self.backend]
        before = [call for call in self._calls(attempt.since) if call.operation != stalled]
        return before[-1].began + before[-1].ms / 1000 - before[0].began

    def make(self, message: str) -> Attempt:
        """Attempt a creation with the long limit."""
        return self.clocked(self.attempts.make(self.long, message))

    def normal(self, message: str) -> Attempt:
        """Case a: with every fault off a creation passes at once."""
        self.fault.reset()
        made = self.clocked(self.attempts.make(self.short, message))
        assert (made.verdict(1), made.context) == ("pass", {})
        assert made.seconds < QUICK_S
        return made

    def class_of(self, case: str, attempt: Attempt) -> str:
        """Give an attempt's class, and put it into the report."""
        found = attempt.verdict(self.factor)
        note(f"case_{case}", found)
        return found

    def overhead_s(self, usual: Attempt) -> float:
        """Give what the time of an error holds besides the request that failed: in quilt3 a push is many requests."""
        return usual.seconds if self.backend == "quilt3" else 0.0


def _outcome(context: dict[str, Any]) -> str:
    return "timeout" if context["kind"] == "timeout" else "error"
