"""`down` and the supervisor's note: which process it ends, how long it waits, and which notes are valid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from deployments import stopping
from deployments.state import SupervisorNote
from deployments.state import note_path
from deployments.state import place
from deployments.state import read_note
from deployments.state import write_note
from nightproof.errors import NightproofError
from nightproof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READY = "import signal, sys; {}; print('ready', flush=True); sys.stdin.read()"
URL = "http://127.0.0.1:9"


@contextmanager
def supervisor(code: str = "pass") -> Iterator[subprocess.Popen[str]]:
    """Start a process that runs `code` and then waits; yield it once it is ready."""
    command = [sys.executable, "-S", "-c", READY.format(code)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_it_waits_for_the_end(tmp_path: Path) -> None:
    """`Stopped.` is returned only after the supervisor has ended."""
    with supervisor() as process, place(tmp_path):
        write_note(tmp_path, SupervisorNote(process.pid, URL))
        assert stopping.stop_supervisor(tmp_path, 20) == "Stopped."
        assert process.wait(0) == -signal.SIGTERM
    assert stopping._has_ended(process.pid, 0.1)


def test_one_that_does_not_end_is_named(tmp_path: Path) -> None:
    """If the supervisor does not end, the error names its process, the limit and its URL."""
    with supervisor("signal.signal(signal.SIGTERM, signal.SIG_IGN)") as process, place(tmp_path):
        write_note(tmp_path, SupervisorNote(process.pid, URL))
        with pytest.raises(NightproofError, match=rf"process {process.pid}\) did not end within 0 s: look at {URL}"):
            stopping.stop_supervisor(tmp_path, 0.1)


def test_without_pidfd_it_looks_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pidfd, as outside Linux, the end of a process is found by polling."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with supervisor() as process:
        assert not stopping._has_ended(process.pid, 0.1)
    assert stopping._has_ended(process.pid, 0.1)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "url": ""}'])
def test_a_torn_note_counts_as_none(tmp_path: Path, text: str) -> None:
    """A missing, torn or foreign note names no supervisor, but its place counts as taken."""
    with place(tmp_path):
        assert stopping.stop_supervisor(tmp_path) == "No supervisor is running."
        note_path(tmp_path).write_text(text)
        assert stopping.stop_supervisor(tmp_path) == "No supervisor is running."
        with pytest.raises(UsageError, match=r"A supervisor runs already \(it is just starting\): stop it with "):
            place(tmp_path).__enter__()


def test_the_note_of_a_dead_supervisor_harms_nobody(tmp_path: Path) -> None:
    """A process that reuses a dead supervisor's id gets no signal, and the place is free."""
    with place(tmp_path):
        pass
    with supervisor() as somebody:
        write_note(tmp_path, SupervisorNote(somebody.pid, URL))
        assert read_note(tmp_path) is None
        assert stopping.stop_supervisor(tmp_path) == "No supervisor is running."
        assert somebody.poll() is None


def test_a_live_supervisor_gives_its_server(tmp_path: Path) -> None:
    """The note of a live supervisor has the URL of its API; it is valid only while the place is taken."""
    assert read_note(tmp_path) is None
    with place(tmp_path):
        write_note(tmp_path, SupervisorNote(os.getpid(), URL))
        note = read_note(tmp_path)
        assert note is not None
        assert (note.pid, note.api) == (os.getpid(), f"{URL}/api")
    assert read_note(tmp_path) is None
