"""Run a Python module that must not outlive its starter: `python -m nightproof.lifeline MODULE ARGUMENTS…`.

The starter holds the write end of a pipe and passes the read end's number in NIGHTPROOF_LIFELINE_FD. EOF means that the
starter has died, by whatever cause; the whole process group is then killed. The watching process itself becomes the
module: a separate watcher could be killed alone and would leave the module running.
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
ORPHAN_GRACE_S: Final = 25.0  # with the polling interval an orphan is gone within 30 s


@dataclass(slots=True)
class Kept:
    """A child process in its own session, with the write end of its lifeline."""

    process: subprocess.Popen[bytes]
    write_end: int
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def stop(self, grace_s: float) -> None:
        """Send SIGTERM, wait, kill the group at `grace_s`; closing the lifeline ends the rest. Safe to repeat."""
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
    """Start a module under a lifeline, in its own session, so that Ctrl-C reaches only this process.

    `umask` is the mask of the files that it creates; -1 keeps this process's own.
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
        os.close(writer)  # no other owner would ever close this descriptor
        raise
    finally:
        os.close(reader)
    return Kept(process, writer)


def end_with_owner(grace_s: float = ORPHAN_GRACE_S) -> None:
    """End this process once its kept ancestor has died: by SIGTERM, then after `grace_s` by SIGKILL.

    For children in a session of their own, which the kill of the owner's process group does not reach. Outside a kept
    process nothing is watched.
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
    """Return whether a process is running; a zombie counts as dead."""
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
    """Watch the lifeline in a thread and run the module in this process."""
    descriptor = int(os.environ.pop(VARIABLE))
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - the standard library's signature
    threading.Thread(target=_watch, args=(descriptor,), name="lifeline", daemon=True).start()
    os.environ[OWNER] = str(os.getpid())
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
