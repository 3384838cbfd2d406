"""The mutations; each returns a success arm or an error arm."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

from testbed.catalog.access import Access
from testbed.catalog.administration import Administration
from testbed.catalog.api_keys import ApiKeys
from testbed.catalog.arms import armed
from testbed.catalog.arms import failed
from testbed.catalog.arms import invalid
from testbed.catalog.buckets import Buckets
from testbed.catalog.construct import construct
from testbed.catalog.construct import promote
from testbed.catalog.resolvers import Package
from testbed.catalog.resolvers import Revision
from testbed.catalog.resolvers import Root
from testbed.catalog.resolvers import me_of
from testbed.catalog.searching import Searches
from testbed.catalog.users import switch_role

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.catalog.manifest import Manifest


class Operations(Searches, Access, Buckets, Administration, Root):
    """All queries and mutations; one root value serves both."""

    def switchRole(self, info: Any, roleName: str) -> dict[str, Any]:
        """Switch the caller's active role to another of the caller's roles."""
        context = info.context

        def switch() -> dict[str, Any]:
            switch_role(context.engine, context.who.name, roleName)
            others = {context.who.role, *context.who.extra_roles} - {roleName}
            now = replace(context.who, role=roleName, extra_roles=tuple(sorted(others)))
            return me_of(replace(context, caller=now))

        return armed(info, switch)

    def apiKeyCreate(self, info: Any, input: dict[str, Any]) -> dict[str, Any]:
        """Create an API key for the caller."""
        return armed(info, lambda: ApiKeys(info.context.engine, info.context.who.name).create(input))

    def apiKeyRevoke(self, info: Any, id: str | None = None, secret: str | None = None) -> dict[str, Any]:
        """Revoke one of the caller's API keys."""
        return armed(info, lambda: ApiKeys(info.context.engine, info.context.who.name).revoke(id, secret))

    def restoreObject(self, info: Any, bucket: str, key: str, days: int, **_: Any) -> dict[str, Any]:
        """Answer NotSupported: the testbed has no archived objects to restore."""
        info.context.who.require(bucket, "write")
        if days < 1:
            return invalid("days", "InvalidDays", f"An object cannot be restored for {days} days.")
        return failed("NotSupported", f"The object `{key}` cannot be restored: this storage has no archive.")

    def packageConstruct(self, info: Any, params: dict[str, Any], src: dict[str, Any]) -> dict[str, Any]:
        """Write a revision from existing S3 objects."""
        context = info.context
        return _push(
            info,
            params,
            lambda: construct(context.registry, context.locks, context.who, params, src["entries"], context.headers),
        )

    def packagePromote(
        self,
        info: Any,
        params: dict[str, Any],
        src: dict[str, Any],
        destPrefix: str | None = None,
    ) -> dict[str, Any]:
        """Copy the objects of another revision and write them as a new one."""
        context = info.context
        return _push(
            info, params, lambda: promote(context.registry, context.locks, context.who, params, src, destPrefix)
        )

    def packageRevisionDelete(self, info: Any, bucket: str, name: str, hash: str) -> dict[str, Any]:
        """Delete the pointers of one revision."""
        info.context.who.require(bucket, "write")

        def delete() -> dict[str, Any]:
            with info.context.locks.held(bucket, name):
                info.context.registry.delete_revision(bucket, name, hash)
            info.context.index.update(bucket, name)
            return {"__typename": "PackageRevisionDeleteSuccess"}

        return armed(info, delete)

    def browsingSessionCreate(self, info: Any, scope: str, ttl: int = 180) -> dict[str, Any]:
        """Create a browsing session; `ttl` is in seconds."""
        return armed(info, lambda: info.context.browsing.create(info.context.who, scope, ttl))

    def browsingSessionRefresh(self, info: Any, id: str, ttl: int = 180) -> dict[str, Any]:
        """Extend a browsing session."""
        return armed(info, lambda: info.context.browsing.refresh(info.context.who, id, ttl))

    def browsingSessionDispose(self, info: Any, id: str) -> dict[str, Any]:
        """End a browsing session."""
        return armed(info, lambda: info.context.browsing.dispose(info.context.who, id))


def _push(info: Any, params: dict[str, Any], write: Callable[[], tuple[str, Manifest]]) -> dict[str, Any]:
    bucket, name = params["bucket"], params["name"]

    def push() -> dict[str, Any]:
        top_hash, manifest = write()
        info.context.index.update(bucket, name)
        registry = info.context.registry
        return {
            "__typename": "PackagePushSuccess",
            "package": Package(registry, bucket, name),
            "revision": Revision(registry, bucket, name, top_hash, manifest),
        }

    return armed(info, push)
