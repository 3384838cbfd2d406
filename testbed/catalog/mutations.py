"""The mutations: each gives a success arm, or the arm of the error it met."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

from testbed.catalog.browsing import GoneError
from testbed.catalog.construct import construct
from testbed.catalog.construct import promote
from testbed.catalog.registry import InputError
from testbed.catalog.registry import OperationError
from testbed.catalog.resolvers import Package
from testbed.catalog.resolvers import Revision
from testbed.catalog.resolvers import Root
from testbed.catalog.resolvers import me_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.catalog.manifest import Manifest


class Operations(Root):
    """Queries and mutations together: one root value serves both."""

    def switchRole(self, info: Any, roleName: str) -> dict[str, Any]:
        """Change to a role the caller has; each seeded user has one."""
        if roleName != info.context.who.role:
            return invalid("roleName", "RoleDoesNotExist", f"The user has no role `{roleName}`.")
        return me_of(info.context.who)

    def packageConstruct(self, info: Any, params: dict[str, Any], src: dict[str, Any]) -> dict[str, Any]:
        """Write a revision from S3 objects."""
        context = info.context
        return _push(
            info, params, lambda: construct(context.registry, context.who, params, src["entries"], context.headers)
        )

    def packagePromote(
        self,
        info: Any,
        params: dict[str, Any],
        src: dict[str, Any],
        destPrefix: str | None = None,
    ) -> dict[str, Any]:
        """Write a revision from another one, copying its objects."""
        return _push(info, params, lambda: promote(info.context.registry, info.context.who, params, src, destPrefix))

    def packageRevisionDelete(self, info: Any, bucket: str, name: str, hash: str) -> dict[str, Any]:
        """Remove one revision's pointers."""
        info.context.who.require(bucket, "write")

        def delete() -> dict[str, Any]:
            with info.context.registry.locked(bucket, name):
                info.context.registry.delete_revision(bucket, name, hash)
            info.context.index.scan([bucket])
            return {"__typename": "PackageRevisionDeleteSuccess"}

        return _armed(delete)

    def browsingSessionCreate(self, info: Any, scope: str, ttl: int = 180) -> dict[str, Any]:
        """Open a browsing session."""
        return _armed(lambda: info.context.browsing.create(info.context.who, scope, ttl))

    def browsingSessionRefresh(self, info: Any, id: str, ttl: int = 180) -> dict[str, Any]:
        """Extend a browsing session."""
        return _armed(lambda: info.context.browsing.refresh(info.context.who, id, ttl))

    def browsingSessionDispose(self, info: Any, id: str) -> dict[str, Any]:
        """End a browsing session."""
        return _armed(lambda: info.context.browsing.dispose(info.context.who, id))


def _push(info: Any, params: dict[str, Any], write: Callable[[], tuple[str, Manifest]]) -> dict[str, Any]:
    bucket, name = params["bucket"], params["name"]

    def push() -> dict[str, Any]:
        top_hash, manifest = write()
        info.context.index.scan([bucket])
        registry = info.context.registry
        return {
            "__typename": "PackagePushSuccess",
            "package": Package(registry, bucket, name),
            "revision": Revision(registry, bucket, name, top_hash, manifest),
        }

    return _armed(push)


def _armed(act: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return act()
    except InputError as error:
        return invalid(error.path, error.name, str(error))
    except OperationError as error:
        return {"__typename": "OperationError", "name": error.name, "message": str(error), "context": {}}
    except GoneError as error:
        return {"__typename": "OperationError", "name": "SessionNotFound", "message": str(error), "context": {}}


def invalid(path: str, name: str, message: str) -> dict[str, Any]:
    """Write an InvalidInput arm of one error."""
    return {"__typename": "InvalidInput", "errors": [{"path": path, "name": name, "message": message, "context": {}}]}
