"""Run a command that must not outlive us: `python -m nightproof.lifeline COMMAND…` ends it when the pipe closes.

The starter holds the write end of a pipe and passes the read end's number in NIGHTPROOF_LIFELINE_FD. EOF means that the
starter is gone, however it died, and takes the whole process group along.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence
    from pathlib import Path

VARIABLE: Final = "NIGHTPROOF_LIFELINE_FD"


@dataclass(slots=True)
class Kept:
    """A child in its own session with the write end of its lifeline."""

    process: subprocess.Popen[bytes]
    write_end: int

    def stop(self, grace_s: float) -> None:
        """Ask with SIGTERM, wait, then close the lifeline, which ends what is left."""
        self.process.terminate()
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        finally:
            os.close(self.write_end)


def keep(command: Sequence[str], env: Mapping[str, str], log: Path, cwd: Path) -> Kept:
    """Start a command under a lifeline, in a session of its own, so that Ctrl-C reaches us alone."""
    reader, writer = os.pipe()
    try:
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "nightproof.lifeline", *command],
                env={**env, VARIABLE: str(reader)},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(reader,),
                start_new_session=True,
            )
    except BaseException:
        os.close(writer)  # whatever happened, nobody else knows this descriptor
        raise
    finally:
        os.close(reader)
    return Kept(process, writer)


def _watch(descriptor: int) -> None:
    while os.read(descriptor, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


def main(command: Sequence[str]) -> int:
    """Run the command, hand on SIGTERM and SIGINT, and give its exit code."""
    descriptor = int(os.environ.pop(VARIABLE))
    threading.Thread(target=_watch, args=(descriptor,), daemon=True).start()
    child = subprocess.Popen(list(command))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _frame: child.send_signal(received))
    return child.wait()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
