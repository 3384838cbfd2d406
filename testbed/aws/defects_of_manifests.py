"""Defects of packages in S3: manifests and pointers that are changed when served or stored."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import unquote_plus

from testbed.aws.asgi import Answer
from testbed.aws.asgi import s3_error
from testbed.aws.exchange import NOT_FOUND
from testbed.aws.exchange import OK
from testbed.aws.exchange import Defect
from testbed.aws.exchange import Exchange
from testbed.aws.exchange import parse
from testbed.aws.exchange import render
from testbed.aws.exchange import unsummed

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping

    from testbed.aws.exchange import Change

Line = dict[str, Any]
MANIFESTS: Final = ".quilt/packages/"
POINTERS: Final = ".quilt/named_packages/"
EMPTY: Final = b'{"version": "v0"}\n'
EMPTY_HASH: Final = hashlib.sha256(EMPTY.strip()).hexdigest()


def _lines(body: bytes) -> list[Line]:
    return [json.loads(line) for line in body.splitlines() if line.strip()]


def _body(lines: list[Line]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _served(change: Callable[[list[Line]], list[Line]]) -> Change:
    """Return a hook that serves changed manifests; the stored ones stay right."""

    async def serve(_exchange: Exchange, answer: Answer) -> Answer:
        if answer.status == OK:
            answer.body = _body(change(_lines(answer.body)))
        return unsummed(answer)

    return serve


def _stored(change: Callable[[list[Line]], list[Line]]) -> Change:
    """Return a hook that replaces a manifest in S3 by a changed one, after the caller's write succeeded."""

    async def store(exchange: Exchange, answer: Answer) -> Answer:
        if answer.status == OK:
            written = await exchange.get(exchange.operation.key)
            await exchange.put(exchange.operation.key, _body(change(_lines(written.body))))
        return answer

    return store


async def _pointed(exchange: Exchange, package: str) -> list[str]:
    """Return the hashes of a package's revisions, newest first."""
    prefix = f"{POINTERS}{package}/"
    tags = {version["Key"].removeprefix(prefix) for version in await exchange.versions(prefix)}
    found = [await exchange.get(prefix + tag) for tag in sorted(filter(str.isdecimal, tags), key=int, reverse=True)]
    return [pointer.body.decode().strip() for pointer in found if pointer.status == OK]


async def _latest_hashes(exchange: Exchange) -> list[str]:
    """Return the hashes in all `latest` pointers, newest pointer first."""
    listed = [v for v in await exchange.versions(POINTERS) if v["Key"].endswith("/latest") and v["IsLatest"] == "true"]
    listed.sort(key=lambda version: version["LastModified"], reverse=True)
    return [(await exchange.get(version["Key"])).body.decode().strip() for version in listed]


async def _previous_revision(exchange: Exchange, answer: Answer) -> Answer:
    hashes = await _pointed(exchange, exchange.operation.key.removeprefix(POINTERS).removesuffix("/latest"))
    if answer.status == OK and len(hashes) > 1:
        answer.body = hashes[1].encode()
    return unsummed(answer)


async def _old_unreadable(exchange: Exchange, answer: Answer) -> Answer:
    if exchange.operation.key.removeprefix(MANIFESTS) in await _latest_hashes(exchange):
        return answer
    return s3_error(NOT_FOUND, "NoSuchKey", "The specified key does not exist.")


async def _empty_instead(exchange: Exchange, answer: Answer) -> Answer:
    """Answer a missing pointer with the hash of an empty manifest, and serve that manifest."""
    key = exchange.operation.key
    if answer.status != NOT_FOUND or not (key.endswith(EMPTY_HASH) or key.startswith(POINTERS)):
        return answer
    body = EMPTY if key.endswith(EMPTY_HASH) else EMPTY_HASH.encode()
    return Answer(OK, {"content-type": "binary/octet-stream", "last-modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, body)


async def _latest_instead(exchange: Exchange, answer: Answer) -> Answer:
    """Answer an unknown manifest, read by key or listed by prefix, with that of the newest `latest`."""
    is_listing = exchange.operation.name != "GetObject"
    if is_listing and not exchange.query("prefix").startswith(MANIFESTS):
        return answer
    hashes = await _latest_hashes(exchange)
    if not hashes:
        return answer
    if not is_listing:
        return await exchange.get(MANIFESTS + hashes[0]) if answer.status == NOT_FOUND else answer
    if answer.status == OK and b"<Contents>" not in answer.body:
        listed = parse(
            (
                await exchange.internal.ask(
                    "GET", exchange.operation.bucket, "", {"list-type": "2", "prefix": MANIFESTS + hashes[0]}
                )
            ).body
        )
        answer.body = render(listed)
    return answer


async def _hidden(_exchange: Exchange, _answer: Answer) -> Answer:
    return s3_error(NOT_FOUND, "NoSuchKey", "The specified key does not exist.")


async def _unpointed(exchange: Exchange, answer: Answer) -> Answer:
    if answer.status == OK:
        await exchange.undo(answer)
    return answer


async def _unless_empty(exchange: Exchange, answer: Answer) -> Answer:
    if answer.status == OK and len(_lines((await exchange.get(exchange.operation.key)).body)) == 1:
        await exchange.undo(answer)
        return s3_error(400, "InvalidRequest", "A package without entries is refused.")
    return answer


async def _failed(exchange: Exchange, answer: Answer) -> Answer:
    if answer.status == OK:
        await exchange.undo(answer)
        return s3_error(500, "InternalError", "We encountered an internal error. Please try again.")
    return answer


async def _merged(exchange: Exchange, answer: Answer) -> Answer:
    """Add the entries of the previous revision to the new manifest when `latest` is written."""
    hashes = await _pointed(exchange, exchange.operation.key.removeprefix(POINTERS).removesuffix("/latest"))
    if answer.status == OK and len(hashes) > 1:
        new, old = [_lines((await exchange.get(MANIFESTS + top_hash)).body) for top_hash in hashes[:2]]
        kept = {entry["logical_key"] for entry in new[1:]}
        merged = [*new, *(entry for entry in old[1:] if entry["logical_key"] not in kept)]
        await exchange.put(MANIFESTS + hashes[0], _body(merged))
    return answer


async def _as_first_stored(exchange: Exchange, answer: Answer) -> Answer:
    """Serve each entry with the hash and size that its logical key first had in the registry."""
    if answer.status != OK:
        return answer
    first: dict[str, Line] = {}
    for version in sorted(await exchange.versions(MANIFESTS), key=lambda version: version["LastModified"]):
        stored = await exchange.get(version["Key"], version["VersionId"])
        with suppress(ValueError, LookupError, TypeError):  # other objects may be there
            for entry in _lines(stored.body)[1:]:
                first.setdefault(entry["logical_key"], {"hash": entry["hash"], "size": entry["size"]})
    header, *entries = _lines(answer.body)
    answer.body = _body([header, *(entry | first.get(entry["logical_key"], {}) for entry in entries)])
    return unsummed(answer)


def _without_metadata(lines: list[Line]) -> list[Line]:
    return [{name: value for name, value in lines[0].items() if name != "user_meta"}, *lines[1:]]


def _without_nulls(lines: list[Line]) -> list[Line]:
    def poor(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: poor(member) for name, member in value.items() if member not in (None, [], {})}
        return value

    return [poor(lines[0]), *lines[1:]]


def _without_last_of_directories(lines: list[Line]) -> list[Line]:
    """Remove the last file of every directory."""
    last = {entry["logical_key"].rpartition("/")[0]: entry["logical_key"] for entry in lines[1:]}
    return [lines[0], *(entry for entry in lines[1:] if entry["logical_key"] not in last.values())]


def _keyed(change: Callable[[str], str]) -> Callable[[list[Line]], list[Line]]:
    return lambda lines: [lines[0], *(entry | {"logical_key": change(entry["logical_key"])} for entry in lines[1:])]


def _gapped(lines: list[Line]) -> list[Line]:
    middle = 1 + (len(lines) - 1) // 2
    return [*lines[:middle], *lines[middle + 1 :]]


def _unstable(lines: list[Line]) -> list[Line]:
    for entry in lines[1:2]:
        entry["hash"] = entry["hash"] | {"value": secrets.token_hex(32)}
    return lines


def _without_last(lines: list[Line]) -> list[Line]:
    return [lines[0], *lines[1:-1]]


def _other_content(lines: list[Line]) -> list[Line]:
    return [lines[0] | {"message": f"{lines[0].get('message') or ''} "}, *lines[1:]]


def _unversioned(lines: list[Line]) -> list[Line]:
    return [
        lines[0],
        *(e | {"physical_keys": [key.partition("?")[0] for key in e["physical_keys"]]} for e in lines[1:]),
    ]


READ: Final = frozenset({"GetObject"})
WRITE: Final = frozenset({"PutObject"})
LIST: Final = frozenset({"ListObjectsV2", "ListObjects"})
MANIFEST: Final = re.compile(r"^\.quilt/packages/[0-9a-f]{64}$")
LATEST: Final = re.compile(r"^\.quilt/named_packages/[^/]+/[^/]+/latest$")
EITHER: Final = re.compile(f"{MANIFEST.pattern}|{LATEST.pattern}")
MANIFEST_OR_LIST: Final = re.compile(f"{MANIFEST.pattern}|^$")


def _reading(what: str, change: Callable[[list[Line]], list[Line]]) -> Defect:
    return Defect(what, READ, _served(change), keys=MANIFEST)


def _writing(what: str, change: Callable[[list[Line]], list[Line]]) -> Defect:
    return Defect(what, WRITE, _stored(change), keys=MANIFEST)


def _late(seconds: int, operations: frozenset[str]) -> Defect:
    kind = "writes" if operations == WRITE else "reads"
    return Defect(
        f"{kind} of manifests take {seconds} s more: {{seconds}}", operations, None, seconds, MANIFEST_OR_LIST
    )


DEFECTS: Final[Mapping[str, Defect]] = {
    "s3-old-revision-unreadable": Defect(
        "manifests that no `latest` names are not found", READ | {"HeadObject"}, _old_unreadable, keys=MANIFEST
    ),
    "info-returns-previous-revision": Defect(
        "`latest` names the second newest revision", READ, _previous_revision, keys=LATEST
    ),
    "catalog-missing-package-as-empty": Defect(
        "a missing pointer names an empty manifest", READ, _empty_instead, keys=EITHER
    ),
    "catalog-unknown-hash-as-latest": Defect(
        "an unknown manifest is the latest", READ | LIST, _latest_instead, keys=MANIFEST_OR_LIST
    ),
    "info-ignores-metadata": _reading("manifests are served without user_meta", _without_metadata),
    "browse-drops-last-entry": _reading("the last file of every directory is missing", _without_last_of_directories),
    "browse-mangles-special-names": _reading("logical keys are decoded once more", _keyed(unquote_plus)),
    "flatmap-drops-entry": _reading("one entry in the middle is missing", _gapped),
    "flatmap-unstable-hashes": _reading("an entry's hash changes with each read", _unstable),
    "diff-misses-modified": Defect(
        "entries keep the hash they first had in the registry", READ, _as_first_stored, keys=MANIFEST
    ),
    "construct-drops-last-entry": _writing("manifests are stored without their last entry", _without_last),
    "construct-wrong-hash": _writing("manifests are stored under a hash that is not theirs", _other_content),
    "construct-flattens-keys": _writing("logical keys become base names", _keyed(lambda key: key.rpartition("/")[2])),
    "construct-ignores-metadata": _writing("manifests are stored without user_meta", _without_metadata),
    "metadata-drops-nulls": _writing("null and empty members of the header are not stored", _without_nulls),
    "construct-drops-version-id": _writing("physical keys name no version", _unversioned),
    "construct-refuses-empty": Defect("a manifest without entries is refused", WRITE, _unless_empty, keys=MANIFEST),
    "construct-skips-latest-pointer": Defect("`latest` is not written", WRITE, _unpointed, keys=LATEST),
    "construct-overwrites-existing": Defect(
        "`latest` cannot be seen, so that nothing seems to exist", READ | {"HeadObject"}, _hidden, keys=LATEST
    ),
    "update-merges-old-entries": Defect("entries of the revision before stay", WRITE, _merged, keys=LATEST),
    "catalog-construct-fast-500": Defect("writes of manifests fail with 500 at once", WRITE, _failed, keys=MANIFEST),
    "catalog-read-latency-8s": _late(8, READ),
    "catalog-read-latency-35s": _late(35, READ | LIST),
    "catalog-construct-latency-35s": _late(35, WRITE),
    "catalog-construct-latency-90s": _late(90, WRITE),
    "catalog-construct-latency-150s": _late(150, WRITE),
}
