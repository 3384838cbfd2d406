"""A service prints the address it listens on, and ends when its lifeline closes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import httpx

from testbed.serving import watch_lifeline
from testbed.supervisor import free_port

if TYPE_CHECKING:
    import pytest

SERVICE = """
from starlette.applications import Starlette
from testbed.serving import serve
import sys
sys.exit(serve(Starlette(), int(sys.argv[1])))
"""


def test_it_is_ready_when_it_says_so_and_ends_with_its_lifeline() -> None:
    """A service answers once its line on stdout names the address, and ends cleanly when the pipe is closed."""
    reader, lifeline = os.pipe()
    port = free_port()
    service = subprocess.Popen(
        [sys.executable, "-c", SERVICE, str(port)],
        env=os.environ | {"NIGHTPROOF_LIFELINE_FD": str(reader)},
        stdout=subprocess.PIPE,
        text=True,
        pass_fds=(reader,),
    )
    os.close(reader)
    assert service.stdout is not None
    assert service.stdout.readline() == f"ready http://127.0.0.1:{port}\n"
    assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 404
    os.close(lifeline)
    service.communicate(timeout=30)
    assert service.returncode in {0, -15}


def test_the_end_of_the_lifeline_is_noticed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The callback runs when the pipe is closed, not when bytes arrive on it."""
    reader, writer = os.pipe()
    monkeypatch.setenv("NIGHTPROOF_LIFELINE_FD", str(reader))
    ended = threading.Event()
    watch_lifeline(ended.set)
    os.write(writer, b"x")
    assert not ended.wait(0.1)
    os.close(writer)
    assert ended.wait(10)
    os.close(reader)


def test_without_a_lifeline_nothing_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service started by hand, without a lifeline, starts no watcher thread and runs until it is told to end."""
    monkeypatch.delenv("NIGHTPROOF_LIFELINE_FD", raising=False)
    before = threading.active_count()
    watch_lifeline(lambda: None)
    assert threading.active_count() == before
