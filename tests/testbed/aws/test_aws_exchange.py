"""A defect sees the whole storage, however many pages a listing has."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

from testbed.aws.exchange import Exchange
from testbed.aws.internal import Internal
from testbed.aws.operations import Operation

PAGE = """<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>{truncated}</IsTruncated>
<NextKeyMarker>k</NextKeyMarker><NextVersionIdMarker>1</NextVersionIdMarker>
<Version><Key>k</Key><VersionId>{version}</VersionId></Version></ListVersionsResult>"""


async def two_pages(scope: Any, _receive: Any, send: Any) -> None:
    """Answer a listing of versions with the first page, or the second if the markers are those of the first's end."""
    asked = parse_qs(scope["query_string"].decode())
    is_second = (asked.get("key-marker"), asked.get("version-id-marker")) == (["k"], ["1"])
    page = PAGE.format(truncated="false" if is_second else "true", version=2 if is_second else 1)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": page.encode()})


def test_versions_are_listed_to_the_end() -> None:
    """The listing of versions follows the markers from page to page to the end."""
    exchange = Exchange(Operation("GetObject", "s3", "", "b", "k"), {}, Internal(two_pages), two_pages)
    found = asyncio.run(exchange.versions("k"))
    assert [version["VersionId"] for version in found] == ["1", "2"]
