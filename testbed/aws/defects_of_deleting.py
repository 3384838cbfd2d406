"""Defects of deletion: S3 reports a deletion and keeps the object."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final
from xml.sax.saxutils import escape

from testbed.aws.asgi import Answer
from testbed.aws.asgi import read_body
from testbed.aws.exchange import OK
from testbed.aws.exchange import Defect
from testbed.aws.exchange import Exchange
from testbed.aws.exchange import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.aws.asgi import Receive

NO_CONTENT: Final = 204
SPACE: Final = "http://s3.amazonaws.com/doc/2006-03-01/"


async def _kept(_exchange: Exchange, _receive: Receive) -> Answer:
    return Answer(NO_CONTENT, {"content-length": "0"})


async def _all_kept(_exchange: Exchange, receive: Receive) -> Answer:
    """Report every object of the request as deleted; a quiet request gets an empty result."""
    asked = parse(await read_body(receive))
    is_quiet = (asked.findtext("{*}Quiet") or "").lower() == "true"
    entries = [] if is_quiet else asked.findall("{*}Object")
    said = "".join(f"<Deleted>{_named(*[entry.findtext(f'{{*}}{n}') for n in NAMES])}</Deleted>" for entry in entries)
    body = f'<?xml version="1.0" encoding="UTF-8"?><DeleteResult xmlns="{SPACE}">{said}</DeleteResult>'.encode()
    return Answer(OK, {"content-type": "application/xml", "content-length": str(len(body))}, body)


def _named(key: str | None, version: str | None) -> str:
    return f"<Key>{escape(key or '')}</Key>" + (f"<VersionId>{escape(version)}</VersionId>" if version else "")


async def _deletes(exchange: Exchange, receive: Receive) -> Answer:
    return await (_kept if exchange.operation.name == "DeleteObject" else _all_kept)(exchange, receive)


NAMES: Final = ("Key", "VersionId")
DEFECTS: Final[Mapping[str, Defect]] = {
    "s3-delete-ignored": Defect(
        "deletions are answered and nothing is deleted", frozenset({"DeleteObject", "DeleteObjects"}), instead=_deletes
    ),
    "s3-leaves-multipart": Defect("aborted uploads stay", frozenset({"AbortMultipartUpload"}), instead=_kept),
}
