"""The GraphQL schema in its two search dialects, which share all resolvers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from typing import Final

from graphql import GraphQLError
from graphql import GraphQLInterfaceType
from graphql import GraphQLScalarType
from graphql import GraphQLSchema
from graphql import GraphQLUnionType
from graphql import build_schema

_TEXT: Final = (Path(__file__).parent / "schema.graphql").read_text(encoding="utf-8")
_NEW_FIRST_PAGE: Final = "firstPage(size: Int = 30, ordering: PackageOrdering): PackagesFirstPageResult!"
_OLD_FIRST_PAGE: Final = "firstPage(size: Int = 30, order: SearchResultOrder): PackagesSearchResultSetPage!"


def build(dialect: str) -> GraphQLSchema:
    """Build the schema of the `new` or the `old` dialect."""
    schema = build_schema(_TEXT if dialect == "new" else _TEXT.replace(_NEW_FIRST_PAGE, _OLD_FIRST_PAGE))
    for name in ("Json", "JsonRecord", "PackageContentsFlatMap", "Datetime", "PackageOrdering"):
        scalar = schema.get_type(name)
        if isinstance(scalar, GraphQLScalarType):
            scalar.serialize = _as_is  # type: ignore[method-assign]  # resolvers return plain data
    record: Any = schema.get_type("JsonRecord")
    record.parse_value = _record
    for kind in schema.type_map.values():
        if isinstance(kind, GraphQLUnionType | GraphQLInterfaceType):
            kind.resolve_type = _type_name  # every value has `__typename`
    return schema


def _as_is(value: Any) -> Any:
    return value


def _record(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise GraphQLError("A JSON object is needed here.")
    json.dumps(value, allow_nan=False)  # raises ValueError for what JSON cannot hold
    return value


def _type_name(value: Any, *_: Any) -> str:
    return str(value["__typename"])


NEW: Final = build("new")
OLD: Final = build("old")
