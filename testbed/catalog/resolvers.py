"""The queries: plain functions from caller and registry to plain data, wired to the schema by name."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

import sqlalchemy as sa

from testbed.catalog import database as db
from testbed.catalog.people import BUCKETS
from testbed.catalog.people import ROLES
from testbed.catalog.people import UNMANAGED

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from testbed.catalog.auth import Caller
    from testbed.catalog.browsing import Browsing
    from testbed.catalog.manifest import Manifest
    from testbed.catalog.registry import Registry
    from testbed.catalog.search import SearchIndex


@dataclass(frozen=True, slots=True)
class Context:
    """What resolvers work with during one request; `caller` is None only for the document that asks `me`."""

    caller: Caller | None
    headers: dict[str, str]
    engine: Engine
    registry: Registry
    index: SearchIndex
    browsing: Browsing

    @property
    def who(self) -> Caller:
        """The signed-in caller."""
        if self.caller is None:  # the status rule lets only `me` through
            raise PermissionError("nobody is signed in")
        return self.caller


class Root:
    """The query root: one method per field; graphql-core calls them with the request's info."""

    def me(self, info: Any) -> dict[str, Any] | None:
        """Give the caller, or nothing without a token."""
        caller = info.context.caller
        return me_of(caller) if caller else None

    def config(self, _info: Any) -> dict[str, Any]:
        """Give the marker."""
        return {}

    def bucketConfigs(self, info: Any) -> list[dict[str, Any]]:
        """List the catalog's buckets the caller may read; admins see all."""
        return [bucket_of(name) for name in sorted(visible(info.context.who))]

    def bucketConfig(self, info: Any, name: str) -> dict[str, Any] | None:
        """Give one bucket."""
        return bucket_of(name) if name in visible(info.context.who) else None

    def buckets(self, info: Any) -> list[dict[str, Any]]:
        """List the buckets of the caller's role."""
        return [bucket_of(name) for name in sorted(info.context.who.readable)]

    def bucket(self, info: Any, name: str) -> dict[str, Any] | None:
        """Give one bucket of the caller's role."""
        return bucket_of(name) if name in info.context.who.readable else None

    def packages(self, info: Any, bucket: str, filter: str | None = None) -> PackageList | None:
        """List packages of a bucket; nothing when the catalog has no such bucket."""
        if bucket not in BUCKETS:
            return None
        info.context.who.require(bucket, "read")
        names = info.context.registry.names(bucket)
        return PackageList(info.context.registry, bucket, [n for n in names if not filter or filter in n])

    def package(self, info: Any, bucket: str, name: str) -> Package | None:
        """Give one package, or nothing."""
        if bucket not in BUCKETS:
            return None
        info.context.who.require(bucket, "read")
        latest = info.context.registry.latest(bucket, name)
        return Package(info.context.registry, bucket, name) if latest else None

    def searchPackages(
        self,
        info: Any,
        buckets: list[str] | None = None,
        searchString: str | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """Search the latest revisions that the caller may read."""
        caller = info.context.who
        for bucket in buckets or ():
            caller.require(bucket, "read")
        hits = info.context.index.find(buckets or sorted(caller.readable), searchString or "*")
        if not hits:
            return {"__typename": "EmptySearchResultSet"}
        return {"__typename": "PackagesSearchResultSet", "total": len(hits), "stats": {}, "firstPage": FirstPage(hits)}

    def searchMorePackages(self, info: Any, after: str, size: int = 30) -> dict[str, Any]:
        """Give the next page of a search."""
        state = json.loads(base64.urlsafe_b64decode(after))
        readable = [bucket for bucket in state["buckets"] if bucket in info.context.who.readable]
        hits = info.context.index.find(readable, state["text"])
        return page_of(hits, state["offset"], size)

    def roles(self, info: Any) -> list[dict[str, Any]]:
        """List the roles."""
        info.context.who.require_admin()
        return [role_of(name) for name in sorted(ROLES)]

    def admin(self, info: Any) -> dict[str, Any]:
        """Open the admin queries."""
        info.context.who.require_admin()
        return {"user": Users(info.context.engine)}


class Users:
    """The user queries of an admin."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def list(self, _info: Any) -> list[dict[str, Any]]:
        """List all users by name."""
        with self._engine.connect() as connection:
            return [user_of(row) for row in connection.execute(sa.select(db.users).order_by(db.users.c.name))]

    def get(self, _info: Any, name: str) -> dict[str, Any] | None:
        """Give one user, or nothing."""
        with self._engine.connect() as connection:
            row = connection.execute(sa.select(db.users).where(db.users.c.name == name)).first()
        return user_of(row) if row else None


class FirstPage:
    """The first page of a search; both dialects call it."""

    def __init__(self, hits: list[dict[str, Any]]) -> None:
        self._hits = hits

    def __call__(self, _info: Any, size: int = 30, ordering: str | None = None, order: str | None = None) -> Any:
        """Give the first hits; orderings other than newest first sort by name."""
        hits = self._hits
        if order in {"LEX_ASC", "LEX_DESC"} or (ordering or "").startswith("sys:name:"):
            descending = order == "LEX_DESC" or (ordering or "").endswith(":desc")
            hits = sorted(hits, key=lambda hit: hit["name"], reverse=descending)
        return page_of(hits, 0, size)


class PackageList:
    """Packages of a bucket, by page."""

    def __init__(self, registry: Registry, bucket: str, names: list[str]) -> None:
        self._registry = registry
        self._bucket = bucket
        self._names = names
        self.total = len(names)

    def page(self, _info: Any, number: int = 1, perPage: int = 30, order: str = "NAME") -> list[Package]:
        """Give one page."""
        packages = [Package(self._registry, self._bucket, name) for name in self._names]
        if order == "MODIFIED":
            packages.sort(key=lambda package: package.modified(None), reverse=True)
        return packages[(number - 1) * perPage : number * perPage]


class Package:
    """One package."""

    def __init__(self, registry: Registry, bucket: str, name: str) -> None:
        self._registry = registry
        self.bucket = bucket
        self.name = name

    def modified(self, _info: Any) -> str:
        """Give the time of the latest revision."""
        latest = self._registry.latest(self.bucket, self.name)
        return latest[1].isoformat() if latest else ""

    def revisions(self, _info: Any) -> Revisions:
        """List revisions, newest first."""
        return Revisions(self._registry, self.bucket, self.name)

    def revision(self, _info: Any, hashOrTag: str = "latest") -> Revision | None:
        """Give one revision, or nothing."""
        top_hash = self._registry.resolve(self.bucket, self.name, hashOrTag)
        manifest = self._registry.manifest(self.bucket, top_hash) if top_hash else None
        if top_hash is None or manifest is None:
            return None
        return Revision(self._registry, self.bucket, self.name, top_hash, manifest)


class Revisions:
    """The revisions of a package, by page."""

    def __init__(self, registry: Registry, bucket: str, name: str) -> None:
        self._registry = registry
        self._bucket = bucket
        self._name = name
        found = [pointer for pointer in registry.pointers(bucket, name) if pointer.tag != "latest"]
        self._pointers = sorted(found, key=lambda pointer: int(pointer.tag), reverse=True)
        self.total = len(self._pointers)

    def page(self, _info: Any, number: int = 1, perPage: int = 10) -> list[Revision]:
        """Give one page."""
        found = []
        for pointer in self._pointers[(number - 1) * perPage : number * perPage]:
            top_hash = self._registry.read_pointer(self._bucket, pointer)
            manifest = self._registry.manifest(self._bucket, top_hash)
            if manifest:
                found.append(Revision(self._registry, self._bucket, self._name, top_hash, manifest, pointer.tag))
        return found


class Revision:
    """One revision; its content comes from the manifest, its time from its pointer."""

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
        self.workflow = None
        self.totalEntries = len(manifest.entries)
        self.totalBytes = float(manifest.total_bytes)

    def modified(self, _info: Any) -> str:
        """Give the time that the pointer's name holds; asked by hash, the latest revision has `latest`'s time."""
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

    def dir(self, _info: Any, path: str) -> dict[str, Any] | None:
        """Give a directory with its children one level below, or nothing."""
        return directory_of(self._manifest, path.strip("/"))

    def file(self, _info: Any, path: str) -> dict[str, Any] | None:
        """Give a file, or nothing."""
        return file_of(self._manifest, path) if path in self._manifest.entries else None

    def contentsFlatMap(self, _info: Any, max: int = 1000) -> dict[str, Any] | None:
        """Give all entries, or nothing when there are more than `max`."""
        if len(self._manifest.entries) > max:
            return None
        return {
            key: {
                "physicalKey": e["physical_keys"][0],
                "size": e["size"],
                "hash": e["hash"],
                "meta": e.get("meta") or {},
            }
            for key, e in self._manifest.entries.items()
        }


def time_of(tag: str) -> str:
    """Give the time of a pointer named by its Unix second."""
    return datetime.fromtimestamp(int(tag), UTC).isoformat()


def visible(caller: Caller) -> frozenset[str]:
    """Give the catalog's buckets a caller sees."""
    return frozenset(BUCKETS) if caller.is_admin else caller.readable


def me_of(caller: Caller) -> dict[str, Any]:
    """Write a caller as Me."""
    role = {"name": caller.role}
    return {
        "__typename": "Me",
        "name": caller.name,
        "email": caller.email,
        "isAdmin": caller.is_admin,
        "role": role,
        "roles": [role],
    }


def bucket_of(name: str) -> dict[str, Any]:
    """Write a bucket."""
    title, relevance = BUCKETS[name]
    return {"name": name, "title": title, "relevanceScore": relevance, "browsable": True, "tags": []}


def role_of(name: str) -> dict[str, Any]:
    """Write a role."""
    kind = "UnmanagedRole" if name in UNMANAGED else "ManagedRole"
    reads, writes = ROLES[name]
    levels = {bucket: "READ_WRITE" if bucket in writes else "READ" for bucket in sorted(reads | writes)}
    return {
        "__typename": kind, "id": f"role-{name}", "name": name,
        "arn": f"arn:aws:iam::000000000000:role/nightproof-{name}",
        "policies": [], "permissions": [{"bucket": bucket_of(b), "level": level} for b, level in levels.items()],
    }  # fmt: skip


def user_of(row: Any) -> dict[str, Any]:
    """Write a user."""
    return {
        "name": row.name,
        "email": row.email,
        "dateJoined": row.joined,
        "lastLogin": row.last_login,
        "isActive": row.is_active,
        "isAdmin": row.is_admin,
        "isSsoOnly": False,
        "isService": row.is_service,
        "role": role_of(row.role),
        "extraRoles": [],
    }


def directory_of(manifest: Manifest, path: str) -> dict[str, Any] | None:
    """Write a directory; paths carry no trailing slash."""
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
    """Write a file."""
    entry = manifest.entries[path]
    return {
        "__typename": "PackageFile",
        "path": path,
        "metadata": entry.get("meta") or {},
        "size": float(entry["size"]),
        "physicalKey": entry["physical_keys"][0],
    }


def page_of(hits: list[dict[str, Any]], offset: int, size: int) -> dict[str, Any]:
    """Write one page of hits."""
    return {
        "__typename": "PackagesSearchResultSetPage",
        "cursor": None,
        "hits": [
            {
                "id": f"{h['bucket']}/{h['name']}",
                "score": 1.0,
                "bucket": h["bucket"],
                "name": h["name"],
                "pointer": "latest",
                "hash": h["hash"],
                "size": h["size"],
                "modified": h["modified"],
                "totalEntriesCount": h["entries"],
                "comment": h["comment"],
                "meta": h["meta"],
                "matchLocations": {},
                "matchingEntries": [],
            }
            for h in hits[offset : offset + size]
        ],
    }
