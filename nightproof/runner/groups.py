"""The process groups of cells: start, end, and a lifeline through which a group ends with this process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from pathlib import Path  # noqa: TC003 - annotations stay usable at run time
from typing import IO
from typing import TYPE_CHECKING
from typing import Final

from nightproof.errors import Interrupted
from nightproof.evidence.strays import LIFELINE
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

POLL_S: Final = 0.02
OWNERS_S: Final = 2.0


class ProcessGroup:
    """A child in its own session with everything it starts; its methods may be called from any thread."""

    def __init__(self, process: subprocess.Popen[bytes], lifeline: int) -> None:
        self._process = process
        self._lifeline = lifeline
        self._lock = threading.Lock()  # nobody may signal a group id after its leader is reaped

    @property
    def pid(self) -> int:
        """The leader's process id, which is the group's id as well."""
        return self._process.pid

    @property
    def output(self) -> IO[bytes]:
        """The pipe that carries the group's stdout and stderr."""
        if self._process.stdout is None:
            raise RuntimeError("The group was started without a pipe for its output.")
        return self._process.stdout

    def has_ended(self) -> bool:
        """Return whether the leader has ended; it is not reaped, so that its group id stays ours."""
        with self._lock:
            if self._process.returncode is not None:
                return True
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None

    def stop(self, grace_s: float) -> None:
        """End the group: SIGTERM, a grace period, SIGKILL; safe to repeat."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while not self.has_ended() and time.monotonic() < deadline:
            time.sleep(POLL_S)
        self._signal(signal.SIGKILL)

    def reap(self) -> int:
        """End what is left of the group, wait for the leader and return its exit code, negative for a signal."""
        self._signal(signal.SIGKILL)
        while not self.has_ended():
            time.sleep(POLL_S)
        with self._lock:
            code = self._process.wait()
            if self._lifeline >= 0:
                os.close(self._lifeline)
                self._lifeline = -1
        return code

    def _signal(self, number: signal.Signals) -> None:
        with self._lock:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, number)


class GroupRegistry:
    """The live groups of a night, so that any thread can end them all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: set[ProcessGroup] = set()
        self._is_stopping = False

    @property
    def is_stopping(self) -> bool:
        """Whether `stop_all` was called; nothing is started any more."""
        return self._is_stopping

    def start(self, command: Sequence[str], env: Mapping[str, str], cwd: Path) -> ProcessGroup:
        """Start a child in its own session with a lifeline to this process; raise Interrupted after `stop_all`."""
        # This process alone holds the write end: when it dies, the child reads the end of the pipe.
        read_end, write_end = os.pipe()
        try:
            with self._lock:
                self._refuse_when_stopping()
                process = subprocess.Popen(
                    command,
                    env={**env, LIFELINE: str(read_end)},
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    pass_fds=(read_end,),
                    start_new_session=True,
                )
                group = ProcessGroup(process, write_end)
                self._groups.add(group)
        except BaseException:
            os.close(write_end)
            raise
        finally:
            os.close(read_end)
        return group

    def _refuse_when_stopping(self) -> None:
        if self._is_stopping:
            raise Interrupted("cancelled")

    def forget(self, group: ProcessGroup) -> None:
        """Remove a reaped group from the registry."""
        with self._lock:
            self._groups.discard(group)

    def stop_all(self, grace_s: float) -> None:
        """End every group at once and reject new ones; allow their owners 2 s to reap them and close their logs."""
        with self._lock:
            self._is_stopping = True
            groups = tuple(self._groups)
        threads = [threading.Thread(target=group.stop, args=(grace_s,)) for group in groups]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with contextlib.suppress(TimeoutError):
            await_value(lambda: not self._groups, OWNERS_S)
