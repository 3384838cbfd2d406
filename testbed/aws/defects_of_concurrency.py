"""Defects that show only when several clients send requests at the same time."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from typing import Final

from testbed.aws.exchange import OK
from testbed.aws.exchange import Defect
from testbed.aws.exchange import Exchange
from testbed.aws.exchange import unsummed
from testbed.faults.crossing import Crossing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.aws.asgi import Answer

MANIFEST: Final = re.compile(r"^\.quilt/packages/[0-9a-f]{64}$")
CROSSING: Final = Crossing()
SERIAL: Final = "catalog-serialises-requests"


async def _mixed(_exchange: Exchange, answer: Answer) -> Answer:
    """Serve the manifest that another client reads at the same time."""
    if answer.status == OK:
        answer.body = await asyncio.to_thread(CROSSING.swap, "read", answer.body)
    return unsummed(answer)


async def _crossed(exchange: Exchange, answer: Answer) -> Answer:
    """Exchange the contents of two manifests that are written at the same time."""
    if answer.status == OK:
        mine = await exchange.get(exchange.operation.key)
        other = await asyncio.to_thread(CROSSING.swap, "written", mine.body)
        if other is not mine.body:
            await exchange.put(exchange.operation.key, other)
    return answer


DEFECTS: Final[Mapping[str, Defect]] = {
    SERIAL: Defect("every request waits until the one before it is answered, latency included", frozenset()),
    "catalog-mixes-concurrent-answers": Defect(
        "a manifest that is read goes to another reader in flight", frozenset({"GetObject"}), _mixed, keys=MANIFEST
    ),
    "construct-crosses-packages": Defect(
        "manifests that are written at the same time are exchanged", frozenset({"PutObject"}), _crossed, keys=MANIFEST
    ),
}
