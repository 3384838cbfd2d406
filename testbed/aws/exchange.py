"""The declaration of a storage defect, and the request that its hooks see."""

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
    """A request as a hook sees it; `internal` sends further requests as root."""

    operation: Operation
    scope: Scope
    internal: Internal
    ministack: App

    def query(self, name: str) -> str:
        """Return a query parameter, or an empty string."""
        asked = parse_qs(self.scope["query_string"].decode(), keep_blank_values=True)
        return str(asked.get(name, [""])[0])

    async def get(self, key: str, version: str = "") -> Answer:
        """Read an object of the request's bucket."""
        return await self.internal.ask("GET", self.operation.bucket, key, {"versionId": version} if version else {})

    async def put(self, key: str, body: bytes) -> None:
        """Write an object of the request's bucket."""
        await self.internal.ask("PUT", self.operation.bucket, key, body=body)

    async def undo(self, answer: Answer) -> None:
        """Delete the version that a PutObject created, or the object in an unversioned bucket."""
        version = answer.headers.get("x-amz-version-id", "")
        named = {"versionId": version} if version else {}
        await self.internal.ask("DELETE", self.operation.bucket, self.operation.key, named)

    async def versions(self, prefix: str, kind: str = "Version") -> list[dict[str, str]]:
        """Return versions or delete markers below a prefix; each key's newest comes first."""
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
    """One defect: its sentence, the operations and keys that it affects, its delay in seconds and its hooks."""

    what: str
    operations: frozenset[str]
    change: Change | None = None
    seconds: float = 0.0
    keys: re.Pattern[str] = re.compile("")
    instead: Instead | None = None  # answers instead of ministack, if the operation could not be undone

    def touches(self, operation: Operation) -> bool:
        """Return whether the defect affects a request."""
        return operation.name in self.operations and bool(self.keys.search(operation.key))


def parse(body: bytes) -> ET.Element:
    """Return the root element of an XML answer."""
    return ET.fromstring(body)  # noqa: S314 - our own server's answer, in process


def render(root: ET.Element) -> bytes:
    """Return XML without namespace prefixes."""
    ET.register_namespace("", "http://s3.amazonaws.com/doc/2006-03-01/")
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def unsummed(answer: Answer) -> Answer:
    """Return a changed answer without its checksums: otherwise the client would detect the change itself."""
    answer.headers = {name: value for name, value in answer.headers.items() if not name.startswith(CHECKSUM)}
    return answer
