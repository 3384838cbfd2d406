"""Defects of listing, describing and browsing packages."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import unquote

from testbed.catalog.manifest import DamagedError
from testbed.catalog.manifest import Manifest
from testbed.catalog.registry import MANIFESTS
from testbed.catalog.registry import POINTERS
from testbed.catalog.resolvers import Package
from testbed.catalog.resolvers import Revision
from testbed.catalog.resolvers import file_of
from testbed.catalog.resolvers import time_of

if TYPE_CHECKING:
    from collections.abc import Callable

Found = dict[str, Any]


class Blank(Package):
    """A package that does not exist, answered as an empty one."""

    def modified(self, _info: Any) -> str:
        """Return the Unix epoch."""
        return time_of("0")

    def revision(self, _info: Any, hashOrTag: str = "latest") -> Revision:  # noqa: ARG002 - the field's argument
        """Return a revision without content."""
        return Revision(self._registry, self.bucket, self.name, "0" * 64, Manifest({"version": "v0"}, {}, {}), "0")


def _with_deleted(names: list[str], facts: Any) -> list[str]:
    pages = facts["registry"].s3.get_paginator("list_object_versions")
    listed = pages.paginate(Bucket=facts["bucket"], Prefix=POINTERS)
    keys = [item["Key"] for page in listed for kind in ("Versions", "DeleteMarkers") for item in page.get(kind, [])]
    return sorted({*names, *("/".join(key.removeprefix(POINTERS).split("/")[:2]) for key in keys)})


def _previous(found: str | None, facts: Any) -> str | None:
    if facts["asked"] != "latest":
        return found
    registry, bucket = facts["registry"], facts["bucket"]
    stamped = sorted(
        (p for p in registry.pointers(bucket, facts["name"]) if p.tag != "latest"), key=lambda p: int(p.tag)
    )
    return registry.read_pointer(bucket, stamped[-2]) if len(stamped) > 1 else found


def _or_latest(found: str | None, facts: Any) -> str | None:
    latest = facts["registry"].latest(facts["bucket"], facts["name"])
    return found or (latest[0] if latest else None)


def _without_metadata(revision: Revision, _: Any) -> Revision:
    revision.userMeta = None
    return revision


def _first_size(revision: Revision, facts: Any) -> Revision:
    entries = list(facts["manifest"].entries.values())
    revision.totalBytes = float(entries[0]["size"]) if entries else 0.0
    return revision


def _children(found: Found | None, change: Callable[[list[Found]], list[Found]]) -> Found | None:
    return found | {"children": change(found["children"])} if found else None


def _recursive(found: Found | None, facts: Any) -> Found | None:
    below = f"{facts['path']}/" if facts["path"] else ""
    files = [key for key in facts["manifest"].entries if key.startswith(below)]
    return _children(found, lambda _: [file_of(facts["manifest"], key) for key in files])


def _renamed(found: Found | None, name: Callable[[str], str]) -> Found | None:
    return _children(found, lambda children: [child | {"path": name(child["path"])} for child in children])


def _empty(found: Found | None, facts: Any) -> Found:
    return found or {"path": facts["path"], "metadata": None, "size": 0.0, "children": []}


def _unsized(found: Found | None, _: Any) -> Found | None:
    def fail(_info: Any) -> float:
        raise RuntimeError("the size of a directory")

    def spoil(child: Found) -> Found:
        return child | {"size": fail} if child["__typename"] == "PackageDir" else child

    return _children(found, lambda children: [spoil(c) for c in children]) and _children(
        found and found | {"size": fail}, lambda children: [spoil(child) for child in children]
    )


def _first_file(found: Found | None, facts: Any, below: str) -> Found | None:
    keys = [key for key in facts["manifest"].entries if key.startswith(below)]
    return found or (file_of(facts["manifest"], keys[0]) if keys else None)


def _gapped(found: Found, _: Any) -> Found:
    middle = list(found)[len(found) // 2 : len(found) // 2 + 1]
    return {key: item for key, item in found.items() if key not in middle}


def _unstable(found: Found, _: Any) -> Found:
    changed = {key: item | {"hash": item["hash"] | {"value": secrets.token_hex(32)}} for key, item in found.items()}
    return found | dict(list(changed.items())[:1])


def _as_first_stored(found: Found, facts: Any) -> Found:
    """Return entries with hash and size from the oldest manifest that has their logical key."""
    registry, bucket = facts["registry"], facts["bucket"]
    pages = registry.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=MANIFESTS)
    stored = sorted((i["LastModified"], i["Key"]) for page in pages for i in page.get("Contents", []))
    first: Found = {}
    for _, key in stored:
        with suppress(DamagedError):
            manifest = registry.manifest(bucket, key.removeprefix(MANIFESTS))  # None if it was deleted meanwhile
            for name, entry in manifest.entries.items() if manifest else ():
                first.setdefault(name, {"hash": entry.get("hash"), "size": entry.get("size")})
    return {key: item | first.get(key, {}) for key, item in found.items()}


def _elsewhere(found: Any, _: Any) -> Any:
    if isinstance(found, dict):
        return found | {"registryUrl": f"{found['registryUrl']}/elsewhere"}
    return [bucket | {"relevanceScore": 100 - bucket["relevanceScore"]} for bucket in found]


def _without_last(found: list[Any], _: Any) -> list[Any]:
    return found[:-1]


DEFECTS: Final[dict[str, tuple[str, str, Callable[[Any, Any], Any]]]] = {
    "bucketconfigs-drops-one": ("bucket configs", "the last bucket is missing", _without_last),
    "bucketconfigs-wrong-relevance": (
        "bucket configs",
        "every relevance is 0",
        lambda found, _: [bucket | {"relevanceScore": 0} for bucket in found],
    ),
    "config-wrong-registry": (
        "bucket configs, configuration",
        "another bucket has the greatest relevance, and registryUrl names another place",
        _elsewhere,
    ),
    "list-drops-last-name": ("names", "the last name is missing", _without_last),
    "list-includes-deleted": ("names", "deleted packages stay listed", _with_deleted),
    "list-drops-second-page": (
        "page of packages",
        "the second page is empty",
        lambda found, facts: [] if facts["number"] == 2 else found,  # noqa: PLR2004 - the page of the name
    ),
    "catalog-missing-package-as-empty": (
        "missing package",
        "an unknown package is answered as an empty one",
        lambda _, facts: Blank(facts["registry"], facts["bucket"], facts["name"]),
    ),
    "info-returns-previous-revision": ("resolved", "`latest` means the second newest revision", _previous),
    "catalog-unknown-hash-as-latest": ("resolved", "an unknown revision means `latest`", _or_latest),
    "info-ignores-metadata": ("revision", "user metadata is null", _without_metadata),
    "catalog-wrong-total-bytes": ("revision", "totalBytes counts the first file only", _first_size),
    "revisions-drop-oldest": ("pointers", "the oldest revision is not listed", _without_last),
    "browse-drops-last-entry": (
        "directory",
        "the last child is missing",
        lambda found, _: _children(found, lambda children: children[:-1]),
    ),
    "browse-is-recursive": ("directory", "children are all files below", _recursive),
    "browse-paths-relative-to-subdir": (
        "directory",
        "paths of children lack their parent",
        lambda found, _: _renamed(found, lambda path: path.rsplit("/", 1)[-1]),
    ),
    "browse-mangles-special-names": (
        "directory",
        "names are decoded twice",
        lambda found, _: _renamed(found, lambda path: unquote(unquote(path))),
    ),
    "browse-missing-as-empty": ("directory", "an unknown directory is an empty one", _empty),
    "catalog-dirsize-error": ("directory", "the size of a directory is an internal error", _unsized),
    "catalog-file-answers-directories": (
        "file",
        "a directory asked as a file answers its first file",
        lambda found, facts: _first_file(found, facts, f"{facts['path'].rstrip('/')}/"),
    ),
    "catalog-file-answers-missing": (
        "file",
        "a missing file answers the first file",
        lambda found, facts: _first_file(found, facts, ""),
    ),
    "browse-session-ignores-path": (
        "session entry",
        "every path gives the first file",
        lambda _, facts: next(iter(facts["manifest"].entries.values()), None),
    ),
    "browse-session-shared": (
        "session ended, session of another",
        "sessions serve every user and never end",
        lambda _, __: False,
    ),
    "flatmap-drops-entry": ("flat map", "one entry in the middle is missing", _gapped),
    "flatmap-unstable-hashes": ("flat map", "an entry's hash changes with each read", _unstable),
    "diff-misses-modified": ("flat map", "entries keep the hash they first had in the registry", _as_first_stored),
}
