"""The queries: resolvers from request context to plain data, bound to the schema by name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import cast

from graphql import FieldNode
from graphql import FragmentSpreadNode
from graphql import GraphQLError

from testbed.catalog import accesses
from testbed.catalog.api_keys import ApiKeys
from testbed.catalog.collaborators import potential_collaborators
from testbed.catalog.descriptions import bucket_of
from testbed.catalog.descriptions import buckets_of
from testbed.catalog.people import INDEXED_BYTES
from testbed.catalog.registry import is_name

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from testbed.catalog.auth import Caller
    from testbed.catalog.browsing import Browsing
    from testbed.catalog.documents import Objects
    from testbed.catalog.locks import Locks
    from testbed.catalog.manifest import Manifest
    from testbed.catalog.refusing import Refusals
    from testbed.catalog.registry import Registry
    from testbed.catalog.search import SearchIndex


INDEXED: Final = (
    *(".csv", ".fcs", ".html", ".ipynb", ".json", ".md", ".parquet", ".pdf", ".pptx", ".rmd", ".rst", ".tab", ".tsv"),
    *(".txt", ".xls", ".xlsx"),
)
CONTENT_INDEXING: Final = {
    "extensions": list(INDEXED),
    "bytesDefault": 100_000,
    "bytesMin": INDEXED_BYTES.start,
    "bytesMax": INDEXED_BYTES.stop - 1,
}


@dataclass(frozen=True, slots=True)
class Context:
    """The context of one request; `caller` is None only if the document asks nothing but `me`."""

    caller: Caller | None
    headers: dict[str, str]
    engine: Engine
    registry: Registry
    locks: Locks
    index: SearchIndex
    objects: Objects
    browsing: Browsing
    is_introspectable: bool
    is_unsubscribed: bool
    indexed_now: str  # a bucket that cannot be removed while the fault `indexing` is set
    ends: float  # in monotonic seconds
    refusals: Refusals

    @property
    def who(self) -> Caller:
        """Return the signed-in caller; raise PermissionError if there is none."""
        if self.caller is None:  # the route answers 401 to any query but `me`
            raise PermissionError("nobody is signed in")
        return self.caller


class Root:
    """The query root: one method per field."""

    def me(self, info: Any) -> dict[str, Any] | None:
        """Return the caller, or None without a token."""
        caller = info.context.caller
        bend = info.context.registry.defects.bend
        return cast("dict[str, Any]", bend("me", me_of(info.context))) if caller else None

    def config(self, _info: Any) -> dict[str, Any]:
        """Return the settings of content indexing; only admins may read them."""

        def indexing(info: Any) -> dict[str, Any]:
            info.context.who.require_admin()
            return CONTENT_INDEXING

        return {"contentIndexingSettings": indexing}

    def bucketConfigs(self, info: Any) -> list[dict[str, Any]]:
        """Return the catalog's buckets that the caller may read; admins see all."""
        found = buckets_of(info.context.engine, visible(info.context.who))
        return list(info.context.registry.defects.bend("bucket configs", found))

    def bucketConfig(self, info: Any, name: str) -> dict[str, Any] | None:
        """Return one bucket, or None if the caller does not see it."""
        return bucket_of(info.context.engine, name) if name in visible(info.context.who) else None

    def buckets(self, info: Any) -> list[dict[str, Any]]:
        """Return the buckets of the caller's role."""
        return buckets_of(info.context.engine, info.context.who.readable)

    def bucket(self, info: Any, name: str) -> dict[str, Any] | None:
        """Return one bucket of the caller's role, or None."""
        return bucket_of(info.context.engine, name) if name in info.context.who.readable else None

    def bucketAccessCounts(self, info: Any, bucket: str, window: int) -> dict[str, Any]:
        """Return the downloads of a bucket's objects through the catalog; `window` is in days."""
        info.context.who.require(bucket, "read")
        return accesses.of_bucket(info.context.engine, bucket, window)

    def objectAccessCounts(self, info: Any, bucket: str, key: str, window: int) -> dict[str, Any]:
        """Return the downloads of one object through the catalog; `window` is in days."""
        info.context.who.require(bucket, "read")
        return accesses.counts(info.context.engine, window, bucket=bucket, key=key)

    def potentialCollaborators(self, info: Any) -> list[dict[str, Any]]:
        """Return the users with an unmanaged role, whose rights only AWS knows."""
        return potential_collaborators(info.context.engine)

    def subscription(self, info: Any) -> dict[str, Any]:
        """Return whether the catalog's subscription is active."""
        return {"active": not info.context.is_unsubscribed, "timestamp": datetime.now(UTC).isoformat()}

    def status(self, info: Any) -> dict[str, Any]:
        """Return Unavailable: the embedded catalog has no stack status."""
        info.context.who.require_admin()
        return {"__typename": "Unavailable"}

    def packages(self, info: Any, bucket: str, filter: str | None = None) -> PackageList | None:
        """Return the packages of a bucket, or None if the catalog has no such bucket."""
        if bucket not in info.context.who.catalog:
            return None
        info.context.who.require(bucket, "read")
        names = info.context.registry.names(bucket)
        return PackageList(info.context.registry, bucket, [n for n in names if not filter or filter in n])

    def package(self, info: Any, bucket: str, name: str) -> Package | None:
        """Return one package, or None."""
        if bucket not in info.context.who.catalog:
            return None
        info.context.who.require(bucket, "read")
        registry = info.context.registry
        if is_name(name) and registry.latest(bucket, name):
            return Package(registry, bucket, name)
        bent = registry.defects.bend("missing package", None, registry=registry, bucket=bucket, name=name)
        return cast("Package | None", bent)


def fields_below(info: Any) -> set[str]:
    """Return the names of all fields selected below a field, at any depth and in fragments."""
    found: set[str] = set()
    open_sets = [node.selection_set for node in info.field_nodes]
    while open_sets:
        for selected in getattr(open_sets.pop(), "selections", ()):
            if isinstance(selected, FieldNode):
                found.add(selected.name.value)
            elif isinstance(selected, FragmentSpreadNode):
                open_sets.append(info.fragments[selected.name.value].selection_set)
            else:
                open_sets.append(selected.selection_set)
    return found


class PackageList:
    """A paged list of a bucket's packages."""

    def __init__(self, registry: Registry, bucket: str, names: list[str]) -> None:
        self._registry = registry
        self._bucket = bucket
        self._names = names
        self.total = len(names)

    def page(self, info: Any, number: int = 1, perPage: int = 30, order: str = "NAME") -> list[Package]:
        """Return one page.

        S3 is read concurrently, so that a page over a slow link takes about as long as one package.
        """
        packages = [Package(self._registry, self._bucket, name) for name in self._names]
        check_page(number, perPage)
        if order == "MODIFIED":
            self._registry.side_by_side(lambda package: package.modified(None), packages)
            packages.sort(key=lambda package: package.modified(None), reverse=True)
        found = packages[(number - 1) * perPage : number * perPage]
        asked = fields_below(info)
        if asked & {"modified", "revision"}:
            self._registry.side_by_side(lambda package: package.modified(None), found)
        if "revisions" in asked:
            self._registry.side_by_side(Package.look_ahead, found)
        return list(self._registry.defects.bend("page of packages", found, number=number))


class Package:
    """One package."""

    def __init__(self, registry: Registry, bucket: str, name: str) -> None:
        self._registry = registry
        self.bucket = bucket
        self.name = name
        self._revisions: Revisions | None = None

    def modified(self, _info: Any) -> str:
        """Return the time of the latest revision, or an empty string if there is none."""
        latest = self._registry.latest(self.bucket, self.name)
        return latest[1].isoformat() if latest else ""

    def accessCounts(self, info: Any, window: int = 30) -> dict[str, Any]:
        """Return the downloads of the package's files through the catalog; `window` is in days."""
        return accesses.counts(info.context.engine, window, registry=self.bucket, package=self.name)

    def revisions(self, _info: Any) -> Revisions:
        """Return the revisions, newest first."""
        return self._revisions or Revisions(self._registry, self.bucket, self.name)

    def look_ahead(self) -> None:
        """List the revisions and read the newest one, in advance of their resolvers."""
        self._revisions = Revisions(self._registry, self.bucket, self.name)
        self._revisions.page(None, perPage=1)

    def revision(self, _info: Any, hashOrTag: str = "latest") -> Revision | None:
        """Return one revision, or None."""
        top_hash = self._registry.resolve(self.bucket, self.name, hashOrTag)
        manifest = self._registry.manifest(self.bucket, top_hash) if top_hash else None
        if top_hash is None or manifest is None:
            return None
        return Revision(self._registry, self.bucket, self.name, top_hash, manifest)


class Revisions:
    """A paged list of a package's revisions, newest first."""

    def __init__(self, registry: Registry, bucket: str, name: str) -> None:
        self._registry = registry
        self._bucket = bucket
        self._name = name
        found = [pointer for pointer in registry.pointers(bucket, name) if pointer.tag != "latest"]
        found.sort(key=lambda pointer: int(pointer.tag), reverse=True)
        self._pointers = registry.defects.bend("pointers", found)
        self.total = len(self._pointers)

    def page(self, _info: Any, number: int = 1, perPage: int = 10) -> list[Revision]:
        """Return one page; a revision without a manifest is left out."""
        check_page(number, perPage)
        found = []
        for pointer in self._pointers[(number - 1) * perPage : number * perPage]:
            top_hash = self._registry.read_pointer(self._bucket, pointer)
            manifest = self._registry.manifest(self._bucket, top_hash)
            if manifest:
                found.append(Revision(self._registry, self._bucket, self._name, top_hash, manifest, pointer.tag))
        return found


class Revision:
    """One revision: its content is from the manifest, its time from the pointer."""

    def __init__(
        self, registry: Registry, bucket: str, name: str, top_hash: str, manifest: Manifest, tag: str = ""
    ) -> None:
        self._registry = registry
        self._bucket = bucket
        self._name = name
        self._manifest = manifest
        self._tag = tag
        self.hash = top_hash
        self.message = manifest.header.get("message")
        self.metadata = manifest.header
        self.userMeta = manifest.header.get("user_meta")
        self.workflow = manifest.header.get("workflow")
        self.totalEntries = len(manifest.entries)
        self.totalBytes = float(manifest.total_bytes)
        registry.defects.bend("revision", self, manifest=manifest)

    def modified(self, _info: Any) -> str:
        """Return the time in the name of the revision's pointer.

        Without a known pointer, the latest revision has the time of `latest`, another one that of its newest pointer.
        """
        if self._tag:
            return time_of(self._tag)
        latest = self._registry.latest(self._bucket, self._name)
        if latest and latest[0] == self.hash:
            return latest[1].isoformat()
        pointers = [p for p in self._registry.pointers(self._bucket, self._name) if p.tag != "latest"]
        for pointer in sorted(pointers, key=lambda p: int(p.tag), reverse=True):
            if self._registry.read_pointer(self._bucket, pointer) == self.hash:
                return time_of(pointer.tag)
        return latest[1].isoformat() if latest else ""

    def accessCounts(self, info: Any, window: int = 30) -> dict[str, Any]:
        """Return the downloads of this revision's files through the catalog; `window` is in days."""
        place = {"registry": self._bucket, "package": self._name, "hash": self.hash}
        return accesses.counts(info.context.engine, window, **place)

    def dir(self, info: Any, path: str) -> dict[str, Any] | None:
        """Return a directory with its direct children, or None."""
        bare = path.strip("/")
        found = directory_of(self._manifest, bare)
        user = info.context.caller.name
        bent = self._registry.defects.bend("directory", found, manifest=self._manifest, path=bare, user=user)
        return cast("dict[str, Any] | None", bent)

    def file(self, _info: Any, path: str) -> dict[str, Any] | None:
        """Return a file, or None."""
        found = file_of(self._manifest, path) if path in self._manifest.entries else None
        bent = self._registry.defects.bend("file", found, manifest=self._manifest, path=path)
        return cast("dict[str, Any] | None", bent)

    def contentsFlatMap(self, _info: Any, max: int = 1000) -> dict[str, Any] | None:
        """Return all entries by logical key, or None if there are more than `max`."""
        if len(self._manifest.entries) > max:
            return None
        found = {
            key: {
                "physicalKey": e["physical_keys"][0],
                "size": e["size"],
                "hash": e["hash"],
                "meta": e.get("meta") or {},
            }
            for key, e in self._manifest.entries.items()
        }
        return dict(self._registry.defects.bend("flat map", found, registry=self._registry, bucket=self._bucket))


def check_page(number: int, per_page: int) -> None:
    """Raise GraphQLError for a page number below 1 or a negative page size."""
    if number < 1 or per_page < 0:
        raise GraphQLError(f"There is no page {number} of {per_page}: count pages from 1.")


def time_of(tag: str) -> str:
    """Return the time of a pointer's tag, a Unix second, as ISO 8601 in UTC."""
    return datetime.fromtimestamp(int(tag), UTC).isoformat()


def visible(caller: Caller) -> frozenset[str]:
    """Return the buckets that a caller sees: all for an admin, else the readable ones."""
    return caller.catalog if caller.is_admin else caller.readable


def me_of(context: Context) -> dict[str, Any]:
    """Return the caller as Me."""
    caller, keys = context.who, ApiKeys(context.engine, context.who.name)
    return {
        "__typename": "Me",
        "name": caller.name,
        "email": caller.email,
        "isAdmin": caller.is_admin,
        "role": {"name": caller.role},
        "roles": [{"name": name} for name in (caller.role, *caller.extra_roles)],
        "apiKeys": keys.list,
        "apiKey": keys.get,
    }


def directory_of(manifest: Manifest, path: str) -> dict[str, Any] | None:
    """Return a directory, or None; paths have no trailing slash."""
    below = manifest.children.get(path)
    if below is None:
        return None
    children = []
    for name, size in below.items():
        full = f"{path}/{name}" if path else name
        if full in manifest.entries:
            children.append(file_of(manifest, full))
        else:
            meta = manifest.directories.get(full)
            children.append({"__typename": "PackageDir", "path": full, "metadata": meta, "size": float(size)})
    return {
        "path": path,
        "metadata": manifest.directories.get(path),
        "size": float(sum(below.values())),
        "children": children,
    }


def file_of(manifest: Manifest, path: str) -> dict[str, Any]:
    """Return a file of the manifest."""
    entry = manifest.entries[path]
    return {
        "__typename": "PackageFile",
        "path": path,
        "metadata": entry.get("meta") or {},
        "size": float(entry["size"]),
        "physicalKey": entry["physical_keys"][0],
    }
