"""The schema's search fields: packages and objects, the first page and further pages."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any
from typing import cast

from graphql import GraphQLError
from graphql import GraphQLUnionType
from graphql import get_named_type

from testbed.catalog import facets
from testbed.catalog import filters
from testbed.catalog import paging
from testbed.catalog.arms import armed
from testbed.catalog.errors import InputError
from testbed.catalog.paging import State
from testbed.catalog.search_fields import QueryError

if TYPE_CHECKING:
    from testbed.catalog.resolvers import Context


class Searches:
    """The query fields for searches."""

    def searchPackages(
        self,
        info: Any,
        buckets: list[str] | None = None,
        searchString: str | None = None,
        filter: dict[str, Any] | None = None,
        userMetaFilters: list[dict[str, Any]] | None = None,
        **_: Any,
    ) -> dict[str, Any]:
        """Search the latest revisions in buckets that the caller may read."""
        return armed(
            info, lambda: _result_set(info.context, "packages", buckets, searchString, filter, userMetaFilters)
        )

    def searchMorePackages(self, info: Any, after: str, size: int = 30) -> dict[str, Any]:
        """Return the next page of a package search."""
        return armed(info, lambda: _further(info.context, paging.resumed(after, "packages"), size))

    def searchObjects(
        self,
        info: Any,
        buckets: list[str] | None = None,
        searchString: str | None = None,
        filter: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Search the objects in buckets that the caller may read."""
        return armed(info, lambda: _result_set(info.context, "objects", buckets, searchString, filter))

    def searchMoreObjects(self, info: Any, after: str, size: int = 30) -> dict[str, Any]:
        """Return the next page of an object search."""
        return armed(info, lambda: _further(info.context, paging.resumed(after, "objects"), size))


class FirstPage:
    """The resolver of a search's first page, in both dialects."""

    def __init__(self, hits: list[dict[str, Any]], state: State) -> None:
        self._hits = hits
        self._state = state

    def __call__(
        self, info: Any, size: int = 30, ordering: str | None = None, order: str | None = None
    ) -> dict[str, Any]:
        """Return the first hits, in the order of the old dialect (`order`) or the new one (`ordering`)."""
        try:
            return self._page(size, paging.OLD_ORDERS.get(order or "", ordering))
        except InputError as error:
            if not isinstance(get_named_type(info.return_type), GraphQLUnionType):
                raise GraphQLError(str(error)) from error
            listed = {"path": error.path, "name": error.name, "message": str(error), "context": {}}
            return {"__typename": "InvalidInput", "errors": [listed]}

    def _page(self, size: int, ordering: str | None) -> dict[str, Any]:
        paging.check_size(size)
        state = replace(self._state, ordering=ordering)
        return paging.page(paging.ordered(self._hits, ordering), state, size)


def _result_set(
    context: Context, kind: str, buckets: list[str] | None, text: str | None, wanted: dict[str, Any] | None = None,
    wanted_meta: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:  # fmt: skip
    for bucket in buckets or ():
        context.who.require(bucket, "read")
    searched = context.registry.defects.bend("searched buckets", buckets or sorted(context.who.readable))
    state = State(kind, searched, text or "*", None, wanted=wanted, wanted_meta=wanted_meta)
    hits = _hits(context, state)
    if not hits:
        return cast("dict[str, Any]", context.registry.defects.bend("no hits", {"__typename": "EmptySearchResultSet"}))
    found = {"__typename": f"{kind.title()}SearchResultSet", "total": len(hits), "firstPage": FirstPage(hits, state)}
    return found | (_facts(hits) if kind == "packages" else {"stats": filters.object_stats(hits)})


def _facts(hits: list[dict[str, Any]]) -> dict[str, Any]:
    """Return statistics and metadata facets of found packages."""

    def of_metadata(_info: Any = None) -> list[dict[str, Any]]:
        return facets.facets(hits)[: facets.MOST]

    def is_truncated(_info: Any = None) -> bool:
        return len(facets.facets(hits)) > facets.MOST

    def filtered(_info: Any, path: str, type: str | None = None) -> list[dict[str, Any]]:
        return facets.facets(hits, path, type)[: facets.MOST]

    stats = filters.stats(hits) | {"userMeta": of_metadata, "userMetaTruncated": is_truncated}
    return {"stats": stats, "filteredUserMetaFacets": filtered}


def _hits(context: Context, state: State) -> list[dict[str, Any]]:
    try:
        if state.kind == "packages":
            found = filters.admitted(context.index.find(state.buckets, state.text), state.wanted)
            return facets.admitted(found, state.wanted_meta)
        objects = [
            {"name": found.source["key"], "modified": found.source["last_modified"], "document": found}
            for found in context.objects.find(state.buckets, state.text)
        ]
        return filters.objects_admitted(objects, state.wanted)
    except QueryError as error:
        raise InputError("searchString", "InvalidQuery", str(error)) from error


def _further(context: Context, state: State, size: int) -> dict[str, Any]:
    """Return the page of a cursor, limited to buckets that the caller may still read."""
    readable = [bucket for bucket in state.buckets if bucket in context.who.readable]
    hits = _hits(context, replace(state, buckets=readable))
    paging.check_size(size)
    return paging.page(paging.ordered(hits, state.ordering), state, size)
