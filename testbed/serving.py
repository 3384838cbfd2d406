"""The server of both services: uvicorn on loopback, which prints one `ready` line and ends with its supervisor."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import uvicorn

from testbed.gate import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

# A server that closes an idle connection just as its client reuses it looks like a dead service.
KEEP_ALIVE_S: Final = 75


def serve(app: Any, port: int) -> int:
    """Serve until SIGTERM or the supervisor's death; print `ready <url>` once the socket listens."""
    config = uvicorn.Config(
        Gate(app),
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=KEEP_ALIVE_S,
        ws="none",  # a WebSocket would be another way past the gate; no service uses one
    )
    server = uvicorn.Server(config)
    started = server.startup

    async def announce(*args: Any, **kwargs: Any) -> None:
        await started(*args, **kwargs)
        sys.stdout.write(f"ready http://127.0.0.1:{port}\n")
        sys.stdout.flush()

    server.startup = announce  # type: ignore[method-assign]  # uvicorn has no hook after listening
    watch_lifeline(lambda: os.kill(os.getpid(), signal.SIGTERM))
    server.run()
    return 0


def watch_lifeline(end: Callable[[], None]) -> None:
    """Call `end` when the pipe of NIGHTPROOF_LIFELINE_FD closes: the process that held its other end is gone."""
    name = os.environ.get("NIGHTPROOF_LIFELINE_FD", "")
    if not name:
        return

    def watch(descriptor: int) -> None:
        while os.read(descriptor, 1):
            pass
        end()

    threading.Thread(target=watch, args=(int(name),), daemon=True).start()
