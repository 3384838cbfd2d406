"""A defect of copies: the manifest of a copied package still names the original objects."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from typing import Final
from urllib.parse import quote
from urllib.parse import unquote

from testbed.aws.exchange import OK
from testbed.aws.exchange import Defect
from testbed.aws.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.aws.asgi import Answer

COPIES: Final = frozenset({"CopyObject", "UploadPartCopy"})
MANIFEST: Final = re.compile(r"^\.quilt/packages/[0-9a-f]{64}$")
SOURCE: Final = b"x-amz-copy-source"
# (bucket, key) of a copy -> physical key of its source, as written in manifests.
_sources: dict[tuple[str, str], str] = {}


async def _kept(exchange: Exchange, answer: Answer) -> Answer:
    """Record the source of each copy; rewrite stored manifests to name these sources."""
    operation = exchange.operation
    if answer.status == OK and operation.name in COPIES:
        given = dict(exchange.scope["headers"]).get(SOURCE, b"").decode()
        path, _, version = given.removeprefix("/").partition("?versionId=")
        _sources[operation.bucket, operation.key] = f"s3://{quote(unquote(path))}?versionId={version or 'null'}"
    elif answer.status == OK and MANIFEST.match(operation.key):
        written = await exchange.get(operation.key)
        lines = [json.loads(line) for line in written.body.splitlines()]
        await exchange.put(operation.key, b"".join(json.dumps(_replaced(line)).encode() + b"\n" for line in lines))
    return answer


def _replaced(line: dict[str, object]) -> dict[str, object]:
    physical = line.get("physical_keys")
    if not isinstance(physical, list):
        return line
    return line | {"physical_keys": [_sources.get(_place(str(key)), key) for key in physical]}


def _place(physical_key: str) -> tuple[str, str]:
    bucket, _, key = physical_key.partition("?")[0].removeprefix("s3://").partition("/")
    return bucket, unquote(key)


DEFECTS: Final[Mapping[str, Defect]] = {
    "construct-ignores-copy": Defect("manifests name the sources of copied objects", COPIES | {"PutObject"}, _kept),
}
