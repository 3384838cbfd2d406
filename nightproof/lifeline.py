"""Run a Python module that must not outlive us: `python -m nightproof.lifeline MODULE ARGUMENTS…`.

The starter holds the write end of a pipe and passes the read end's number in NIGHTPROOF_LIFELINE_FD. EOF means that the
starter is gone, however it died, and takes the whole process group along. The module runs in the very process that
watches: a helper between the two could be killed alone and would leave its child behind.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Final

from nightproof.evidence.private import private_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

VARIABLE: Final = "NIGHTPROOF_LIFELINE_FD"
OWNER: Final = "NIGHTPROOF_OWNER_PID"
POLL_S: Final = 0.5
ORPHAN_GRACE_S: Final = 25.0  # with the time to notice, an orphan is gone within 30 s


@dataclass(slots=True)
class Kept:
    """A child in its own session with the write end of its lifeline."""

    process: subprocess.Popen[bytes]
    write_end: int
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stop(self, grace_s: float) -> None:
        """Ask with SIGTERM, wait, then close the lifeline, which ends what is left; safe to repeat."""
        self.process.terminate()
        try:
            self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        finally:
            self._release()

    def _release(self) -> None:
        with self._lock:
            if self.write_end >= 0:
                os.close(self.write_end)
                self.write_end = -1


def keep(module: Sequence[str], env: Mapping[str, str], log: Path, cwd: Path, *, umask: int = -1) -> Kept:
    """Start a module with its arguments under a lifeline, in its own session, so that Ctrl-C reaches us alone.

    `umask` says what files it makes keep from others; -1: as in this process.
    """
    reader, writer = os.pipe()
    try:
        with private_file(log).open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "nightproof.lifeline", *module],
                env={**env, VARIABLE: str(reader)},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(reader,),
                start_new_session=True,
                umask=umask,
            )
    except BaseException:
        os.close(writer)  # whatever happened, nobody else knows this descriptor
        raise
    finally:
        os.close(reader)
    return Kept(process, writer)


def end_with_owner(grace_s: float = ORPHAN_GRACE_S) -> None:
    """End this process once the kept process that it descends from is gone: by SIGTERM, and in time by SIGKILL.

    For children that take a session of their own, where the end of their owner's group does not reach them. Elsewhere
    than below a kept process nothing is watched.
    """
    owner = os.environ.get(OWNER, "")
    if owner and int(owner) != os.getpid():
        threading.Thread(target=_outlive, args=(int(owner), grace_s), name="owner watch", daemon=True).start()


def _outlive(owner: int, grace_s: float) -> None:
    while is_alive(owner):
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_s)
    os.kill(os.getpid(), signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Return whether a process still does anything; one that nobody reaps is dead."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except OSError:  # gone meanwhile, or a system without /proc
        return not Path("/proc/self/stat").exists()
    return state != "Z"


def _watch(descriptor: int) -> None:
    while os.read(descriptor, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


def main(module: str, arguments: Sequence[str]) -> None:
    """Watch the lifeline in a thread and become the module."""
    descriptor = int(os.environ.pop(VARIABLE))
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - the standard library's signature
    threading.Thread(target=_watch, args=(descriptor,), name="lifeline", daemon=True).start()
    os.environ[OWNER] = str(os.getpid())
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
