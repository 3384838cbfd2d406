"""Defects of constructing, promoting and updating packages."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from testbed.catalog.errors import InputError
from testbed.faults.crossing import Crossing

if TYPE_CHECKING:
    from collections.abc import Callable

Entries = list[dict[str, Any]]
CROSSING: Final = Crossing()


def _flattened(entries: Entries, _: Any) -> Entries:
    return [entry | {"logical_key": entry["logical_key"].rsplit("/", 1)[-1]} for entry in entries]


def _unversioned(entries: Entries, _: Any) -> Entries:
    return [entry | {"physical_keys": [key.partition("?")[0] for key in entry["physical_keys"]]} for entry in entries]


def _merged(entries: Entries, facts: Any) -> Entries:
    registry, bucket = facts["registry"], facts["bucket"]
    latest = registry.latest(bucket, facts["name"])
    manifest = registry.manifest(bucket, latest[0]) if latest else None
    given = {entry["logical_key"] for entry in entries}
    return entries + [e for key, e in (manifest.entries.items() if manifest else ()) if key not in given]


def _unless_empty(entries: Entries, _: Any) -> Entries:
    if not entries:
        raise InputError("src.entries", "NoEntries", "A package needs at least one entry.")
    return entries


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item not in (None, [], {}, "")}
    return [_without_nulls(item) for item in value if item is not None] if isinstance(value, list) else value


def _poor(header: dict[str, Any], _: Any) -> dict[str, Any]:
    meta = header.get("user_meta")
    return header | ({"user_meta": _without_nulls(meta)} if meta is not None else {})


DEFECTS: Final[dict[str, tuple[str, str, Callable[[Any, Any], Any]]]] = {
    "construct-drops-last-entry": ("entries to write", "the last entry is not written", lambda found, _: found[:-1]),
    "construct-flattens-keys": ("entries to write", "logical keys become base names", _flattened),
    "construct-drops-version-id": ("entries to write", "physical keys name no version", _unversioned),
    "update-merges-old-entries": ("entries to write", "entries of the revision before stay", _merged),
    "construct-refuses-empty": ("entries to write", "a package without entries is refused", _unless_empty),
    "construct-ignores-missing-object": (
        "missing object",
        "a missing source is taken as an empty file",
        lambda _head, _: {"ContentLength": 0},
    ),
    "construct-ignores-metadata": (
        "header",
        "user metadata is not stored",
        lambda header, _: {key: value for key, value in header.items() if key != "user_meta"},
    ),
    "metadata-drops-nulls": ("header", "null and empty members of metadata are not stored", _poor),
    "construct-wrong-hash": ("stored hash", "a revision is stored under another hash", lambda text, _: text[::-1]),
    "construct-skips-latest-pointer": (
        "steps",
        "`latest` is not written",
        lambda steps, _: [step for step in steps if step != "latest"],
    ),
    "construct-half-written": (
        "steps",
        "`latest` is written first, then nothing more",
        lambda _, __: ["latest", "nothing more"],
    ),
    "construct-overwrites-existing": ("conditions", "creation replaces what exists", lambda _checked, _: False),
    "construct-race-unlocked": (
        "exclusive, conditions",
        "writers of one package neither wait for each other nor look what the other wrote",
        lambda _, __: False,
    ),
    "construct-crosses-packages": (
        "manifest",
        "packages that are made at the same time get each other's content",
        lambda manifest, _: CROSSING.swap("manifest", manifest),
    ),
    "construct-ignores-copy": ("copies", "promotion keeps the objects of the source", lambda _copies, _: False),
}
