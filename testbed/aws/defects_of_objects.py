"""Defects of single objects and of services beside S3: wrong bytes, expired URLs, lost checksums, hidden names."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from typing import Final

from ministack.services import s3 as ministack_s3

from testbed.aws.asgi import Answer
from testbed.aws.asgi import collect
from testbed.aws.asgi import replay
from testbed.aws.exchange import NOT_FOUND
from testbed.aws.exchange import OK
from testbed.aws.exchange import Defect
from testbed.aws.exchange import Exchange
from testbed.aws.exchange import unsummed

if TYPE_CHECKING:
    from collections.abc import Mapping

PARTIAL: Final = 206
SMALL: Final = 1024
DATA: Final = re.compile(r"^(?!\.quilt/)")
SUMS: Final = re.compile(rb"<(Checksum\w+)>[^<]*</\1>")


async def _oldest(exchange: Exchange, answer: Answer) -> Answer:
    """Serve the oldest version, in the requested range, if the caller may read the object."""
    if answer.status not in {OK, PARTIAL}:
        return answer
    key = exchange.operation.key
    ids = [version["VersionId"] for version in await exchange.versions(key) if version["Key"] == key]
    stale = await exchange.get(key, ids[-1])
    if answer.status == PARTIAL:
        first, last = re.findall(r"\d+", answer.headers["content-range"])[:2]
        answer.body = stale.body[int(first) : int(last) + 1]
        return unsummed(answer)
    return stale


async def _flipped(_exchange: Exchange, answer: Answer) -> Answer:
    if answer.status in {OK, PARTIAL} and len(answer.body) > SMALL:
        answer.body = bytes([answer.body[0] ^ 1]) + answer.body[1:]
    return answer


async def _unexpired(exchange: Exchange, answer: Answer) -> Answer:
    """Repeat the request without ministack's expiry check; the signature is still checked."""
    if b"Request has expired" not in answer.body:
        return answer
    checked = ministack_s3.presigned_request_is_expired
    ministack_s3.presigned_request_is_expired = lambda *_args, **_kwargs: False
    try:
        return await collect(exchange.ministack, exchange.scope, replay(b""))
    finally:
        ministack_s3.presigned_request_is_expired = checked


async def _without_sums(_exchange: Exchange, answer: Answer) -> Answer:
    answer = unsummed(answer)
    answer.body = SUMS.sub(b"", answer.body)
    return answer


async def _nowhere(_exchange: Exchange, answer: Answer) -> Answer:
    answer.body = re.sub(rb">[a-z0-9-]+</LocationConstraint>", b"></LocationConstraint>", answer.body)
    return answer


async def _always_there(_exchange: Exchange, answer: Answer) -> Answer:
    if answer.status != NOT_FOUND:
        return answer
    return Answer(OK, {"content-length": "0", "etag": '"d41d8cd98f00b204e9800998ecf8427e"'})


async def _hides_database(_exchange: Exchange, answer: Answer) -> Answer:
    if answer.status == OK:
        answer.body = json.dumps({"DatabaseList": [{"Name": "default"}]}).encode()
    return answer


READS: Final = frozenset({"GetObject"})
HIDDEN_OUTAGE: Final = "s3-west-outage-hidden"
DEFECTS: Final[Mapping[str, Defect]] = {
    "s3-get-flips-byte": Defect("one byte of objects over 1 KB is changed, headers kept", READS, _flipped),
    "s3-get-returns-stale-version": Defect("GET, also with versionId, returns the oldest version", READS, _oldest),
    "s3-serves-expired-url": Defect("the expiry of presigned URLs is not checked", READS, _unexpired),
    "s3-put-loses-checksum": Defect(
        "writes answer without checksums",
        frozenset({"PutObject", "CopyObject", "UploadPartCopy", "CompleteMultipartUpload"}),
        _without_sums,
    ),
    HIDDEN_OUTAGE: Defect("an injected outage of the west bucket is answered 200 with an empty body", frozenset()),
    "s3-wrong-location": Defect("GetBucketLocation is always empty", frozenset({"GetBucketLocation"}), _nowhere),
    "construct-ignores-missing-object": Defect(
        "HEAD of a missing object answers an empty one", frozenset({"HeadObject"}), _always_there, keys=DATA
    ),
    "athena-hides-database": Defect(
        "ListDatabases knows `default` only", frozenset({"athena:ListDatabases"}), _hides_database
    ),
}
