"""Recorder of the handshake of websockets' asyncio client; a rejection with a status is an answer too."""

from __future__ import annotations

import functools
from typing import Any

from nightproof.evidence.recorders.websockets_common import begin
from nightproof.evidence.recorders.websockets_common import settle
from nightproof.evidence.recorders.websockets_common import with_header


def install(module: Any) -> None:
    """Wrap the opening handshake."""
    connection = module.ClientConnection
    original = connection.handshake

    @functools.wraps(original)
    async def handshake(self: Any, additional_headers: Any = None, *args: Any, **kwargs: Any) -> None:
        exchange = begin(self)
        try:
            await original(self, with_header(additional_headers, exchange), *args, **kwargs)
        except BaseException as error:
            settle(exchange, self, error)
            raise
        settle(exchange, self, None)

    connection.handshake = handshake
