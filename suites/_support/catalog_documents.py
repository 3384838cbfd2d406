"""Catalog operations beyond QuiltOps: package search in the new and the old dialect, and browsing sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import quote

import requests

from suites._support.settings import settings

if TYPE_CHECKING:
    from nightproof.quilt import QuiltOps

TIMEOUT_S: Final = 30
ERRORS: Final = "... on InvalidInput { errors { path name message } } ... on OperationError { name message }"
HITS: Final = "cursor hits { bucket name hash size totalEntriesCount comment meta }"
STATS: Final = "stats { modified { min max } size { min max } entries { min max } workflow { values } }"
_SEARCH: Final = """
query Search($buckets: [String!], $text: String, $filter: PackagesSearchFilter, %s) {
  searchPackages(buckets: $buckets, searchString: $text, filter: $filter, latestOnly: true) {
    __typename %s ... on PackagesSearchResultSet { total %s firstPage(size: 30, %s) { __typename %s } }
  }
}"""
SEARCH_NEW: Final = _SEARCH % (
    "$ordering: PackageOrdering",
    ERRORS,
    STATS,
    "ordering: $ordering",
    f"{ERRORS} ... on PackagesSearchResultSetPage {{ {HITS} }}",
)
SEARCH_OLD: Final = _SEARCH % ("$order: SearchResultOrder", ERRORS, STATS, "order: $order", HITS)
MORE: Final = (
    "query More($after: String!) { searchMorePackages(after: $after, size: 30) {"
    f" __typename {ERRORS} ... on PackagesSearchResultSetPage {{ {HITS} }} }} }}"
)
_SESSION: Final = f"{{ __typename ... on BrowsingSession {{ id expires }} {ERRORS} }}"
OPEN: Final = f"mutation Open($scope: String!) {{ browsingSessionCreate(scope: $scope, ttl: 60) {_SESSION} }}"
EXTEND: Final = f"mutation Extend($id: ID!) {{ browsingSessionRefresh(id: $id, ttl: 600) {_SESSION} }}"
END: Final = "mutation End($id: ID!) { browsingSessionDispose(id: $id) { __typename } }"


def answer(quilt_ops: QuiltOps, document: str, **variables: Any) -> Any:
    """Send a document with one field and return the value of that field; raise ValueError on GraphQL errors."""
    body = quilt_ops.execute_graphql_query(document, variables)
    if "errors" in body:
        raise ValueError(f"The catalog refused the document: {body['errors']}")
    (found,) = body["data"].values()
    return found


def search(quilt_ops: QuiltOps, document: str, **variables: Any) -> Any:
    """Search packages with `SEARCH_NEW` or `SEARCH_OLD`."""
    return answer(quilt_ops, document, **variables)


def pages(quilt_ops: QuiltOps, first: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """Return the hits of a first page and of all pages after it, one list per page."""
    found = [first["hits"]]
    cursor = first["cursor"]
    while cursor:
        page = answer(quilt_ops, MORE, after=cursor)
        found.append(page["hits"])
        cursor = page["cursor"]
    return found


def open_session(quilt_ops: QuiltOps, registry: str, package: str, top_hash: str) -> dict[str, Any]:
    """Open a browsing session of 60 s on a revision; return the session or the typed error."""
    found: dict[str, Any] = answer(quilt_ops, OPEN, scope=f"{registry}#package={package}&hash={top_hash}")
    return found


def extend_session(quilt_ops: QuiltOps, session: str) -> dict[str, Any]:
    """Extend a browsing session to 600 s; return the session or the typed error."""
    found: dict[str, Any] = answer(quilt_ops, EXTEND, id=session)
    return found


def end_session(quilt_ops: QuiltOps, session: str) -> dict[str, Any]:
    """End a browsing session."""
    found: dict[str, Any] = answer(quilt_ops, END, id=session)
    return found


def redirected(quilt_ops: QuiltOps, session: str, path: str) -> requests.Response:
    """Request a file of a browsing session; return the redirect without following it."""
    url = f"{settings().catalog_url}/browse/{session}/{quote(path)}"
    headers = quilt_ops.get_graphql_auth_headers()
    return requests.get(url, headers=headers, allow_redirects=False, timeout=TIMEOUT_S)
