"""The relay's process: each order and each reply is a line of JSON; it ends when its input closes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from typing import Any

from nightproof.evidence.counting import Asker
from nightproof.evidence.relay.server import Relay
from nightproof.evidence.relay.tally import Tally
from nightproof.evidence.wire.endpoints import Endpoints
from nightproof.evidence.wire.owners import ROOT


def main() -> None:
    """Listen, report the ports, and follow orders until the process of the tests is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # these signals stop the tests, which still collect counts afterwards
    os.environ[ROOT] = str(os.getppid())
    asyncio.run(_serve(json.loads(sys.stdin.buffer.readline())))


async def _serve(orders: dict[str, Any]) -> None:
    tally = Tally()
    tcp = {name: (host, port) for name, (host, port) in orders["tcp"].items()}
    proxy, ports = await Relay(Endpoints(orders["endpoints"]), tally).listen(tcp)
    _say({"proxy": proxy, "tcp": ports})
    threading.Thread(target=_follow, args=(tally,), name="orders", daemon=True).start()
    await asyncio.Event().wait()


def _follow(tally: Tally) -> None:
    """Switch to each sender that is named and return the counts; exit with the process that sends the orders."""
    try:
        for line in sys.stdin.buffer:
            if asker := json.loads(line):
                tally.asker = Asker(*asker)
            _say(tally.take())
    finally:
        os._exit(0)


def _say(found: Any) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
