"""POST /graphql: parse, choose the dialect, execute, and answer with the status the wire promises."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from graphql import DocumentNode
from graphql import FieldNode
from graphql import GraphQLError
from graphql import GraphQLSchema
from graphql import OperationDefinitionNode
from graphql import execute
from graphql import parse
from graphql import validate
from starlette.responses import JSONResponse

from testbed.catalog.auth import ForbiddenError
from testbed.catalog.mutations import Operations
from testbed.catalog.schema import NEW
from testbed.catalog.schema import OLD

if TYPE_CHECKING:
    from testbed.catalog.resolvers import Context

MAX_BODY: Final = 10 * 1024 * 1024
ROOT: Final = Operations()


class Asked:
    """One parsed request: its document, and the names by which log and faults know it."""

    def __init__(self, body: bytes) -> None:
        self.error = ""
        self.document: DocumentNode | None = None
        self.operation = "graphql"
        self.fields: tuple[str, ...] = ()
        self.asks_only_me = False
        self.variables: dict[str, Any] = {}
        self.operation_name: str | None = None
        try:
            asked = json.loads(body)
            self.variables = asked.get("variables") or {}
            self.operation_name = asked.get("operationName")
            self.document = parse(str(asked["query"]), max_tokens=20_000)
        except (ValueError, KeyError, AttributeError, GraphQLError) as error:
            self.error = f"The document cannot be read: {error}"
            return
        found = [node for node in self.document.definitions if isinstance(node, OperationDefinitionNode)]
        chosen = [n for n in found if n.name and n.name.value == self.operation_name] or found
        if chosen:
            self.fields = tuple(n.name.value for n in chosen[0].selection_set.selections if isinstance(n, FieldNode))
            # a fragment may hold any field: only plain `me` fields are known to be harmless
            selected = chosen[0].selection_set.selections
            self.asks_only_me = set(self.fields) == {"me"} and len(self.fields) == len(selected)
            name = chosen[0].name.value if chosen[0].name else ""
            self.operation = self.operation_name or name or ",".join(self.fields) or "graphql"

    def labels(self) -> frozenset[str]:
        """Give every name a fault may use for this request."""
        kind = "construct" if {"packageConstruct", "packagePromote"} & set(self.fields) else "read"
        kinds = {"search"} if any(field.startswith("search") for field in self.fields) else {kind}
        return frozenset({"*", "graphql", self.operation, *self.fields, *kinds})


def answer(asked: Asked, context: Context) -> JSONResponse:
    """Execute a request with the first dialect that accepts it."""
    if asked.document is None:
        return _refused([{"message": asked.error}])
    schema, errors = _dialect(asked.document)
    if errors:
        return _refused([error.formatted for error in errors])
    result: Any = execute(schema, asked.document, ROOT, context, asked.variables, asked.operation_name)
    if not result.errors:
        return JSONResponse({"data": result.data})
    forbidden = [error for error in result.errors if isinstance(error.original_error, ForbiddenError)]
    if forbidden:
        return JSONResponse({"message": str(forbidden[0].message), "errors": [_forbidden(e) for e in forbidden]}, 403)
    if any(
        error.original_error is not None and not isinstance(error.original_error, GraphQLError)
        for error in result.errors
    ):
        paths = [{"message": "Internal Server Error", "path": error.path} for error in result.errors]
        return JSONResponse({"message": "Internal Server Error", "errors": paths}, 500)
    return _refused([error.formatted for error in result.errors])


def _dialect(document: DocumentNode) -> tuple[GraphQLSchema, list[GraphQLError]]:
    errors = validate(NEW, document)
    if errors and not validate(OLD, document):
        return OLD, []
    return NEW, errors


def _refused(errors: list[Any]) -> JSONResponse:
    return JSONResponse({"message": errors[0]["message"], "errors": errors}, 400)


def _forbidden(error: GraphQLError) -> dict[str, Any]:
    original = error.original_error
    extensions = original.extensions if isinstance(original, ForbiddenError) else {}
    return {"message": error.message, "path": error.path, "extensions": extensions}
