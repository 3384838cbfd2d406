"""Query strings of the search bar: terms, phrases, fields, ranges, groups and NOT, as Quilt documents them.

Other Elasticsearch syntax is refused by name: an unsupported query must not look like one without results.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from dataclasses import field as member
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from testbed.catalog import terms
from testbed.catalog.search_fields import QueryError
from testbed.catalog.search_fields import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.catalog.terms import Rules

    Look = Callable[[str], Any]  # field name -> value
    Test = Callable[[str, Look | None], bool]

TOKEN: Final = re.compile(
    r"""(?P<space>\s+)|(?P<open>\()|(?P<close>\))|(?P<range>[\[{][^\]}]*[\]}])
    |(?P<field>(?:\\.|[\w.@*-])+:)|(?P<word>(?P<sign>[+\-!])?(?P<phrase>"(?:\\.|[^"\\])*")(?P<slop>~\d*)?(?:\^[\d.]+)?
    |(?:\\.|[^\s()"\\])+)""",
    re.VERBOSE | re.DOTALL,
)
BOOST: Final = re.compile(r"(?<!\\)\^\d+(\.\d+)?\Z")
FUZZY: Final = re.compile(r"(?<!\\)~[\d.]*\Z")
JOINS: Final = {"AND": "AND", "&&": "AND", "OR": "OR", "||": "OR"}
PLAIN: Final = terms.Rules()
MOST_DEEP: Final = 20
MOST_TOKENS: Final = 1_000


@dataclass(slots=True)
class Query:
    """A parsed query; `fields` are the fields that it names."""

    test: Test
    fields: set[str] = member(default_factory=set)
    patterns: list[re.Pattern[str]] = member(default_factory=list)

    def matches(self, text: str, look: Look | None = None) -> bool:
        """Return whether a document matches, by its text and its fields."""
        return self.test(text, look)

    def is_in(self, text: str) -> bool:
        """Return whether a term without a field occurs in a text; a term that matches every text does not count."""
        return any(pattern.search(text) and not pattern.search("") for pattern in self.patterns)


def parse(text: str, rules: Rules = PLAIN) -> Query:
    """Parse a query string; raise QueryError if it is invalid or unsupported."""
    return _Parser(text, rules).parse()


class _Parser:
    """A recursive-descent parser of one query string."""

    def __init__(self, text: str, rules: Rules) -> None:
        self._rules = rules
        self._tokens = _tokens(text)
        self._place = 0
        self._query = Query(lambda _text, _look: True)

    def parse(self) -> Query:
        """Parse to the end; raise QueryError for an unmatched parenthesis."""
        self._query.test = self._sequence("", 0)
        if self._place < len(self._tokens):
            raise QueryError("a `)` closes nothing")
        return self._query

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._place] if self._place < len(self._tokens) else ("end", "")

    def _sequence(self, name: str, depth: int) -> Test:
        """Parse clauses to the end of a group.

        AND binds closer than OR; NOT excludes from the whole group.
        """
        if depth > MOST_DEEP:
            raise QueryError(f"it is nested in more than {MOST_DEEP} levels")
        groups: list[list[Test]] = []
        needed: list[Test] = []
        excluded: list[Test] = []
        joined = "OR"
        while (kind := self._peek()[0]) not in {"end", "close"}:
            word = self._peek()[1]
            if kind == "word" and word in JOINS:
                joined, self._place = JOINS[word], self._place + 1
                continue
            sign, test = self._clause(name, depth)
            if joined == "AND" and groups:
                groups[-1].append(_not(test) if sign == "-" else test)
            elif sign:
                (excluded if sign == "-" else needed).append(test)
            else:
                groups.append([test])
            joined = self._rules.operator
        return _joined(groups, needed, excluded)

    def _clause(self, name: str, depth: int) -> tuple[str, Test]:
        """Parse one clause; return its sign and its test."""
        kind, word = self._peek()
        self._place += 1
        if kind == "word" and word in {"NOT", "!", "-", "+"}:
            if self._peek()[0] in {"end", "close"}:
                raise QueryError(f"nothing stands behind `{word}`")
            sign, test = self._clause(name, depth)
            return ("" if sign == "-" else "-") if word != "+" else "+", test
        if kind == "open":
            test = self._sequence(name, depth + 1)
            if self._peek()[0] != "close":
                raise QueryError("a `(` is not closed")
            self._place += 1
            return "", test
        if kind == "field":
            return "", self._field(word[:-1], depth)
        if kind == "word" and word[0] in "+-!" and len(word) > 1:
            self._tokens[self._place - 1 : self._place] = [("word", word[0]), *_tokens(word[1:])]
            self._place -= 1
            return self._clause(name, depth)
        return "", self._term(name, kind, word)

    def _field(self, name: str, depth: int) -> Test:
        kind, word = self._peek()
        if kind in {"end", "close"}:
            raise QueryError(f"nothing stands behind `{name}:`")
        name = re.sub(r"\\(.)", r"\1", name)
        if name == "_exists_":
            self._place += 1
            test = condition(word, "*", self._rules)
            self._query.fields.add(word)
            return lambda _text, look: look is not None and test(look(word))
        if kind == "open":
            return self._clause(name, depth)[1]
        self._place += 1
        return self._term(name, kind, word)

    def _term(self, name: str, kind: str, word: str) -> Test:
        bare = BOOST.sub("", word)
        if FUZZY.search(bare):
            raise QueryError(f"`{word}` asks for what is like it, which is not supported")
        if bare.startswith("/") and (bare.endswith("/") and len(bare) > 1):
            raise QueryError(f"`{word}` is a regular expression, which is not supported")
        if kind == "range" and not name:
            raise QueryError(f"the range `{word}` names no field")
        if not name:
            pattern = terms.pattern(bare, self._rules)
            self._query.patterns.append(pattern)
            return lambda text, _look: bool(pattern.search(text))
        test = condition(name, bare, self._rules)
        self._query.fields.add(name)
        return lambda _text, look: look is not None and test(look(name))


def _tokens(text: str) -> list[tuple[str, str]]:
    """Return the (kind, text) tokens of a query; raise QueryError for text that is no token."""
    found: list[tuple[str, str]] = []
    place = 0
    while place < len(text):
        token = TOKEN.match(text, place)
        if token is None:
            raise QueryError(f"`{text[place : place + 20]}` is no term: close its quotes, or put a backslash before it")
        kind = next(name for name in ("space", "open", "close", "range", "field", "word") if token[name] is not None)
        if token["slop"]:
            raise QueryError(f"`{token[0]}` asks for what is like it, which is not supported")
        if kind != "space":
            found.append((kind, token[0]))
        place = token.end()
    if len(found) > MOST_TOKENS:
        raise QueryError(f"it has {len(found)} terms and marks, {MOST_TOKENS} are allowed")
    return found


def _not(test: Test) -> Test:
    return lambda text, look: not test(text, look)


def _joined(groups: list[list[Test]], needed: list[Test], excluded: list[Test]) -> Test:
    def test(text: str, look: Look | None) -> bool:
        if any(one(text, look) for one in excluded) or not all(one(text, look) for one in needed):
            return False
        return bool(needed) or not groups or any(all(one(text, look) for one in group) for group in groups)

    return test
