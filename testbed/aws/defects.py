"""Named defects of the storage; each makes one kind of answer wrong, to prove that the suites notice.

A defect is data: the requests that it affects, and hooks. The hook that changes an answer runs after ministack answered
the caller, so nobody sees more than is permitted. No hook knows the caller.
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
    """The active defects, applied to requests; with none active nothing changes."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._turn = asyncio.Lock()

    def turn(self, operation: Operation, user: str) -> AbstractAsyncContextManager[object]:
        """Return the lock that a request holds until it is answered.

        It is a no-op, or one lock for all of S3 while `catalog-serialises-requests` is active.
        """
        is_serial = operation.service == "s3" and self._faults.of(defects_of_concurrency.SERIAL, user) is not None
        return self._turn if is_serial else nullcontext()

    def hide(self, refused: Answer, operation: Operation) -> Answer:
        """Return the answer of an injected outage.

        While `s3-west-outage-hidden` is active, the west bucket's is an empty success instead.
        """
        is_hidden = self._faults.is_on(defects_of_objects.HIDDEN_OUTAGE) and operation.bucket in WEST
        return Answer(OK, {"content-length": "0"}) if is_hidden else refused

    def of(self, operation: Operation, user: str) -> dict[str, Defect]:
        """Return the active defects that affect an operation of this user."""
        found = {}
        for name in self._faults.active_defects():
            parameters = self._faults.of(name, user)
            # A defect that is not in DEFECTS is one of Athena's.
            if parameters is not None and name in DEFECTS and DEFECTS[name].touches(operation):
                found[name] = replace(DEFECTS[name], seconds=parameters.get("seconds", DEFECTS[name].seconds))
        return found

    @staticmethod
    async def instead(found: dict[str, Defect], exchange: Exchange, receive: Receive) -> Answer | None:
        """Return the answer of a defect that prevents the request, or None."""
        hooks = [defect.instead for defect in found.values() if defect.instead]
        return await hooks[0](exchange, receive) if hooks else None

    async def spoil(self, found: dict[str, Defect], exchange: Exchange, answer: Answer) -> Answer:
        """Delay and change an answer as the defects declare."""
        for defect in found.values():
            await asyncio.sleep(defect.seconds)
            if defect.change:
                answer = await defect.change(exchange, answer)
        if found and exchange.operation.name not in {"HeadObject", "HeadBucket"}:
            answer.headers["content-length"] = str(len(answer.body))
        return answer
