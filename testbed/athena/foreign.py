"""SQL that sqlglot or DuckDB accept and Athena does not; each form is refused by name before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final

from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from testbed.athena.failures import QueryFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlglot.tokenizer_core import Token

TOKENS: Final = {TokenType.DCOLON: "::", TokenType.L_BRACE: "{", TokenType.DARROW: "->>"}
CLOSING: Final = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.IDENTIFIER})
KEYWORDS: Final = frozenset({"SELECT", "DISTINCT", "IN", "AND", "OR", "NOT", "THEN", "ELSE", "WHERE", "ON", "BY"})
NODES: Final[dict[type[exp.Expression], str]] = {
    exp.Pivot: "PIVOT and UNPIVOT",
    exp.Columns: "COLUMNS()",
    exp.Comprehension: "A list comprehension",
    exp.Glob: "GLOB",
    exp.ILike: "ILIKE",
    exp.Qualify: "QUALIFY",
    exp.SimilarTo: "SIMILAR TO",
    exp.Slice: "A slice of an array",
}
ARGUMENTS: Final[dict[tuple[type[exp.Expression], str], str]] = {
    (exp.Distinct, "on"): "DISTINCT ON",
    (exp.Group, "all"): "GROUP BY ALL",
    (exp.SetOperation, "by_name"): "BY NAME",
    (exp.LimitOptions, "percent"): "LIMIT in per cent",
    (exp.Select, "sample"): "USING SAMPLE",
    (exp.Lateral, "view"): "LATERAL VIEW",
}
METHODS: Final = frozenset({"", "NATURAL"})
KINDS: Final = frozenset({"", "INNER", "OUTER", "CROSS"})


def check_tokens(tokens: Iterable[Token]) -> None:
    """Raise QueryFailedError for tokens that Athena does not know, and for FROM without SELECT."""
    before: Token | None = None
    for token in tokens:
        if token.token_type in TOKENS:
            raise _foreign(f"`{TOKENS[token.token_type]}`")
        if token.token_type is TokenType.L_BRACKET and not _ends_value(before):
            raise _foreign("An array without ARRAY before its bracket")
        if token.token_type is TokenType.FROM and (before is None or before.token_type is TokenType.L_PAREN):
            raise _foreign("FROM without SELECT")
        before = token


def _ends_value(token: Token | None) -> bool:
    """Return whether a bracket after this token is a subscript, or follows ARRAY."""
    if token is None or token.text.upper() in KEYWORDS:
        return False
    return token.token_type in CLOSING or token.text.replace("_", "a").isalnum()


def check_node(node: exp.Expr) -> None:
    """Raise QueryFailedError for a node that Athena's SQL does not have."""
    for kind, name in NODES.items():
        if isinstance(node, kind):
            raise _foreign(name)
    for (kind, argument), name in ARGUMENTS.items():
        if isinstance(node, kind) and node.args.get(argument):
            raise _foreign(name)
    if isinstance(node, exp.Star) and any(node.args.values()):
        raise _foreign("`*` with EXCLUDE, REPLACE or RENAME")
    if isinstance(node, exp.Join) and (node.method not in METHODS or node.kind not in KINDS):
        raise _foreign(f"{node.method or node.kind} JOIN")


def _foreign(what: str) -> QueryFailedError:
    return QueryFailedError(f"SYNTAX_ERROR: {what} is no SQL of Athena.")
