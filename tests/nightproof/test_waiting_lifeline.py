"""Waiting with a deadline, and children that do not outlive their starter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nightproof.lifeline import is_alive
from nightproof.lifeline import keep
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from nightproof.lifeline import Kept

ROOT = Path(__file__).parents[2]
ORPHAN = """
import os, signal, sys, time
from nightproof.lifeline import OWNER, end_with_owner
os.environ[OWNER] = str(os.getpid())
if not os.fork():
    end_with_owner(float(sys.argv[1]))
    if sys.argv[2] == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(os.getpid(), flush=True)
    time.sleep(60)
time.sleep(60)
"""
STARTER = """
import os, pathlib, sys
from nightproof.lifeline import keep
folder = pathlib.Path(sys.argv[1])
kept = keep(["stub"], dict(os.environ, PYTHONPATH=str(folder)), folder / "log", pathlib.Path.cwd())
print(kept.process.pid, flush=True)
sys.stdin.read()
"""


def _keep(folder: Path, code: str) -> Kept:
    """Keep a module of this code."""
    (folder / "stub.py").write_text(code)
    return keep(["stub"], os.environ | {"PYTHONPATH": str(folder)}, folder / "log", ROOT)


def _group_is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_value_that_comes_is_given() -> None:
    """The probe is called until it returns a true value."""
    answers = iter([None, None, "here"])

    assert await_value(lambda: next(answers), 5, 0.001) == "here"


def test_a_value_that_never_comes_ends_at_the_deadline() -> None:
    """Waiting ends with TimeoutError at the deadline."""
    with pytest.raises(TimeoutError, match=r"within 0\.01 s"):
        await_value(lambda: None, 0.01, 0.001)


def test_a_kept_child_ends_on_request(tmp_path: Path) -> None:
    """SIGTERM reaches the module itself, and its output is in the log."""
    kept = _keep(tmp_path, "import time; print('up', flush=True); time.sleep(60)")
    await_value(lambda: (tmp_path / "log").read_text() == "up\n", 20)

    kept.stop(10)
    kept.stop(10)  # a second time finds nothing to do, and closes nobody else's descriptor

    assert kept.process.returncode == -signal.SIGTERM
    assert _group_is_gone(kept.process.pid)


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """A child that ignores SIGTERM is killed after the grace period."""
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    kept = _keep(tmp_path, stubborn)
    await_value(lambda: (tmp_path / "log").read_text() == "up\n", 20)

    kept.stop(0.2)

    assert kept.process.returncode == -signal.SIGKILL


def test_a_child_does_not_outlive_a_killed_starter(tmp_path: Path) -> None:
    """When the starter is killed, the child's whole process group is killed too."""
    (tmp_path / "stub.py").write_text("import time; time.sleep(60)")
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert starter.stdout is not None
    group = int(starter.stdout.readline())
    assert not _group_is_gone(group)

    starter.kill()
    starter.communicate()

    assert await_value(lambda: _group_is_gone(group), 10)


@pytest.mark.parametrize("kind", ["polite", "deaf"])
def test_who_lost_its_owner_ends_itself(kind: str) -> None:
    """A process without its owner ends by SIGTERM, or by SIGKILL if it ignores that."""
    parent = subprocess.Popen([sys.executable, "-c", ORPHAN, "0.2", kind], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout is not None
    orphan = int(parent.stdout.readline())
    assert is_alive(orphan)

    parent.kill()
    parent.wait()

    assert await_value(lambda: not is_alive(orphan), 10)
    parent.stdout.close()


def test_a_dead_process_that_nobody_reaped_is_dead() -> None:
    """A zombie counts as dead."""
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    assert is_alive(child.pid)
    child.kill()
    assert await_value(lambda: not is_alive(child.pid), 10)
    child.communicate()


def test_a_command_that_cannot_be_started_is_reported_without_leaking(tmp_path: Path) -> None:
    """Starting a module in a missing folder raises FileNotFoundError at once."""
    with pytest.raises(FileNotFoundError):
        keep(["stub"], {}, tmp_path / "log", tmp_path / "nowhere")
