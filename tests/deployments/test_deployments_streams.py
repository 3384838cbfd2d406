"""Standard streams that are closed, full or not read: the night goes on and keeps its exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nightproof.report.files import read_report

if TYPE_CHECKING:
    from tests.nightproof.foreign import Foreign

ROOT = Path(__file__).parents[2]
CODE = """
import os, sys
from deployments.streams import secure
secure()
sys.stdin.read()
for stream in (sys.stdout, sys.stderr):
    for _ in range(3):
        stream.write("x" * 100_000)
        stream.flush()
reader, writer = os.pipe()
sys.exit(7 if min(reader, writer) > 2 else 8)
"""


@pytest.mark.parametrize(
    "streams",
    ["</dev/null", "<&-", ">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full", "2>/dev/full", "| true", "2>&1 | true"],
)
def test_no_stream_ends_a_process(streams: str) -> None:
    """Writing never fails, and descriptors 0 to 2 are open, so that a new pipe gets higher numbers."""
    script = f'set -o pipefail; "$0" -c "$1" {streams}'
    done = subprocess.run(
        ["bash", "-c", script, sys.executable, CODE],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (7, False)


def test_what_is_written_arrives() -> None:
    """Output to open streams arrives complete and unchanged."""
    code = "import sys; from deployments.streams import secure; secure(); print('out ü'); print('err', file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONUTF8": "1"}, capture_output=True, check=True
    )
    assert (done.stdout.decode(), done.stderr) == ("out ü\n", b"err\n")


@pytest.mark.timeout(240)  # a new database's migrations take a while on a busy machine
def test_a_night_needs_no_terminal(foreign: Foreign) -> None:
    """A night with closed stdin and stderr and a full stdout is green, and its report is on disk."""
    script = '"$0" -m deployments.cli run --profile "$1" <&- >/dev/full 2>&-'
    command = ["bash", "-c", script, sys.executable, str(foreign.profile_path)]
    assert subprocess.run(command, cwd=ROOT, timeout=200, check=False).returncode == 0
    assert read_report(foreign.state / "runs" / "latest" / "report.json").colour == "GREEN"
