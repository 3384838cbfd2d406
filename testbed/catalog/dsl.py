"""The part of Elasticsearch's query DSL that quilt3 clients send; anything else is refused by name."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from testbed.catalog import query_language
from testbed.catalog import terms
from testbed.catalog.search_fields import QueryError

if TYPE_CHECKING:
    from testbed.catalog.documents import Document

BODY: Final = ("query", "sort", "from", "size", "_source")
GROUPS: Final = ("must", "filter", "should", "must_not")
BOUNDS: Final = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
MALFORMED: Final = (AttributeError, KeyError, TypeError, ValueError, RecursionError)


class DslError(Exception):
    """A query with an unsupported or malformed part."""


def select(body: Any, documents: list[Document], rules: terms.Rules) -> list[Document]:
    """Return the documents that a request body selects, in its order; raise DslError for an unsupported part."""
    try:
        only("part of a search", body, BODY)
        query = body.get("query", {"match_all": {}})
        check(query)
        found = [document for document in documents if matches(query, document, rules)]
        return ordered(found, body.get("sort", []))
    except QueryError as error:
        raise DslError(str(error)) from error
    except MALFORMED as error:
        raise DslError(f"The query cannot be read: {type(error).__name__} at {str(error)[:100]}.") from error


def only(what: str, given: dict[str, Any], known: Any) -> None:
    """Raise DslError for the first member that is not in `known`."""
    for name in given:
        if name not in known:
            raise DslError(f"The {what} `{name}` is not supported: use one of {', '.join(sorted(known))}.")


def check(query: dict[str, Any]) -> None:
    """Raise DslError for an unknown clause anywhere in a query, even one that no document would reach."""
    ((kind, body),) = query.items()
    only("query clause", query, _CLAUSES)
    if kind == "bool":
        only("group of `bool`", body, GROUPS)
        for clauses in body.values():
            for clause in _listed(clauses):
                check(clause)
    elif kind == "query_string":
        only("option of `query_string`", body, ("query", "default_operator", "fields"))
        query_language.parse(str(body["query"]))


def matches(query: dict[str, Any], document: Document, rules: terms.Rules) -> bool:
    """Return whether a document matches a query clause."""
    ((kind, body),) = query.items()
    return bool(_CLAUSES[kind](body, document, rules))


def ordered(found: list[Document], sort: Any) -> list[Document]:
    """Return the documents sorted by fields, the first field first; documents without the field come last."""
    for clause in reversed(_listed(sort)):
        ((name, how),) = clause.items() if isinstance(clause, dict) else ((str(clause), "asc"),)
        if name == "_score":
            continue
        descending = (how["order"] if isinstance(how, dict) else how) == "desc"
        present = [document for document in found if document.field(name) is not None]
        present.sort(key=lambda document, name=name: document.field(name), reverse=descending)  # type: ignore[misc]
        found = present + [document for document in found if document.field(name) is None]
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _bool(body: dict[str, Any], document: Document, rules: terms.Rules) -> bool:
    groups = {name: [matches(clause, document, rules) for clause in _listed(body.get(name, []))] for name in GROUPS}
    if not all(groups["must"] + groups["filter"]) or any(groups["must_not"]):
        return False
    return not groups["should"] or bool(groups["must"] + groups["filter"]) or any(groups["should"])


def _query_string(body: dict[str, Any], document: Document, rules: terms.Rules) -> bool:
    joined = terms.Rules(str(body.get("default_operator", rules.operator)).upper(), rules.is_case_sensitive)
    names = [str(name).partition("^")[0] for name in body.get("fields", [])]
    text = "\n".join(_text(document, name) for name in names) if names else document.text
    # `rules` are AND only while the defect `search-ands-terms` is active.
    chosen = rules if rules.operator == "AND" else joined
    return query_language.parse(str(body["query"]), chosen).matches(text, document.look)


def _text(document: Document, name: str) -> str:
    value = document.field(name)
    return " ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def _values(document: Document, name: str) -> list[str]:
    value = document.field(name)
    return [] if value is None else [str(item) for item in _listed(value)]


def _term(body: dict[str, Any], document: Document, _: terms.Rules) -> bool:
    ((name, value),) = body.items()
    return str(value["value"] if isinstance(value, dict) else value) in _values(document, name)


def _terms(body: dict[str, Any], document: Document, _: terms.Rules) -> bool:
    ((name, values),) = body.items()
    return bool({str(value) for value in values} & set(_values(document, name)))


def _match(body: dict[str, Any], document: Document, rules: terms.Rules) -> bool:
    ((name, value),) = body.items()
    text = str(value["query"] if isinstance(value, dict) else value)
    return any(terms.pattern(term, rules).search(_text(document, name)) for term in text.split())


def _wildcard(body: dict[str, Any], document: Document, _: terms.Rules) -> bool:
    ((name, value),) = body.items()
    pattern = terms.whole(str(value["value"] if isinstance(value, dict) else value))
    return any(pattern.match(text) for text in _values(document, name))


def _range(body: dict[str, Any], document: Document, _: terms.Rules) -> bool:
    ((name, bounds),) = body.items()
    only("bound of `range`", bounds, BOUNDS)
    value = document.field(name)
    return value is not None and all(BOUNDS[bound](value, limit) for bound, limit in bounds.items())


def _exists(body: dict[str, Any], document: Document, _: terms.Rules) -> bool:
    return document.field(body["field"]) is not None


_CLAUSES: Final[dict[str, Any]] = {
    "bool": _bool,
    "match_all": lambda *_: True,
    "query_string": _query_string,
    "term": _term,
    "terms": _terms,
    "match": _match,
    "wildcard": _wildcard,
    "exists": _exists,
    "range": _range,
}
