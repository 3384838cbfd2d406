"""GET /api/search: indices of packages and objects, queried by text or by Elasticsearch's query DSL."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import cast

from starlette.responses import JSONResponse

from testbed.catalog import documents
from testbed.catalog import dsl
from testbed.catalog import query_language
from testbed.catalog import terms
from testbed.catalog.search_fields import QueryError
from testbed.parsing import json_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Mapping

    from testbed.catalog.auth import Caller
    from testbed.catalog.documents import Document
    from testbed.catalog.documents import Objects
    from testbed.catalog.registry import Registry
    from testbed.catalog.search import SearchIndex

MAX_INDICES: Final = 20
PACKAGES: Final = "_packages"
ENTRY: Final = '"entry_'


class RefusedError(Exception):
    """A refused request, with its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RestSearch:
    """The search over REST."""

    def __init__(self, registry: Registry, index: SearchIndex, objects: Objects) -> None:
        self._registry = registry
        self._bend = registry.defects.bend
        self._index = index
        self._objects = objects

    def answer(self, caller: Caller, query: Mapping[str, str]) -> JSONResponse:
        """Return the response in Elasticsearch's shape."""
        try:
            packages, objects = self._buckets(caller, query.get("index", "_all").split(","))
            found, start, size = self._found(packages, objects, query)
        except RefusedError as error:
            return JSONResponse({"message": str(error)}, error.status)
        if not found and (failed := self._bend("no hits", None)):
            return JSONResponse({"message": failed["message"]}, 500)
        hits = [document.hit() for document in found[start : start + size]]
        done = JSONResponse({"took": 1, "timed_out": False, "hits": {"total": len(found), "hits": hits}})
        return cast("JSONResponse", self._bend("answer", done, operation="search"))

    def _buckets(self, caller: Caller, indices: list[str]) -> tuple[list[str], list[str]]:
        """Return the buckets whose packages are searched and those whose objects are.

        Raise RefusedError for an unknown index, and ForbiddenError for one that the caller may not read.
        """
        if len(indices) > MAX_INDICES:
            raise RefusedError(403, f"{len(indices)} indices are asked, {MAX_INDICES} are allowed.")
        names: list[str] = []
        for name in indices:
            if "*" in name:
                raise RefusedError(400, f"The index name `{name}` holds a wildcard.")
            if name == "_all":
                names += [part for bucket in sorted(caller.readable) for part in (bucket, bucket + PACKAGES)]
                continue
            bucket = name.removesuffix(PACKAGES)
            if bucket not in caller.catalog:
                raise RefusedError(404, f"There is no index `{name}`.")
            caller.require(bucket, "read")
            names.append(name)
        unique = sorted(set(names))
        packages = [name.removesuffix(PACKAGES) for name in unique if name.endswith(PACKAGES)]
        return self._bend("searched buckets", packages), [name for name in unique if not name.endswith(PACKAGES)]

    def _found(
        self, packages: list[str], objects: list[str], query: Mapping[str, str]
    ) -> tuple[list[Document], int, int]:
        """Return all results, and the requested offset and number."""
        action, size = query.get("action", "search"), query.get("size", "30")
        if action == "search":
            return self._by_text(packages, objects, query.get("query", "*")), 0, natural("size", size)
        if action != "freeform":
            raise RefusedError(400, f"The action `{action}` is not supported: use search or freeform.")
        try:
            body = json_of(query.get("body", "{}"))
        except ValueError as error:
            raise RefusedError(400, "The body of the search is not JSON.") from error
        rules = self._bend("search rules", terms.Rules())
        try:
            known = [*self._everything(packages, objects), *self._entries(packages, body)]
            found = dsl.select(body, known, rules)
        except dsl.DslError as error:
            raise RefusedError(400, str(error)) from error
        found = self._bend("search hits", found, everything=lambda: self._everything(packages, objects))
        return found, natural("from", body.get("from", 0)), natural("size", body.get("size", size))

    def _by_text(self, packages: list[str], objects: list[str], text: str) -> list[Document]:
        """Return the packages and objects that match a query string.

        Package entries are searched only if the query names one of their fields.
        """
        try:
            query = query_language.parse(text, self._bend("search rules", terms.Rules()))
            found = [documents.of_package(row) for row in self._index.find(packages, text)]
            found += self._objects.find(objects, text)
        except QueryError as error:
            raise RefusedError(400, str(error)) from error
        entries = self._entries(packages, sorted(query.fields))
        return found + [entry for entry in entries if query.matches(entry.text, entry.look)]

    def _everything(self, packages: list[str], objects: list[str]) -> list[Document]:
        rows = [documents.of_package(row) for row in self._index.visible(packages)]
        return rows + self._objects.documents(objects)

    def _entries(self, packages: list[str], body: Any) -> Iterator[Document]:
        """Yield the entries of all packages if a query names a field of entries; otherwise nothing could match.

        Entries belong to a manifest, so packages with the same manifest share them.
        """
        if ENTRY not in json.dumps(body):
            return
        for row in {(row["bucket"], row["hash"]): row for row in self._index.visible(packages)}.values():
            if manifest := self._registry.manifest(row["bucket"], row["hash"]):
                yield from documents.of_entries(row, manifest)


def natural(name: str, value: Any) -> int:
    """Return a count as int; raise RefusedError unless it is a natural number below 100,000."""
    text = str(value)
    if not (text.isascii() and text.isdecimal()) or isinstance(value, bool) or len(text) > len("10000"):
        raise RefusedError(400, f"`{name}` is `{text[:20]}`, not a natural number below 100000.")
    return int(text)
