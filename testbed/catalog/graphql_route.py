"""POST /graphql: parse the request, choose the dialect, execute it and set the HTTP status."""

from __future__ import annotations

import traceback
from contextlib import nullcontext
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import cast

from graphql import DocumentNode
from graphql import FieldNode
from graphql import GraphQLError
from graphql import GraphQLSchema
from graphql import MiddlewareManager
from graphql import NoSchemaIntrospectionCustomRule
from graphql import OperationDefinitionNode
from graphql import OperationType
from graphql import execute
from graphql import parse
from graphql import specified_rules
from graphql import validate
from starlette.responses import JSONResponse

from testbed.catalog import limits
from testbed.catalog.auth import ForbiddenError
from testbed.catalog.mutations import Operations
from testbed.catalog.registry import one_look
from testbed.catalog.schema import NEW
from testbed.catalog.schema import OLD
from testbed.parsing import json_of

if TYPE_CHECKING:
    from testbed.catalog.resolvers import Context

CLOSED: Final = (*specified_rules, NoSchemaIntrospectionCustomRule)
ROOT: Final = Operations()


class Asked:
    """One parsed request: its document, and the names that the call log and faults use for it.

    A request that cannot be parsed has `error` and no document.
    """

    def __init__(self, body: bytes) -> None:
        self.error = ""
        self.document: DocumentNode | None = None
        self.operation = "graphql"
        self.fields: tuple[str, ...] = ()
        self.asks_only_me = False
        self.only_reads = False
        self.variables: dict[str, Any] = {}
        self.operation_name: str | None = None
        try:
            self.document = self._parsed(body)
        except RecursionError:
            self.error = "The document cannot be read: it is too deep."
        except GraphQLError as error:
            self.error = f"The document cannot be read: {error.message}"
        except (ValueError, TypeError) as error:
            self.error = f"The document cannot be read: {error}"
        else:
            self._describe(self.document)

    def _parsed(self, body: bytes) -> DocumentNode:
        asked = json_of(body)
        if not isinstance(asked, dict) or not isinstance(asked.get("query"), str):
            raise TypeError("the body is no object with a text `query`.")
        self.variables, self.operation_name = asked.get("variables") or {}, asked.get("operationName")
        if not isinstance(self.variables, dict) or not isinstance(self.operation_name, str | None):
            raise TypeError("`variables` is no object or `operationName` no text.")
        document = parse(asked["query"], max_tokens=limits.MAX_TOKENS)
        limits.check(document)
        return document

    def _describe(self, document: DocumentNode) -> None:
        found = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        chosen = [n for n in found if n.name and n.name.value == self.operation_name] or found
        self.only_reads = all(n.operation is OperationType.QUERY for n in found)
        if chosen:
            selected = chosen[0].selection_set.selections
            self.fields = tuple(n.name.value for n in selected if isinstance(n, FieldNode))
            # A fragment could contain any field, so only a plain `me` passes without a token.
            self.asks_only_me = set(self.fields) == {"me"} and len(self.fields) == len(selected)
            name = chosen[0].name.value if chosen[0].name else ""
            self.operation = self.operation_name or name or ",".join(self.fields) or "graphql"

    def labels(self) -> frozenset[str]:
        """Return every name that a fault may use for this request."""
        kind = "construct" if {"packageConstruct", "packagePromote"} & set(self.fields) else "read"
        kinds = {"search"} if any(field.startswith("search") for field in self.fields) else {kind}
        return frozenset({"*", "graphql", self.operation, *self.fields, *kinds})


def answer(asked: Asked, context: Context) -> JSONResponse:
    """Execute a request with the first dialect that accepts it."""
    if asked.document is None:
        return _refused([{"message": asked.error}], context.registry.defects.bend("invalid document", 400))
    is_open = context.is_introspectable or (context.caller is not None and context.caller.administers)
    schema, errors = _dialect(asked.document, specified_rules if is_open else CLOSED)
    if errors:
        return _refused([error.formatted for error in errors], context.registry.defects.bend("invalid document", 400))
    given = asked.variables, asked.operation_name
    between = MiddlewareManager(context.refusals) if context.refusals.are_on else None
    try:
        with one_look() if asked.only_reads else nullcontext():
            result: Any = execute(
                schema,
                asked.document,
                ROOT,
                context,
                *given,
                middleware=between,
                execution_context_class=limits.Timed,
            )
    except limits.TimedOutError:
        return JSONResponse({"message": "The request takes too long. Ask for less."}, 503, {"Retry-After": "1"})
    done = JSONResponse({"data": result.data}) if not result.errors else _failed(result.errors, context)
    return cast("JSONResponse", context.registry.defects.bend("answer", done, operation=asked.operation))


def _failed(errors: list[GraphQLError], context: Context) -> JSONResponse:
    """Return the response to errors of execution: 403 if any is forbidden, else 500 for a crash, else 400."""
    forbidden = [error for error in errors if isinstance(error.original_error, ForbiddenError)]
    if forbidden:
        return JSONResponse({"message": str(forbidden[0].message), "errors": [_forbidden(e) for e in forbidden]}, 403)
    crashes = [error.original_error for error in errors if not isinstance(error.original_error, GraphQLError | None)]
    if crashes:
        traceback.print_exception(crashes[0])
        listed = [{"message": "Internal Server Error", "path": error.path} for error in errors]
        crashed = 500, {"message": "Internal Server Error", "errors": listed}
        status, body = context.registry.defects.bend("crash", crashed)
        return JSONResponse(body, status)
    return _refused([error.formatted for error in errors])


def _dialect(document: DocumentNode, rules: Any) -> tuple[GraphQLSchema, list[GraphQLError]]:
    errors = validate(NEW, document, rules)
    if errors and not validate(OLD, document, rules):
        return OLD, []
    return NEW, errors


def _refused(errors: list[Any], status: int = 400) -> JSONResponse:
    return JSONResponse({"message": errors[0]["message"], "errors": errors}, status)


def _forbidden(error: GraphQLError) -> dict[str, Any]:
    original = error.original_error
    extensions = original.extensions if isinstance(original, ForbiddenError) else {}
    return {"message": error.message, "path": error.path, "extensions": extensions}
