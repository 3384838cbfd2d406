"""What a defect gets to see and how it is declared."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

from testbed.aws.asgi import Answer

if TYPE_CHECKING:
    from testbed.aws.asgi import App
    from testbed.aws.asgi import Receive
    from testbed.aws.asgi import Scope
    from testbed.aws.internal import Internal
    from testbed.aws.operations import Operation

OK: Final = 200
NOT_FOUND: Final = 404
CHECKSUM: Final = "x-amz-checksum-"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request with what is needed to look behind it; `internal` acts as root."""

    operation: Operation
    scope: Scope
    internal: Internal
    ministack: App

    def query(self, name: str) -> str:
        """Give a query parameter, empty when absent."""
        asked = parse_qs(self.scope["query_string"].decode(), keep_blank_values=True)
        return str(asked.get(name, [""])[0])

    async def get(self, key: str, version: str = "") -> Answer:
        """Read an object of the request's bucket."""
        return await self.internal.ask("GET", self.operation.bucket, key, {"versionId": version} if version else {})

    async def put(self, key: str, body: bytes) -> None:
        """Write an object of the request's bucket."""
        await self.internal.ask("PUT", self.operation.bucket, key, body=body)

    async def undo(self, answer: Answer) -> None:
        """Take back the version that a PutObject made, or the object where there are no versions."""
        version = answer.headers.get("x-amz-version-id", "")
        named = {"versionId": version} if version else {}
        await self.internal.ask("DELETE", self.operation.bucket, self.operation.key, named)

    async def versions(self, prefix: str, kind: str = "Version") -> list[dict[str, str]]:
        """List versions or delete markers below a prefix, each key's newest first."""
        found: list[dict[str, str]] = []
        query = {"versions": "", "prefix": prefix}
        while True:
            listed = await self.internal.ask("GET", self.operation.bucket, "", query)
            root = parse(listed.body)
            found += [
                {part.tag.rpartition("}")[2]: part.text or "" for part in v} for v in root.findall(f"{{*}}{kind}")
            ]
            if root.findtext("{*}IsTruncated") != "true":
                return found
            query["key-marker"] = root.findtext("{*}NextKeyMarker") or ""
            query["version-id-marker"] = root.findtext("{*}NextVersionIdMarker") or ""


Change = Callable[[Exchange, Answer], Awaitable[Answer]]
Instead = Callable[[Exchange, "Receive"], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect: what it does in words, the operations and keys it touches, its delay and its hook."""

    what: str
    operations: frozenset[str]
    change: Change | None = None
    seconds: float = 0.0
    keys: re.Pattern[str] = re.compile("")
    instead: Instead | None = None  # answers in ministack's place, for what could not be taken back once it was done

    def touches(self, operation: Operation) -> bool:
        """Say whether a request is one of those this defect spoils."""
        return operation.name in self.operations and bool(self.keys.search(operation.key))


def parse(body: bytes) -> ET.Element:
    """Parse an XML answer of ministack."""
    return ET.fromstring(body)  # noqa: S314 - our own server's answer, in process


def render(root: ET.Element) -> bytes:
    """Write an XML answer without namespace prefixes."""
    ET.register_namespace("", "http://s3.amazonaws.com/doc/2006-03-01/")
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def unsummed(answer: Answer) -> Answer:
    """Drop the checksums of an answer whose body was changed: a client would find the lie by itself."""
    answer.headers = {name: value for name, value in answer.headers.items() if not name.startswith(CHECKSUM)}
    return answer
