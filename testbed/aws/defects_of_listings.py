"""Defects of listings: missing pages, names and revisions, and deleted packages that stay listed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from typing import Final
from xml.etree import ElementTree as ET

from testbed.aws.exchange import OK
from testbed.aws.exchange import Defect
from testbed.aws.exchange import Exchange
from testbed.aws.exchange import parse
from testbed.aws.exchange import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testbed.aws.asgi import Answer

PACKAGES: Final = re.compile(r"^\.quilt/named_packages/([^/]+/)?$")
OF_USER: Final = re.compile(r"^\.quilt/named_packages/[^/]+/$")
REVISIONS: Final = re.compile(r"^\.quilt/named_packages/[^/]+/[^/]+/$")
LATEST: Final = re.compile(r"^\.quilt/named_packages/([^/]+/[^/]+)/latest$")


async def _without_last_page(exchange: Exchange, answer: Answer) -> Answer:
    """Empty the last of several pages; a listing of one page stays whole."""
    root = _listing(answer)
    if root is None or not exchange.query("continuation-token") or _is_truncated(root):
        return answer
    return _put(answer, root, [*root.findall("{*}Contents"), *root.findall("{*}CommonPrefixes")])


async def _without_last_name(exchange: Exchange, answer: Answer) -> Answer:
    """Remove the last package from a listing, whether it lists prefixes or all pointers."""
    root = _listing(answer)
    if root is None or not PACKAGES.match(exchange.query("prefix")) or _is_truncated(root):
        return answer
    prefixes = root.findall("{*}CommonPrefixes")
    if prefixes:
        return _put(answer, root, prefixes[-1:] if OF_USER.match(exchange.query("prefix")) else [])
    names = sorted({_package(entry) for entry in root.findall("{*}Contents")})
    gone = [entry for entry in root.findall("{*}Contents") if _package(entry) in names[-1:]]
    return _put(answer, root, gone)


async def _with_deleted(exchange: Exchange, answer: Answer) -> Answer:
    """Add packages whose pointers were deleted to the last page."""
    root = _listing(answer)
    prefix = exchange.query("prefix")
    if root is None or not PACKAGES.match(prefix) or _is_truncated(root):
        return answer
    markers = await exchange.versions(prefix, "DeleteMarker")
    names = [found[1] for m in markers if m["IsLatest"] == "true" and (found := LATEST.match(m["Key"]))]
    space = root.tag.rpartition("}")[0] + "}"
    for name in names:
        if exchange.query("delimiter"):
            entry = ET.SubElement(root, f"{space}CommonPrefixes")
            ET.SubElement(entry, f"{space}Prefix").text = f".quilt/named_packages/{name}/"
        else:
            entry = ET.SubElement(root, f"{space}Contents")
            for field, text in _removed(name).items():
                ET.SubElement(entry, f"{space}{field}").text = text
    return _put(answer, root, [])


async def _without_oldest(exchange: Exchange, answer: Answer) -> Answer:
    root = _listing(answer)
    if root is None or not REVISIONS.match(exchange.query("prefix")):
        return answer
    pointers = [entry for entry in root.findall("{*}Contents") if _name(entry).isdecimal()]
    return _put(answer, root, sorted(pointers, key=lambda entry: int(_name(entry)))[:1])


def _removed(name: str) -> dict[str, str]:
    return {
        "Key": f".quilt/named_packages/{name}/latest",
        "LastModified": "2024-01-01T00:00:00.000Z",
        "ETag": '"d41d8cd98f00b204e9800998ecf8427e"',
        "Size": "64",
        "StorageClass": "STANDARD",
    }


def _listing(answer: Answer) -> ET.Element | None:
    return parse(answer.body) if answer.status == OK else None


def _is_truncated(root: ET.Element) -> bool:
    return root.findtext("{*}IsTruncated") == "true"


def _name(entry: ET.Element) -> str:
    return (entry.findtext("{*}Key") or "").rpartition("/")[2]


def _package(entry: ET.Element) -> str:
    return (entry.findtext("{*}Key") or "").removeprefix(".quilt/named_packages/").rpartition("/")[0]


def _put(answer: Answer, root: ET.Element, gone: list[ET.Element]) -> Answer:
    """Return the listing without these entries and with a correct KeyCount."""
    for entry in gone:
        root.remove(entry)
    count = root.find("{*}KeyCount")
    if count is not None:
        count.text = str(len(root.findall("{*}Contents")) + len(root.findall("{*}CommonPrefixes")))
    answer.body = render(root)
    return answer


LISTS: Final = frozenset({"ListObjectsV2", "ListObjects"})
PAGED: Final = frozenset({"ListObjectsV2"})
DEFECTS: Final[Mapping[str, Defect]] = {
    "s3-list-drops-page": Defect("the last of several pages of ListObjectsV2 is empty", PAGED, _without_last_page),
    "s3-list-latency-12s": Defect("each list takes 12 s more: {seconds}", LISTS | {"ListObjectVersions"}, seconds=12),
    "list-drops-last-name": Defect("the last package of a pointer listing is missing", LISTS, _without_last_name),
    "list-drops-second-page": Defect("the last package of a pointer listing is missing", LISTS, _without_last_name),
    "list-includes-deleted": Defect("deleted packages stay in pointer listings", LISTS, _with_deleted),
    "revisions-drop-oldest": Defect("the oldest pointer of a package is not listed", LISTS, _without_oldest),
}
