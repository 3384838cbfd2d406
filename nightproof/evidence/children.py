"""Test id and recorders for the child processes of a test, and the sum of what they and the relay counted."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Final

from nightproof.evidence.counting import CHILD_COUNTS
from nightproof.evidence.counting import CHILD_ID
from nightproof.evidence.counting import CHILD_PHASE
from nightproof.evidence.counting import NOBODY
from nightproof.evidence.counting import asker
from nightproof.evidence.relay import client as relay
from nightproof.evidence.state import CHILD_CHANNEL
from nightproof.evidence.state import RECORDING
from nightproof.evidence.wire.owners import ROOT

SITE: Final = str(Path(__file__).parent / "child")


class Children:
    """The environment that a test's child processes inherit."""

    def __init__(self) -> None:
        handle, name = tempfile.mkstemp(prefix="nightproof-children-")
        os.close(handle)
        self._counts = Path(name)
        self._read = 0
        self._prefix = ""

    def begin(self, prefix: str) -> None:
        """Pass a test's id to the processes that it starts."""
        self._prefix = prefix
        paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != SITE]
        os.environ["PYTHONPATH"] = os.pathsep.join([SITE, *paths])
        os.environ[CHILD_ID] = prefix
        os.environ[CHILD_COUNTS] = str(self._counts)
        os.environ[CHILD_CHANNEL] = "subject"
        os.environ[ROOT] = str(os.getpid())

    @staticmethod
    def enter(phase: str) -> None:
        """Set the phase of processes that are started from now on, and announce the sender to the relay."""
        os.environ[CHILD_PHASE] = phase
        _tell_relay()

    def collect(self) -> None:
        """Add what was counted for this test since the last call; counts of an earlier test are not its evidence.

        Children may append meanwhile. So nothing is removed from the file, and a line without its end waits for the
        next call.
        """
        self._collect_relayed()
        try:
            with self._counts.open("rb") as file:
                file.seek(self._read)
                whole, end, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return  # the suite emptied the folder of temporary files: only the servers' count is left
        self._read += len(whole) + len(end)
        for line in map(json.loads, whole.splitlines()):
            if line.pop("prefix") == self._prefix:
                RECORDING.count(**line)

    def _collect_relayed(self) -> None:
        running = relay.running()
        for line in running.collect() if running else ():
            if line.pop("prefix") == self._prefix:
                RECORDING.count_relayed(**line)

    def end(self) -> None:
        """Add what is left to add, and remove the test's id from the environment."""
        self.collect()
        for name in (CHILD_ID, CHILD_COUNTS, CHILD_CHANNEL, CHILD_PHASE, ROOT):
            os.environ.pop(name, None)
        running = relay.running()
        if running:
            running.enter(NOBODY)

    def close(self) -> None:
        """Remove the file of counts."""
        self._counts.unlink(missing_ok=True)


def _tell_relay() -> None:
    running = relay.running()
    if running:
        running.enter(asker())


RECORDING.moved = _tell_relay
