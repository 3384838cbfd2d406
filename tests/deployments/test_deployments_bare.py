"""The command line in a process without standard streams, without HOME, or without an entry in the user database."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

START = "from deployments.cli import main; main()"
NOBODY = """
import pwd
def nobody(uid): raise KeyError("getpwuid(): uid not found: %d" % uid)
pwd.getpwuid = nobody
"""


def ended(code: str, *words: str, streams: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command line in a process without HOME; the shell closes the streams named in `streams`."""
    env = {name: value for name, value in os.environ.items() if name != "HOME"}
    shell = f'exec "$@" {streams}'
    command = ["sh", "-c", shell, "sh", sys.executable, "-c", code, *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_help_needs_no_stream(streams: str) -> None:
    """`--help` exits 0 with standard streams closed, as a daemon starts its children."""
    done = ended(START, "--help", streams=streams)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_user_without_home_and_entry_gets_one_sentence() -> None:
    """A container may run under any user id: the error is about the profile, not about the user."""
    done = ended(NOBODY + START, "doctor", "--profile", "no-such")
    assert done.returncode == 3
    assert done.stderr.startswith("There is no profile `no-such`")
    assert done.stderr.count("\n") == 1
