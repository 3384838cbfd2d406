"""Process groups: no start after the end, and a child that ignores SIGTERM."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from nightproof.errors import Interrupted
from nightproof.runner.groups import GroupRegistry
from tests.nightproof.evidence.wire import await_true

if TYPE_CHECKING:
    from pathlib import Path

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"


def test_nothing_starts_after_the_end(tmp_path: Path) -> None:
    """A group that would start after an interruption is refused."""
    groups = GroupRegistry()
    groups.stop_all(0.1)
    with pytest.raises(Interrupted):
        groups.start([sys.executable, "-c", "pass"], dict(os.environ), tmp_path)


def test_deaf_child_is_killed_after_the_grace_period(tmp_path: Path) -> None:
    """A child that ignores SIGTERM gets SIGKILL; reaping and stopping may be repeated."""
    groups = GroupRegistry()
    group = groups.start([sys.executable, "-c", DEAF], dict(os.environ), tmp_path)
    with group.output as output:
        assert output.readline() == b"up\n"
        groups.stop_all(0.2)
        await_true(group.has_ended)
        assert group.reap() == -9
    group.stop(0.1)
    assert group.reap() == -9
    assert group.has_ended()


def test_group_ends_with_its_leader(tmp_path: Path) -> None:
    """A grandchild that outlives the leader is killed when the leader is reaped."""
    groups = GroupRegistry()
    code = "import subprocess; print(subprocess.Popen(['sleep', '60']).pid, flush=True)"
    group = groups.start([sys.executable, "-c", code], dict(os.environ), tmp_path)
    with group.output as output:
        grandchild = int(output.readline())
        await_true(group.has_ended)
        assert group.reap() in {0, -9}
        assert output.read() == b""  # end of file: no process holds the pipe any more
    groups.forget(group)
    assert grandchild > 0
