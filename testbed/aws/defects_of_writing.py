"""Defects of how a package is written, seen from the storage: the order and the completeness of its objects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import Final

from testbed.aws.asgi import Answer
from testbed.aws.asgi import s3_error
from testbed.aws.defects_of_manifests import MANIFESTS
from testbed.aws.defects_of_manifests import WRITE
from testbed.aws.exchange import OK
from testbed.aws.exchange import Defect
from testbed.aws.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Mapping

REVISION: Final = re.compile(r"^\.quilt/named_packages/[^/]+/[^/]+/\d+$")


async def _half_written(exchange: Exchange, answer: Answer) -> Answer:
    """Write `latest` in the place of a revision's pointer, even of one that is refused, and take the manifest away."""
    newest = max(await exchange.versions(MANIFESTS), key=lambda version: version["LastModified"])["Key"]
    latest = f"{exchange.operation.key.rpartition('/')[0]}/latest"
    await exchange.put(latest, newest.removeprefix(MANIFESTS).encode())
    if answer.status != OK:
        return answer
    await exchange.undo(answer)
    await exchange.internal.ask("DELETE", exchange.operation.bucket, newest)
    return s3_error(500, "InternalError", "We encountered an internal error. Please try again.")


DEFECTS: Final[Mapping[str, Defect]] = {
    "construct-half-written": Defect(
        "`latest` is written before the rest of a package, then nothing more", WRITE, _half_written, keys=REVISION
    ),
}
