"""Corrections of ministack 1.5.33: checksums of puts and copies, ranges of versions, and two limits.

A correction runs after ministack checked and performed the caller's own request, so the caller's rights apply.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import Final
from urllib.parse import parse_qs
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from testbed.aws.asgi import Answer
from testbed.aws.asgi import App
from testbed.aws.asgi import Receive
from testbed.aws.asgi import Scope
from testbed.aws.asgi import collect
from testbed.aws.asgi import headers_of
from testbed.aws.asgi import read_body
from testbed.aws.asgi import replay
from testbed.aws.asgi import s3_error
from testbed.aws.internal import Internal

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from collections.abc import Callable

    from testbed.aws.operations import Operation

CHECKSUM: Final = "x-amz-checksum-"
MIN_PART: Final = 5 * 1024 * 1024
MAX_DELETE: Final = 1000
TRAILER: Final = re.compile(rb"(x-amz-checksum-[a-z0-9]+):([A-Za-z0-9+/=]+)\r\n", re.IGNORECASE)
RANGE: Final = re.compile(r"bytes=(?!-$)(\d*)-(\d*)")
TAIL: Final = 1024  # bytes; a trailer with its signature is shorter


class Corrections:
    """The operations that need correcting, and their answers."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._internal = Internal(app)
        self._by_name: dict[str, Callable[[Scope, bytes, Operation], Awaitable[Answer]]] = {
            "GetObject": self._get_range,
            "PutObject": self._put,
            "CopyObject": self._copy,
            "UploadPartCopy": self._copy_part,
            "CompleteMultipartUpload": self._complete,
            "DeleteObjects": self._delete_many,
        }

    def wants(self, scope: Scope, operation: Operation) -> bool:
        """Return whether an operation is corrected; GetObject only with both a range and a version."""
        if operation.name == "GetObject":
            return b"versionId=" in scope["query_string"] and "range" in headers_of(scope)
        return operation.name in self._by_name

    async def answer(self, scope: Scope, receive: Receive, operation: Operation) -> Answer:
        """Return the response to one corrected operation."""
        return await self._by_name[operation.name](scope, await read_body(receive), operation)

    async def _get_range(self, scope: Scope, body: bytes, _operation: Operation) -> Answer:
        """Cut the range out of a named version; ministack returns the whole object."""
        answer = await collect(self._app, scope, replay(body))
        asked = headers_of(scope)["range"]
        if answer.status == 200 and (found := RANGE.fullmatch(asked)):  # noqa: PLR2004 - the range was ignored
            size = len(answer.body)
            first = int(found[1]) if found[1] else max(size - int(found[2]), 0)
            last = min(int(found[2]), size - 1) if found[1] and found[2] else size - 1
            if first >= size:
                return s3_error(416, "InvalidRange", "The requested range is not satisfiable")
            answer.status, answer.body = 206, answer.body[first : last + 1]
            answer.headers = {n: v for n, v in answer.headers.items() if not n.startswith(CHECKSUM)}
            answer.headers |= {"content-range": f"bytes {first}-{last}/{size}", "content-length": str(len(answer.body))}
        return answer

    async def _put(self, scope: Scope, body: bytes, _operation: Operation) -> Answer:
        answer = await collect(self._app, scope, replay(body))
        if answer.status == 200:  # noqa: PLR2004 - the one success of PutObject
            given = {n: v for n, v in headers_of(scope).items() if n.startswith(CHECKSUM) and "algorithm" not in n}
            trailed = {n.decode().lower(): v.decode() for n, v in TRAILER.findall(body[-TAIL:])}
            checksums = given | (trailed if "x-amz-trailer" in headers_of(scope) else {})
            if checksums:
                answer.headers |= checksums | {"x-amz-checksum-type": "FULL_OBJECT"}
        return answer

    async def _copy(self, scope: Scope, body: bytes, operation: Operation) -> Answer:
        """Copy an object and return its checksum in the requested algorithm.

        ministack reads only the header `x-amz-sdk-checksum-algorithm`, so the algorithm is passed there too.
        """
        algorithm = headers_of(scope).get("x-amz-checksum-algorithm", "")
        if algorithm:
            scope = dict(scope) | {
                "headers": [*scope["headers"], (b"x-amz-sdk-checksum-algorithm", algorithm.encode())]
            }
        answer = await collect(self._app, scope, replay(body))
        if algorithm and answer.status == 200:  # noqa: PLR2004 - the one success of CopyObject
            version = {"versionId": answer.headers["x-amz-version-id"]} if "x-amz-version-id" in answer.headers else {}
            stored = await self._internal.ask(
                "HEAD",
                operation.bucket,
                operation.key,
                version,
                {"x-amz-checksum-mode": "ENABLED"},
                region=_region(scope),
            )
            value = stored.headers.get(f"x-amz-checksum-{algorithm.lower()}", "")
            _add_elements(answer, {f"Checksum{algorithm.upper()}": value, "ChecksumType": "FULL_OBJECT"})
        return answer

    async def _copy_part(self, scope: Scope, body: bytes, operation: Operation) -> Answer:
        """Copy the part as the caller, then store the same bytes again to get their checksum."""
        answer = await collect(self._app, scope, replay(body))
        if answer.status != 200:  # noqa: PLR2004 - the one success of UploadPartCopy
            return answer
        headers = headers_of(scope)
        bucket, key, version = _copy_source(headers["x-amz-copy-source"])
        wanted = {"range": headers["x-amz-copy-source-range"]} if "x-amz-copy-source-range" in headers else {}
        source = await self._internal.ask("GET", bucket, key, version, wanted, region=_region(scope))
        # ministack ignores the range of a named version, so it is cut here.
        data = source.body if source.status == 206 else _cut(source.body, wanted.get("range", ""))  # noqa: PLR2004
        asked = parse_qs(scope["query_string"].decode())
        part = {"partNumber": asked["partNumber"][0], "uploadId": asked["uploadId"][0]}
        # ministack computes the upload's checksum only for a part that is sent, not for one that is copied.
        stored = await self._internal.ask(
            "PUT", operation.bucket, operation.key, part, body=data, region=_region(scope)
        )
        sums = {name.rpartition("-")[2].upper(): value for name, value in stored.headers.items() if CHECKSUM in name}
        _add_elements(answer, {f"Checksum{name}": value for name, value in sums.items()})
        return answer

    async def _complete(self, scope: Scope, body: bytes, operation: Operation) -> Answer:
        """Refuse a completion if a part before the last is below 5 MiB, as AWS does."""
        asked = parse_qs(scope["query_string"].decode())
        listed = await self._internal.ask(
            "GET", operation.bucket, operation.key, {"uploadId": asked["uploadId"][0]}, region=_region(scope)
        )
        sizes = {p.findtext("{*}PartNumber"): int(p.findtext("{*}Size") or 0) for p in _elements(listed.body, "Part")}
        named = [p.findtext("{*}PartNumber") for p in _elements(body, "Part")]
        if any(sizes.get(number, MIN_PART) < MIN_PART for number in named[:-1]):
            # The caller's request with a false condition completes nothing, but shows whether it is permitted.
            never = dict(scope) | {"headers": [*scope["headers"], (b"if-match", b'"never"')]}
            probe = await collect(self._app, never, replay(body))
            text = "Your proposed upload is smaller than the minimum allowed object size."
            return probe if probe.status == 403 else s3_error(400, "EntityTooSmall", text)  # noqa: PLR2004 - refused
        return await collect(self._app, scope, replay(body))

    async def _delete_many(self, scope: Scope, body: bytes, _operation: Operation) -> Answer:
        if len(_elements(body, "Object")) > MAX_DELETE:
            return s3_error(400, "MalformedXML", "The XML you provided was not well-formed or did not validate.")
        return await collect(self._app, scope, replay(body))


def _region(scope: Scope) -> str:
    found = re.search(r"/\d{8}/([^/]+)/s3/", headers_of(scope).get("authorization", ""))
    return found[1] if found else "us-east-1"


def _cut(body: bytes, asked: str) -> bytes:
    found = re.fullmatch(r"bytes=(\d+)-(\d+)", asked)
    return body[int(found[1]) : int(found[2]) + 1] if found else body


def _copy_source(header: str) -> tuple[str, str, dict[str, str]]:
    path, _, query = header.lstrip("/").partition("?")
    bucket, _, key = unquote(path).partition("/")
    version = parse_qs(query).get("versionId")
    return bucket, key, {"versionId": version[0]} if version else {}


def _elements(body: bytes, name: str) -> list[ET.Element]:
    try:
        root = ET.fromstring(body)  # noqa: S314 - our own clients' requests, on loopback
    except ET.ParseError:
        return []
    return root.findall(f"{{*}}{name}")


def _add_elements(answer: Answer, elements: dict[str, str]) -> None:
    """Insert elements before the end tag of the response's root."""
    added = "".join(f"<{name}>{value}</{name}>" for name, value in elements.items() if value).encode()
    head, _, tail = answer.body.rpartition(b"</")
    answer.body = head + added + b"</" + tail
    answer.headers["content-length"] = str(len(answer.body))
