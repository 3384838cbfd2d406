"""Calls that begin at the same moment, each in its own thread."""

from __future__ import annotations

import threading
from multiprocessing.pool import ThreadPool
from typing import TYPE_CHECKING
from typing import Final
from typing import TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

Result = TypeVar("Result")
JOIN_S: Final = 60  # longer is a deadlock


def together(acts: Sequence[Callable[[], Result]], deadline_s: float = JOIN_S) -> list[Result]:
    """Begin all calls at once and return their results in order.

    Raises the first error, or TimeoutError if a call does not end in time.
    """
    start = threading.Barrier(len(acts))

    def begin(act: Callable[[], Result]) -> Result:
        start.wait(deadline_s)
        return act()

    pool = ThreadPool(len(acts))  # its threads are daemons: one that hangs keeps no process alive
    try:
        # No thread takes a second call: its first one waits until every call has a thread.
        results = pool.map_async(begin, acts, chunksize=1)
        results.wait(deadline_s)
        if not results.ready():
            raise TimeoutError(f"Of {len(acts)} calls that began at once one did not end within {deadline_s} s.")
        return results.get()
    finally:
        pool.terminate()
