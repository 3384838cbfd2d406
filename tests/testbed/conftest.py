"""Fixtures of the testbed's own tests: testbeds as processes that end with their test at the latest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING
from typing import Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_S = 150  # a hang, not a slow machine


class Running:
    """A `python -m testbed` process on a state directory, whose lifeline this process holds."""

    def __init__(self, state: Path, *arguments: str) -> None:
        self.state = state
        reader, self.lifeline = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "testbed", "--state-dir", str(state), *arguments],
            env=os.environ | {"NIGHTPROOF_LIFELINE_FD": str(reader)},
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=(reader,),
        )
        os.close(reader)
        self.said: list[str] = []
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(line.strip() for line in self.process.stderr)

    @property
    def facts(self) -> dict[str, Any]:
        """Return the content of testbed.json."""
        read: dict[str, Any] = json.loads((self.state / "testbed.json").read_text(encoding="utf-8"))
        return read

    def pids(self) -> list[int]:
        """Return the process ids of the testbed and its services."""
        return [self.process.pid, *(service["pid"] for service in self.facts["services"].values())]

    def await_ready(self) -> Running:
        """Wait for the line "testbed: ready". testbed.json proves nothing: it may be that of a killed testbed."""
        await_that(lambda: "testbed: ready" in self.said or self.process.poll() is not None)
        assert self.process.poll() is None, self.said
        return self

    def ended(self) -> int:
        """Wait for the end of the process and return its exit code. `said` is then complete."""
        code = self.process.wait(DEADLINE_S)
        self._listening.join(DEADLINE_S)
        return code

    def cut(self) -> None:
        """Close the lifeline."""
        if self.lifeline:
            os.close(self.lifeline)
            self.lifeline = 0

    def close(self) -> None:
        """End the process if it still runs."""
        self.cut()
        self.process.terminate()
        self.ended()
        assert self.process.stderr is not None
        self.process.stderr.close()


def await_that(condition: Callable[[], object], seconds: float = DEADLINE_S) -> None:
    """Poll until a condition holds. Fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Return whether a process runs. A zombie, which its parent has not reaped, does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:  # noqa: PTH123 - no path to keep
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def run_testbed() -> Iterator[Callable[..., Running]]:
    """Yield a function that starts a testbed. Each ends with the test."""
    started: list[Running] = []

    def run(state: Path, *arguments: str) -> Running:
        started.append(Running(state, *arguments))
        return started[-1]

    yield run
    for running in started:
        running.close()
