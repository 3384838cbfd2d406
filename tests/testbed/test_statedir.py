"""A state directory has one holder. After a killed holder, the next one waits until its services are gone."""

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

INIT = "1"  # always runs, and may belong to another user


def test_a_holder_is_named(tmp_path: Path) -> None:
    """A second hold raises `UsageError` with the process id of the first, and works after its release."""
    held = hold(tmp_path)
    with pytest.raises(UsageError, match=f"process {os.getpid()}:") as caught:
        hold(tmp_path)
    assert caught.value.exit_code == 3
    os.close(held)
    os.close(hold(tmp_path))


@pytest.mark.parametrize("holder", ["", "999999999"])
def test_services_of_a_dead_holder_are_waited_for(tmp_path: Path, holder: str) -> None:
    """While a service of a dead holder still holds the directory, a new holder waits and then takes it."""
    held = hold(tmp_path)
    (tmp_path / "lock").write_text(holder)
    released = threading.Timer(0.2, lambda: os.close(held))
    released.start()
    os.close(hold(tmp_path))
    released.join()
    assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_the_wait_for_a_dead_holder_ends(tmp_path: Path) -> None:
    """Services of a dead holder that outlive `handover_s` raise `UsageError`."""
    held = hold(tmp_path)
    (tmp_path / "lock").write_text("999999999")
    with pytest.raises(UsageError, match="process 999999999"):
        hold(tmp_path, handover_s=0.1)
    os.close(held)


def test_a_holder_of_another_user_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A holder that may not be signalled counts as alive."""

    def forbidden(_pid: int, _number: int) -> None:
        raise PermissionError

    held = hold(tmp_path)
    (tmp_path / "lock").write_text(INIT)
    monkeypatch.setattr(os, "kill", forbidden)
    with pytest.raises(UsageError, match="process 1:"):
        hold(tmp_path)
    os.close(held)


def test_a_service_keeps_the_directory_of_its_supervisor(tmp_path: Path) -> None:
    """A child that inherited the descriptor holds the directory after its parent closed it."""
    held = hold(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(held,))
    os.close(held)
    with pytest.raises(UsageError):
        hold(tmp_path)
    child.communicate(b"\n")
    os.close(hold(tmp_path))
