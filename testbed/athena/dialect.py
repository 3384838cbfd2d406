"""Translate Athena's dialect to DuckDB's; refuse functions and sources that Athena does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from testbed.athena import meanings
from testbed.athena.catalogs import schema_of
from testbed.athena.failures import QueryFailedError
from testbed.athena.failures import unsupported
from testbed.athena.foreign import check_node

if TYPE_CHECKING:
    from collections.abc import Sequence

PATH: Final = "$path"
# Functions unknown to sqlglot that mean the same in both. Others are refused, even if DuckDB has them: Athena may not.
SAME: Final = frozenset(
    {"bit_count", "ceiling", "cbrt", "degrees", "json_array_length", "map_entries", "radians", "reverse"}
)
# These would change data, read another source or change the session; they are refused at any depth of a query.
FORBIDDEN: Final = (
    exp.DML, exp.DDL, exp.Command, exp.Copy, exp.Into, exp.Lock, exp.ReadCSV, exp.ReadParquet, exp.Set, exp.Pragma,
    exp.Attach, exp.Drop, exp.CurrentUser, exp.MatchRecognize, exp.Parameter, exp.SessionParameter,
)  # fmt: skip


def vet(tree: exp.Expression) -> None:
    """Raise QueryFailedError unless a query only reads tables and calls known functions."""
    for node in tree.walk():
        check_node(node)
        if isinstance(node, FORBIDDEN):
            raise unsupported(f"`{node.sql('athena')[:60]}` within a query")
        if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc) and node.name.lower() not in SAME:
            raise QueryFailedError(f"FUNCTION_NOT_FOUND: Function '{node.name.lower()[:80]}' not registered.")
        if isinstance(node, exp.Table | exp.Lateral) and not _is_plain(node):
            raise unsupported("A table function or a file as a source")
        if isinstance(node, exp.Unnest) and node.args.get("offset"):
            raise unsupported("WITH ORDINALITY")
        if isinstance(node, exp.Version | exp.HistoricalData):
            raise unsupported("Time travel")


def _is_plain(node: exp.Expression) -> bool:
    if isinstance(node, exp.Lateral):
        return isinstance(node.this, exp.Subquery | exp.Unnest)
    return isinstance(node.this, exp.Identifier)


def tables_of(tree: exp.Expression, home: str) -> set[tuple[str, str]]:
    """Qualify every table except common table expressions; return the (schema, table) pairs."""
    found = set()
    for table in list(tree.find_all(exp.Table)):
        if not table.db and table.name.lower() in _expressions_seen_from(table):
            continue
        place = schema_of(table.catalog, table.db, home), table.name.lower()
        table.set("catalog", None)
        table.set("db", exp.to_identifier(place[0], quoted=True))
        table.set("this", exp.to_identifier(place[1], quoted=True))
        found.add(place)
    for column in tree.find_all(exp.Column):
        if column.db and (schema := _schema_of(column, home), column.table.lower()) in found:
            column.set("catalog", None)
            column.set("db", exp.to_identifier(schema, quoted=True))
            column.set("table", exp.to_identifier(column.table.lower(), quoted=True))
    return found


def _schema_of(column: exp.Column, home: str) -> str:
    """Return the schema that a column seems to name, or an empty string if there is no such catalog.

    The seeming schema may be a table alias, followed by members of a row.
    """
    try:
        return schema_of(column.catalog, column.db, home)
    except QueryFailedError:
        return ""


def _expressions_seen_from(table: exp.Expression) -> set[str]:
    """Return the names of the common table expressions in scope.

    Inside a WITH clause these are only the earlier ones, unless the clause is recursive.
    """
    names: set[str] = set()
    child: exp.Expr = table
    parent = table.parent
    while parent is not None:
        if isinstance(parent, exp.With):
            earlier = [cte.alias.lower() for cte in parent.expressions]
            own = next(place for place, cte in enumerate(parent.expressions) if cte is child)
            names.update(earlier[: own + 1] if parent.args.get("recursive") else earlier[:own])
        elif isinstance(clause := parent.args.get("with_"), exp.With) and clause is not child:
            names.update(cte.alias.lower() for cte in clause.expressions)
        child, parent = parent, parent.parent
    return names


def asks_path(tree: exp.Expression) -> bool:
    """Return whether a query names the hidden column `$path`."""
    return any(identifier.name.lower() == PATH for identifier in tree.find_all(exp.Identifier))


def bind(text: str, values: Sequence[exp.Expression]) -> str:
    """Replace the question marks of a statement by literals.

    Raise QueryFailedError if their numbers differ.
    """
    try:
        marks = [token for token in sqlglot.tokenize(text, read="athena") if token.token_type is TokenType.PLACEHOLDER]
    except SqlglotError as error:
        raise QueryFailedError("SYNTAX_ERROR: The statement cannot be read.") from error
    if len(marks) != len(values):
        raise QueryFailedError(
            f"INVALID_PARAMETER_USAGE: Incorrect number of parameters: expected {len(marks)} but found {len(values)}."
        )
    for mark, value in reversed(list(zip(marks, values, strict=True))):
        text = f"{text[: mark.start]}{value.sql('athena')}{text[mark.end + 1 :]}"
    return text


def to_duckdb(tree: exp.Expression, *, has_path: bool) -> str:
    """Return a vetted query in DuckDB's dialect; with `has_path` its tables have the hidden column `$path`."""
    tree = tree.copy()
    for node in reversed(list(tree.dfs())):
        if (meant := meanings.meant(node)) is not node:
            node.replace(meant)
    if has_path:
        for select in tree.find_all(exp.Select):
            _hide_path(select)
    try:
        return tree.sql("duckdb")
    except (SqlglotError, RecursionError) as error:
        raise QueryFailedError(f"SYNTAX_ERROR: {str(error).splitlines()[0]}") from error


def _hide_path(select: exp.Select) -> None:
    """Exclude the hidden column `$path` from `*`."""
    clause = select.args.get("from_")
    sources = [clause.this] if clause else []
    sources += [join.this for join in select.args.get("joins") or []]
    names = {source.alias_or_name for source in sources if isinstance(source, exp.Table) and source.db}
    for value in select.expressions if names else ():
        star = value.this if isinstance(value, exp.Column) and value.table in names else value
        if isinstance(star, exp.Star):
            star.set("except_", [exp.to_identifier(PATH, quoted=True)])


def name_columns(tree: exp.Expression) -> None:
    """Label the unnamed result columns `_col0`, `_col1` … by position, as Athena does."""
    while isinstance(tree, exp.SetOperation | exp.Subquery):
        tree = tree.this
    if isinstance(tree, exp.Select):
        for place, value in enumerate(list(tree.expressions)):
            if not isinstance(value, exp.Alias | exp.Column | exp.Star | exp.Dot):
                value.replace(exp.alias_(value.copy(), f"_col{place}", quoted=True))
