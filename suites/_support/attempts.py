"""Attempts at a creation under a fault, told apart as a report must: passed, broken or out of time, and how slow."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof import quilt
from suites._support.hashes import top_hash

if TYPE_CHECKING:
    from pathlib import Path

    from suites._support.isolated import Isolated
    from suites._support.observer import Observer
    from suites._support.work import Work

SLOW_S: Final = 10
APART_S: Final = 100


@dataclass(frozen=True)
class Attempt:
    """What a creation came to: its class, its error's context, and the seconds it took."""

    name: str
    outcome: str
    context: dict[str, Any]
    seconds: float

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
        name = name or self.name()
        began = time.monotonic()
        try:
            ops.create_package_revision(name, self._work.registry, self._entries, message=message)
        except quilt.BackendError as error:
            return Attempt(name, _outcome(error.context), error.context, time.monotonic() - began)
        return Attempt(name, "pass", {}, time.monotonic() - began)

    def make_apart(self, isolated: Isolated, home: Path, message: str, name: str, **construction: Any) -> Attempt:
        """Create a package in a process of its own: quilt3 lets one user at a time into a process."""
        asked = {"package": name, "registry": self._work.registry, "entries": self._entries, "message": message}
        done = isolated.run("attempt", home, deadline_s=APART_S, **asked, **construction)
        seconds, error = done["seconds"], done["class"]
        if error is None:
            return Attempt(name, "pass", {}, seconds)
        if error != "BackendError":
            raise ChildProcessError(f"The creation of {name} ended in {error}: {done['message']}")
        return Attempt(name, _outcome(done["context"]), done["context"], seconds)

    def hash_of(self, made: Attempt, message: str) -> str:
        """Give the hash that a package like one made before has with another message."""
        bucket = self._work.bucket
        manifest = self._observer.manifest(bucket, self._observer.latest(bucket, made.name)[0])
        return top_hash(manifest.header | {"message": message}, list(manifest.entries.values()))


def _outcome(context: dict[str, Any]) -> str:
    return "timeout" if context["kind"] == "timeout" else "error"
