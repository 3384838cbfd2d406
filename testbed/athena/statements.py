"""The kinds of statements that can run. Each is parsed as Athena's dialect; all other statements are refused."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from testbed.athena.failures import QueryFailedError
from testbed.athena.failures import unsupported
from testbed.athena.foreign import check_tokens

MOST_NESTED: Final = 8
MOST_TOKENS: Final = 20_000  # sqlglot holds the GIL while it parses, so every other request waits
COMMENTS: Final = re.compile(r"\A(?:\s+|--[^\n]*(?:\n|\Z)|/\*.*?\*/)+", re.DOTALL)
NAME: Final = r"[`\"]?([A-Za-z0-9_\-]+)[`\"]?"
PLACE: Final = rf"(?:{NAME}\.)?{NAME}"
SHOW_TABLES: Final = re.compile(
    rf"SHOW\s+(TABLES|VIEWS)(?:\s+(?:IN|FROM)\s+{PLACE})?(?:\s+LIKE)?(?:\s+'([^']*)')?", re.IGNORECASE
)
DESCRIBE: Final = re.compile(rf"DESC(?:RIBE)?\s+(?:(?:{NAME}\.)?{NAME}\.)?{NAME}", re.IGNORECASE)
SHOW_DATABASES: Final = re.compile(
    rf"SHOW\s+(?:DATABASES|SCHEMAS)(?:\s+(?:IN|FROM)\s+{NAME})?(?:\s+LIKE)?(?:\s+'([^']*)')?", re.IGNORECASE
)
SHOW_COLUMNS: Final = re.compile(
    rf"SHOW\s+COLUMNS\s+(?:IN|FROM)\s+(?:(?:{NAME}\.)?{NAME}\.)?{NAME}(?:\s+(?:IN|FROM)\s+{PLACE})?", re.IGNORECASE
)
PREPARE: Final = re.compile(rf"PREPARE\s+{NAME}\s+FROM\s+(.+)", re.IGNORECASE | re.DOTALL)
EXECUTE: Final = re.compile(rf"EXECUTE\s+{NAME}(?:\s+USING\s+(.+))?", re.IGNORECASE | re.DOTALL)
DEALLOCATE: Final = re.compile(rf"DEALLOCATE\s+PREPARE\s+{NAME}", re.IGNORECASE)

if TYPE_CHECKING:
    from collections.abc import Callable

# sqlglot warns of statements that it parses as opaque commands; we refuse those, so the warning is noise.
logging.getLogger("sqlglot").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that returns rows."""

    tree: exp.Expression


@dataclass(frozen=True, slots=True)
class CreateTable:
    """CREATE EXTERNAL TABLE."""

    tree: exp.Create


@dataclass(frozen=True, slots=True)
class CreateTableAs:
    """CREATE TABLE … AS SELECT."""

    tree: exp.Create


@dataclass(frozen=True, slots=True)
class CreateView:
    """CREATE [OR REPLACE] VIEW; the text of its query is stored as written."""

    tree: exp.Create
    query: str


@dataclass(frozen=True, slots=True)
class Drop:
    """DROP TABLE or DROP VIEW."""

    tree: exp.Drop


@dataclass(frozen=True, slots=True)
class Describe:
    """DESCRIBE, or SHOW COLUMNS, which returns only the names."""

    database: str
    table: str
    names_only: bool = False
    catalog: str = ""


@dataclass(frozen=True, slots=True)
class ShowTables:
    """SHOW TABLES or SHOW VIEWS; an empty pattern means all."""

    database: str
    pattern: str
    views_only: bool
    catalog: str = ""


@dataclass(frozen=True, slots=True)
class ShowDatabases:
    """SHOW DATABASES or SHOW SCHEMAS."""

    pattern: str
    catalog: str = ""


@dataclass(frozen=True, slots=True)
class Prepare:
    """PREPARE name FROM text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Execute:
    """EXECUTE name [USING values]."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deallocate:
    """DEALLOCATE PREPARE name."""

    name: str


Statement = (
    Query
    | CreateTable
    | CreateTableAs
    | CreateView
    | Drop
    | Describe
    | ShowTables
    | ShowDatabases
    | Prepare
    | Execute
    | Deallocate
)


PLAIN: Final[dict[re.Pattern[str], Callable[[re.Match[str]], Statement]]] = {
    SHOW_TABLES: lambda said: ShowTables(said[3] or "", said[4] or "", said[1].upper() == "VIEWS", said[2] or ""),
    DESCRIBE: lambda said: Describe(said[2] or "", said[3].lower(), catalog=said[1] or ""),
    SHOW_DATABASES: lambda said: ShowDatabases(said[2] or "", said[1] or ""),
    SHOW_COLUMNS: lambda said: Describe(
        said[2] or said[5] or "", said[3].lower(), names_only=True, catalog=said[1] or said[4] or ""
    ),
    PREPARE: lambda said: Prepare(said[1], said[2]),
    EXECUTE: lambda said: Execute(said[1], _values(said[2]) if said[2] else ()),
    DEALLOCATE: lambda said: Deallocate(said[1]),
}


def parse(text: str) -> Statement:
    """Parse one statement.

    Raise QueryFailedError if the text is not SQL, holds several statements, or is of an unsupported kind.
    """
    text = bare(text)
    if spoken := _plain(text):
        return spoken
    tree = tree_of(text)
    if isinstance(tree, exp.Query | exp.Values):
        return Query(tree)
    if isinstance(tree, exp.Drop) and tree.kind in {"TABLE", "VIEW"} and len(tree.args["tables"]) == 1:
        return Drop(tree)
    if isinstance(tree, exp.Create):
        return _create(tree, text)
    raise unsupported(f"The statement `{' '.join(text.split()[:2])[:40]}`")


def bare(text: str) -> str:
    """Return a statement without leading comments and without its final semicolon."""
    return COMMENTS.sub("", text).strip().removesuffix(";").strip()


def tree_of(text: str) -> exp.Expression:
    """Parse one statement of Athena's dialect; raise QueryFailedError if there is not exactly one."""
    try:
        _check_form(text)
        trees = sqlglot.parse(text, read="athena")
    except SqlglotError as error:
        raise QueryFailedError(f"SYNTAX_ERROR: {_plainly(str(error))}") from error
    except RecursionError as error:
        raise QueryFailedError("SYNTAX_ERROR: The statement is nested too deeply.") from error
    if len(trees) != 1 or trees[0] is None:
        raise QueryFailedError("SYNTAX_ERROR: Exactly one statement can be run at a time.")
    tree = trees[0]
    assert isinstance(tree, exp.Expression)  # noqa: S101 - the library's stubs name its wider base
    return tree


def _check_form(text: str) -> None:
    """Refuse foreign tokens and deeply nested arrays and rows; each level doubles the parser's time."""
    opened, before = [], ""
    tokens = sqlglot.tokenize(text, read="athena")
    if len(tokens) > MOST_TOKENS:
        raise unsupported(f"A statement of {len(tokens)} words and marks, more than {MOST_TOKENS},")
    check_tokens(tokens)
    for token in tokens:
        if token.text in {"(", "["}:
            # True for an array, a map or a row: only these slow the parser down, plain parentheses do not.
            opened.append(token.text == "[" or before in {"ROW", "ARRAY", "MAP", "STRUCT"})
        elif token.text in {")", "]"} and opened:
            opened.pop()
        if sum(opened) > MOST_NESTED:
            raise QueryFailedError(f"SYNTAX_ERROR: Values are nested in more than {MOST_NESTED} levels.")
        before = token.text.upper()


def _plainly(message: str) -> str:
    """Return the first line of the parser's message without terminal escapes."""
    return re.sub(r"\x1b\[\d*m", "", message).splitlines()[0].strip()


def _plain(text: str) -> Statement | None:
    """Return a statement that sqlglot parses only as an opaque command, or None if it is not one."""
    for pattern, made in PLAIN.items():
        if found := pattern.fullmatch(text):
            return made(found)
    return None


def _values(text: str) -> tuple[str, ...]:
    """Return the values of USING, split by the parser."""
    tree = tree_of(f"SELECT {text}")
    return tuple(value.sql("athena") for value in tree.expressions)


def _create(tree: exp.Create, text: str) -> Statement:
    properties = tree.args.get("properties")
    is_external = properties is not None and properties.find(exp.ExternalProperty) is not None
    if tree.kind == "TABLE" and is_external and isinstance(tree.this, exp.Schema) and tree.expression is None:
        return CreateTable(tree)
    if tree.kind == "TABLE" and isinstance(tree.this, exp.Table) and isinstance(tree.expression, exp.Query):
        return CreateTableAs(tree)
    if tree.kind == "VIEW" and isinstance(tree.this, exp.Table) and isinstance(tree.expression, exp.Query):
        return CreateView(tree, re.split(r"\bAS\b", text, maxsplit=1, flags=re.IGNORECASE)[1].strip())
    if tree.kind == "TABLE":
        raise QueryFailedError(
            "SYNTAX_ERROR: CREATE TABLE needs EXTERNAL with columns and LOCATION, or AS with a query."
        )
    if tree.kind == "VIEW" and isinstance(tree.this, exp.Schema):
        raise unsupported("CREATE VIEW with a list of columns")
    raise unsupported(f"CREATE {tree.kind}")


def literal(text: str) -> exp.Expression:
    """Parse one execution parameter; raise QueryFailedError if it is not a literal value."""
    tree = tree_of(f"SELECT {text}")
    if isinstance(tree, exp.Select) and len(tree.expressions) == 1 and set(_given(tree)) <= {"expressions", "kind"}:
        value = tree.expressions[0]
        if _is_literal(value):
            return value  # type: ignore[no-any-return]  # the library's lists are untyped
    raise QueryFailedError(f"INVALID_PARAMETER_USAGE: The execution parameter {text[:80]} is no literal value.")


def _given(tree: exp.Expression) -> list[str]:
    return [name for name, value in tree.args.items() if value]


def _is_literal(value: exp.Expression) -> bool:
    """Return whether a value is a literal, a signed literal, or a DATE or TIMESTAMP literal."""
    if isinstance(value, exp.Neg | exp.Paren | exp.Cast):
        return isinstance(value.this, exp.Expression) and _is_literal(value.this)
    return isinstance(value, exp.Literal | exp.Boolean | exp.Null)
