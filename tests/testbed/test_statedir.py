"""A state directory has one holder, and is handed over when a killed one's services are gone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from testbed.statedir import UsageError
from testbed.statedir import hold

if TYPE_CHECKING:
    from pathlib import Path

INIT = "1"  # lives always, and may belong to somebody else


def test_a_holder_is_named(tmp_path: Path) -> None:
    """A second hold is refused with the process id of the first."""
    held = hold(tmp_path)
    with pytest.raises(UsageError, match=f"process {os.getpid()}:") as caught:
        hold(tmp_path)
    assert caught.value.exit_code == 3
    os.close(held)
    os.close(hold(tmp_path))


@pytest.mark.parametrize("holder", ["", "999999999"])
def test_services_of_a_dead_holder_are_waited_for(tmp_path: Path, holder: str) -> None:
    """While a service of the dead holder still has the directory, a new one waits, then takes it."""
    held = hold(tmp_path)
    (tmp_path / "lock").write_text(holder)
    released = threading.Timer(0.2, lambda: os.close(held))
    released.start()
    os.close(hold(tmp_path))
    released.join()
    assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_the_wait_for_a_dead_holder_ends(tmp_path: Path) -> None:
    """Services that never end are an error in time."""
    held = hold(tmp_path)
    (tmp_path / "lock").write_text("999999999")
    with pytest.raises(UsageError, match="process 999999999"):
        hold(tmp_path, handover_s=0.1)
    os.close(held)


def test_a_holder_of_another_user_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that we may not signal is alive."""

    def forbidden(_pid: int, _number: int) -> None:
        raise PermissionError

    held = hold(tmp_path)
    (tmp_path / "lock").write_text(INIT)
    monkeypatch.setattr(os, "kill", forbidden)
    with pytest.raises(UsageError, match="process 1:"):
        hold(tmp_path)
    os.close(held)


def test_a_service_keeps_the_directory_of_its_supervisor(tmp_path: Path) -> None:
    """The descriptor that a child inherits holds the directory after its parent closed it."""
    held = hold(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(held,))
    os.close(held)
    with pytest.raises(UsageError):
        hold(tmp_path)
    child.communicate(b"\n")
    os.close(hold(tmp_path))
