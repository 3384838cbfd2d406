"""Seeding of packages: checks pointers, manifests and entries, and pushes again what is wrong."""

from __future__ import annotations

import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from typing import Final
from typing import NamedTuple

from botocore.exceptions import ClientError

from nightproof.datasets.hashing import lines_hash
from nightproof.datasets.manifest import pinned
from nightproof.datasets.manifest import pins
from nightproof.datasets.push import MANIFESTS
from nightproof.datasets.push import POINTERS
from nightproof.datasets.push import Pusher
from nightproof.datasets.push import clear
from nightproof.datasets.push import note_pointers
from nightproof.datasets.push import pointers_of
from nightproof.datasets.push import read
from nightproof.datasets.push import uri_of
from nightproof.datasets.put import digest
from nightproof.records import SeedResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nightproof.datasets.catalogue import Pin
    from nightproof.datasets.catalogue import Revision
    from nightproof.datasets.push import Catalog
    from nightproof.datasets.put import Storage

WORKERS: Final = 8
MISSING: Final = "missing"
PUSH_S: Final = 5  # one push writes both pointers


def put_packages(
    storage: Storage, catalog: Catalog, name: str, revisions: Sequence[Revision], *, in_order: bool
) -> SeedResult:
    """Push what is missing or damaged; `in_order` keeps the order, with at least a second between pushes."""
    started = time.monotonic()
    groups: dict[str, list[Revision]] = {}
    for revision in revisions:
        groups.setdefault(revision.package, []).append(revision)
    with ThreadPoolExecutor(WORKERS) as pool:
        states = dict(zip(groups, pool.map(lambda group: _state(storage, group), groups.values()), strict=True))
        # A damaged package is pushed again whole: its revisions must keep their order in time.
        again = [revision for revision in revisions if states[revision.package].damage]
        list(pool.map(lambda revision: clear(storage.s3, revision.bucket, revision.package), again))
    with Pusher(storage, catalog) as pusher, ThreadPoolExecutor(1 if in_order else WORKERS) as pool:
        list(pool.map(pusher.push_apart if in_order else pusher.push, again))
    moved = [revision for revision in revisions if not states[revision.package].is_noted]
    if moved:
        note_pointers(storage, moved)
    damages = [(package, state.damage) for package, state in states.items() if state.damage not in {"", MISSING}]
    damaged = [f"{package}: {damage}" for package, damage in damages]
    hashes = "".join(revision.expected(pins()) for revision in revisions)
    return SeedResult(
        name=name, kind="package", files=len(revisions), bytes=0, sha256=hashlib.sha256(hashes.encode()).hexdigest(),
        generated_bytes=0, uploaded_bytes=0, repaired=len(damaged), duration_s=time.monotonic() - started,
        repairs=tuple(damaged),
    )  # fmt: skip


class State(NamedTuple):
    """The damage of a package, which is empty, MISSING or a text, and whether its pointers are recorded."""

    damage: str
    is_noted: bool


def _state(storage: Storage, revisions: Sequence[Revision]) -> State:
    """Return the state of a package, whose revisions are given oldest first."""
    pointers, noted = pointers_of(storage, revisions[-1]), storage.placement.pointers(revisions[-1].package)
    if not pointers:
        return State("the package was deleted" if noted else MISSING, is_noted=False)
    damage = _damage(storage, revisions, dict(pointers))
    stamped = {tag: value for tag, value in pointers.items() if tag != "latest"}
    return State(damage, is_noted=not damage and stamped == noted)


def _damage(storage: Storage, revisions: Sequence[Revision], pointers: dict[str, str]) -> str:
    facts = pins()
    expected = [revision.expected(facts) for revision in revisions]
    latest = pointers.pop("latest", "")
    if latest != expected[-1]:
        return "the latest pointer names another revision" if latest else "the latest pointer was deleted"
    # Tags are Unix seconds as text: a shorter one is older.
    stamped = [pointers[tag] for tag in sorted(pointers, key=lambda tag: (len(tag), tag))]
    lacking = [revision.label for revision, found in zip(revisions, expected, strict=True) if found not in stamped]
    if lacking:
        return f"no pointer names revision {lacking[0]}"
    if stamped != expected:
        return f"it has {len(stamped)} revisions instead of {len(expected)}"
    if _is_displaced(storage, revisions[-1]):
        return "the latest pointer was written at another time than its revision"
    return next(filter(None, (_manifest_state(storage, revision, facts) for revision in revisions)), "")


def _is_displaced(storage: Storage, revision: Revision) -> bool:
    """Return whether `latest` was written more than 5 s apart from its revision: searches sort packages by its time."""
    prefix = f"{POINTERS}{revision.package}/"
    listed = storage.s3.list_objects_v2(Bucket=revision.bucket, Prefix=prefix)["Contents"]
    written = {item["Key"].removeprefix(prefix): item["LastModified"].timestamp() for item in listed}
    newest = max(written.keys() - {"latest"}, key=int)
    return abs(written["latest"] - written[newest]) > PUSH_S


def _manifest_state(storage: Storage, revision: Revision, facts: dict[str, Pin]) -> str:
    expected = revision.expected(facts)
    try:
        lines = [json.loads(line) for line in read(storage.s3, revision.bucket, MANIFESTS + expected).splitlines()]
        entries = [line for line in lines[1:] if "physical_keys" in line]
        found = lines_hash([lines[0], *({k: v for k, v in e.items() if k != "physical_keys"} for e in entries)])
        places = {entry["logical_key"]: entry["physical_keys"][0] for entry in entries}
    except ClientError:
        return "the manifest is missing"
    except (ValueError, LookupError, TypeError, AttributeError):
        return "the manifest is unreadable"
    if found != expected:
        return "the manifest was overwritten"
    wrong = [key for key, source in revision.entries.items() if not _is_intact(storage, source, places[key])]
    return f"the entry `{wrong[0]}` names a damaged version" if wrong else ""


def _is_intact(storage: Storage, source: str, place: str) -> bool:
    """Return whether an entry names the recorded version, or another one with the true bytes."""
    if place == uri_of(storage, source):
        return True
    dataset, path = source.split("/", 1)
    address, _, version = place.partition("?versionId=")
    is_same_object = address == uri_of(storage, source).partition("?")[0]
    return is_same_object and digest(storage, dataset, path, version) == pinned()[source]["sha256"]
