"""A pytest plugin that records what plain pytest reports; imports only pytest and the standard library.

It runs in the suite's interpreter and knows nothing of nightproof: it is the other side of a comparison. With
`PLAIN_PEERS` it also notes which tests connect to another process, found by the listener's entry in /proc.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import pytest

if TYPE_CHECKING:
    from typing import TextIO

LOCAL = ("127.", "::1", "localhost", "0.0.0.0", "::ffff:127.")  # noqa: S104 - an address that is compared, not bound
ADDRESS_AND_PORT = 2
LISTEN = "0A"


class Recorder:
    """Writes one JSON line per event."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._owner = os.getpid()
        self._test = ""

    def note(self, kind: str, **fields: Any) -> None:
        """Write one line; a forked child writes nothing, as its events are not this session's."""
        if os.getpid() == self._owner:
            self._file.write(json.dumps({"kind": kind, "time": time.time(), **fields}) + "\n")

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a collection error or skip."""
        if not report.passed:
            self.note("collect", nodeid=report.nodeid, outcome=report.outcome, text=str(report.longrepr)[-500:])

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the collected tests with their files."""
        self.note("tests", tests=[[item.nodeid, str(item.path)] for item in session.items])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note that a test begins."""
        self._test = nodeid
        self.note("start", nodeid=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how a phase or a sub-test ended."""
        text = "" if report.passed else str(report.longrepr)[-500:]
        is_xfail = hasattr(report, "wasxfail")
        self.note("report", nodeid=report.nodeid, when=report.when, outcome=report.outcome, xfail=is_xfail,
                  sub=type(report) is not pytest.TestReport, duration=report.duration, text=text)  # fmt: skip

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Note the session's exit status."""
        self.note("end", exit=int(exitstatus))

    def connected(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note a connection to another process; an audit hook."""
        if event == "socket.connect" and self._test:
            address = arguments[1]
            if isinstance(address, tuple) and len(address) >= ADDRESS_AND_PORT and not _is_own(address):
                self.note("peer", nodeid=self._test, peer=f"{address[0]}:{address[1]}")


def _is_own(address: tuple[Any, ...]) -> bool:
    """Return whether the address is local and its listener is none, this process or a child of it."""
    if not str(address[0]).startswith(LOCAL):
        return False
    inodes = {f"socket:[{inode}]" for inode in _listeners(int(address[1]))}
    return not inodes or any(_holds(pid, inodes) for pid in _tree(os.getpid()))


def _listeners(port: int) -> list[str]:
    found = []
    for name in ("tcp", "tcp6"):
        for line in Path("/proc/net", name).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.append(fields[9])
    return found


def _tree(root: int) -> list[int]:
    found = [root]
    for pid in found:
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in children.read_text(encoding="ascii").split()]
    return found


def _holds(pid: int, inodes: set[str]) -> bool:
    return any(link.is_symlink() and str(link.readlink()) in inodes for link in Path(f"/proc/{pid}/fd").iterdir())


def pytest_configure(config: pytest.Config) -> None:
    """Start to record, in the first pytest of this environment only: a suite may run pytest itself."""
    path = os.environ.pop("PLAIN_LOG", "")
    if path:
        file = Path(path).open("w", buffering=1, encoding="utf-8")  # noqa: SIM115 - open as long as the session
        recorder = Recorder(file)
        config.pluginmanager.register(recorder, "plain-recorder")
        if os.environ.pop("PLAIN_PEERS", ""):
            sys.addaudithook(recorder.connected)
