"""Named defects of the storage: each makes S3 lie in one way, for the proof that the suites notice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import Final

from testbed.aws.internal import Internal

if TYPE_CHECKING:
    from testbed.aws.asgi import Answer
    from testbed.aws.asgi import App
    from testbed.aws.asgi import Receive
    from testbed.aws.asgi import Scope
    from testbed.aws.operations import Operation
    from testbed.faults.control import Faults

DEFECTS: Final = {
    "s3-get-flips-byte": "one byte of objects over 1 KB is changed, headers kept",
    "s3-get-returns-stale-version": "GET, also with versionId, returns the oldest version",
    "s3-list-drops-page": "the last page of a paged ListObjectsV2 is empty",
    "s3-wrong-location": "GetBucketLocation is always empty",
}
SPOILED: Final = {
    "GetObject": "s3-get-flips-byte",
    "ListObjectsV2": "s3-list-drops-page",
    "GetBucketLocation": "s3-wrong-location",
}
SMALL: Final = 1024


class Defects:
    """Applies the active defects; with none active it changes nothing."""

    def __init__(self, faults: Faults, ministack: App) -> None:
        self._faults = faults
        self._internal = Internal(ministack)

    def wants(self, operation: Operation) -> bool:
        """Say whether an active defect spoils this operation's answer."""
        return operation.name in SPOILED and self._faults.is_on(SPOILED[operation.name])

    async def answer(self, _scope: Scope, _receive: Receive, operation: Operation) -> Answer | None:
        """Give another version than the one asked for, where that defect is active."""
        if operation.name != "GetObject" or not self._faults.is_on("s3-get-returns-stale-version"):
            return None
        listed = await self._internal.ask("GET", operation.bucket, "", {"versions": "", "prefix": operation.key})
        versions = re.findall(rb"<Version>.*?</Version>", listed.body, re.DOTALL)
        named = re.compile(rb"<Key>" + re.escape(operation.key.encode()) + rb"</Key>")
        ids = [
            i[1].decode() for v in versions if named.search(v) and (i := re.search(rb"<VersionId>(.*?)</VersionId>", v))
        ]
        return await self._internal.ask("GET", operation.bucket, operation.key, {"versionId": ids[-1]}) if ids else None

    def spoil(self, answer: Answer, operation: Operation) -> Answer:
        """Change an answer the way the active defect does."""
        if operation.name == "GetObject" and len(answer.body) > SMALL:
            answer.body = bytes([answer.body[0] ^ 1]) + answer.body[1:]
        elif operation.name == "ListObjectsV2" and b"<IsTruncated>false</IsTruncated>" in answer.body:
            answer.body = re.sub(rb"<Contents>.*</Contents>", b"", answer.body, flags=re.DOTALL)
        elif operation.name == "GetBucketLocation":
            answer.body = re.sub(rb">[a-z0-9-]+</LocationConstraint>", b"></LocationConstraint>", answer.body)
        answer.headers["content-length"] = str(len(answer.body))
        return answer
