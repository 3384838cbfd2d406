"""Named defects of the storage: each makes it lie in one way, for the proof that the suites notice.

Declared as data: which requests a defect touches, and a hook that changes the answer after ministack gave the caller
its own, so that nobody sees more than his rights allow. No hook knows who asks.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Final

from testbed.aws import defects_of_concurrency
from testbed.aws import defects_of_copies
from testbed.aws import defects_of_deleting
from testbed.aws import defects_of_listings
from testbed.aws import defects_of_manifests
from testbed.aws import defects_of_objects
from testbed.aws import defects_of_rights
from testbed.aws import defects_of_writing
from testbed.aws.asgi import Answer
from testbed.aws.exchange import OK
from testbed.aws.inventory import BUCKETS

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from testbed.aws.asgi import Receive
    from testbed.aws.exchange import Defect
    from testbed.aws.exchange import Exchange
    from testbed.aws.operations import Operation
    from testbed.faults.control import Faults

DEFECTS: Final[dict[str, Defect]] = {
    **defects_of_objects.DEFECTS,
    **defects_of_listings.DEFECTS,
    **defects_of_manifests.DEFECTS,
    **defects_of_deleting.DEFECTS,
    **defects_of_copies.DEFECTS,
    **defects_of_rights.DEFECTS,
    **defects_of_concurrency.DEFECTS,
    **defects_of_writing.DEFECTS,
}
WEST: Final = frozenset(bucket.name for bucket in BUCKETS if bucket.region == "us-west-2")
SENTENCES: Final = {name: defect.what for name, defect in DEFECTS.items()}


class Defects:
    """Applies the active defects; with none active it changes nothing."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._turn = asyncio.Lock()

    def turn(self, operation: Operation, user: str) -> AbstractAsyncContextManager[object]:
        """Give what a request holds until it is answered: nothing, or the one turn for which all of S3 wait."""
        is_serial = operation.service == "s3" and self._faults.of(defects_of_concurrency.SERIAL, user) is not None
        return self._turn if is_serial else nullcontext()

    def hide(self, refused: Answer, operation: Operation) -> Answer:
        """Give the answer of an injected outage as it is, or as a success without content."""
        is_hidden = self._faults.is_on(defects_of_objects.HIDDEN_OUTAGE) and operation.bucket in WEST
        return Answer(OK, {"content-length": "0"}) if is_hidden else refused

    def of(self, operation: Operation, user: str) -> dict[str, Defect]:
        """Give the active defects that touch an operation, and this user where they name one."""
        found = {}
        for name in self._faults.active_defects():
            parameters = self._faults.of(name, user)
            # A name that is not here is one of Athena's.
            if parameters is not None and name in DEFECTS and DEFECTS[name].touches(operation):
                found[name] = replace(DEFECTS[name], seconds=parameters.get("seconds", DEFECTS[name].seconds))
        return found

    @staticmethod
    async def instead(found: dict[str, Defect], exchange: Exchange, receive: Receive) -> Answer | None:
        """Give the answer of a defect that keeps the request from being done, or nothing."""
        hooks = [defect.instead for defect in found.values() if defect.instead]
        return await hooks[0](exchange, receive) if hooks else None

    async def spoil(self, found: dict[str, Defect], exchange: Exchange, answer: Answer) -> Answer:
        """Delay and change an answer the way the defects do."""
        for defect in found.values():
            await asyncio.sleep(defect.seconds)
            if defect.change:
                answer = await defect.change(exchange, answer)
        if found and exchange.operation.name not in {"HeadObject", "HeadBucket"}:
            answer.headers["content-length"] = str(len(answer.body))
        return answer
