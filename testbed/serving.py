"""How both services are served: uvicorn on loopback, one `ready` line, and no life without their supervisor."""

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

# A connection that ends in the moment in which its client uses it again looks like a service that is not there.
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
        ws="none",  # an upgrade would reach what is behind the gate by another door; no service of ours speaks it
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
    """Call `end` when the pipe named by NIGHTPROOF_LIFELINE_FD closes: whoever holds the other end is gone."""
    name = os.environ.get("NIGHTPROOF_LIFELINE_FD", "")
    if not name:
        return

    def watch(descriptor: int) -> None:
        while os.read(descriptor, 1):
            pass
        end()

    threading.Thread(target=watch, args=(int(name),), daemon=True).start()
