"""Waiting with a deadline, and children that do not outlive their starter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nightproof.lifeline import keep
from nightproof.waiting import await_value

STARTER = """
import pathlib, sys
from nightproof.lifeline import keep
kept = keep([sys.executable, "-c", "import time; time.sleep(60)"], {}, pathlib.Path(sys.argv[1]), pathlib.Path.cwd())
print(kept.process.pid, flush=True)
sys.stdin.read()
"""


def _group_is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_value_that_comes_is_given() -> None:
    """The probe is asked until it gives something."""
    answers = iter([None, None, "here"])

    assert await_value(lambda: next(answers), 5, 0.001) == "here"


def test_a_value_that_never_comes_ends_at_the_deadline() -> None:
    """Nothing waits for ever."""
    with pytest.raises(TimeoutError, match=r"within 0\.01 s"):
        await_value(lambda: None, 0.01, 0.001)


def test_a_kept_child_ends_on_request(tmp_path: Path) -> None:
    """SIGTERM reaches the command through the lifeline's process, and its output is in the log."""
    log = tmp_path / "log"
    kept = keep(
        [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"], dict(os.environ), log, tmp_path
    )
    await_value(lambda: log.read_text() == "up\n", 20)

    kept.stop(10)

    assert kept.process.returncode is not None
    assert _group_is_gone(kept.process.pid)


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """The grace period is a bound, not a hope."""
    log = tmp_path / "log"
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    kept = keep([sys.executable, "-c", stubborn], dict(os.environ), log, tmp_path)
    await_value(lambda: log.read_text() == "up\n", 20)

    kept.stop(0.2)

    assert kept.process.returncode == -signal.SIGKILL


def test_a_child_does_not_outlive_a_killed_starter(tmp_path: Path) -> None:
    """SIGKILL of the starter closes the pipe, which takes the whole group along."""
    root = Path(__file__).parents[2]
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path / "log")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root,
    )  # fmt: skip
    assert starter.stdout is not None
    group = int(starter.stdout.readline())
    assert not _group_is_gone(group)

    starter.kill()
    starter.communicate()

    assert await_value(lambda: _group_is_gone(group), 10)


def test_a_command_that_cannot_be_started_is_reported_without_leaking(tmp_path: Path) -> None:
    """A folder that does not exist is the caller's error, raised at once."""
    with pytest.raises(FileNotFoundError):
        keep(["true"], {}, tmp_path / "log", tmp_path / "nowhere")
