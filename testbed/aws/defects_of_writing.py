"""Defects of how a package is written to S3: order and completeness of its objects."""

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
    """Write `latest` early; then delete the revision's pointer and manifest and answer 500.

    `latest` is written even if the caller's own write was refused; that refusal is then the answer.
    """
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
