"""The subset of the Elasticsearch query language that quilt3 clients send; any other clause is refused by name."""

from __future__ import annotations

import json
from typing import Any

from testbed.catalog.search import haystack
from testbed.catalog.search import term_pattern


class DslError(Exception):
    """A clause that is not supported."""


def matches(query: dict[str, Any], row: dict[str, Any]) -> bool:
    """Say whether a package matches a query clause."""
    ((kind, body),) = query.items()
    clause = _CLAUSES.get(kind)
    if clause is None:
        raise DslError(f"The query clause `{kind}` is not supported: use one of {', '.join(sorted(_CLAUSES))}.")
    return bool(clause(body, row))


def _bool(body: dict[str, Any], row: dict[str, Any]) -> bool:
    groups = {name: _listed(body.get(name, [])) for name in ("must", "filter", "should", "must_not")}
    if not all(matches(clause, row) for clause in [*groups["must"], *groups["filter"]]):
        return False
    if any(matches(clause, row) for clause in groups["must_not"]):
        return False
    return not groups["should"] or bool(groups["must"]) or any(matches(clause, row) for clause in groups["should"])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _query_string(body: dict[str, Any], row: dict[str, Any]) -> bool:
    terms = [term for term in str(body["query"]).replace(" OR ", " ").split() if term]
    hits = [term.strip("*") == "" or bool(term_pattern(term).search(haystack(row))) for term in terms]
    return all(hits) if str(body.get("default_operator", "OR")).upper() == "AND" else any(hits)


def _field(row: dict[str, Any], name: str) -> str:
    meta = json.loads(row["meta"]) or {}
    values = {
        "ptr_name": row["name"],
        "mnfst_name": row["hash"],
        "top_hash": row["hash"],
        "ptr_tag": "latest",
        "ptr_last_modified": row["modified"],
        "comment": row["comment"],
        "description": meta.get("description", ""),
        "tags": " ".join(map(str, meta.get("tags", []))) if isinstance(meta.get("tags"), list) else "",
    }
    return str(values.get(name.removesuffix(".keyword"), ""))


def _term(body: dict[str, Any], row: dict[str, Any]) -> bool:
    ((name, value),) = body.items()
    return _field(row, name) == str(value["value"] if isinstance(value, dict) else value)


def _terms(body: dict[str, Any], row: dict[str, Any]) -> bool:
    ((name, values),) = body.items()
    return _field(row, name) in {str(value) for value in values}


def _match(body: dict[str, Any], row: dict[str, Any]) -> bool:
    ((name, value),) = body.items()
    text = str(value["query"] if isinstance(value, dict) else value)
    return any(term_pattern(term).search(_field(row, name)) for term in text.split())


def _wildcard(body: dict[str, Any], row: dict[str, Any]) -> bool:
    ((name, value),) = body.items()
    return bool(term_pattern(str(value["value"] if isinstance(value, dict) else value)).search(_field(row, name)))


_CLAUSES: dict[str, Any] = {
    "bool": _bool,
    "match_all": lambda _body, _row: True,
    "query_string": _query_string,
    "term": _term,
    "terms": _terms,
    "match": _match,
    "wildcard": _wildcard,
    "exists": lambda body, row: bool(_field(row, body["field"])),
}
