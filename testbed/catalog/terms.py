"""Search texts: terms joined by OR unless said otherwise, `*` a wildcard, a backslash takes the meaning away."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

TOKEN: Final = re.compile(r'"(?:\\.|[^"\\])*"?|(?:\\.|[^\s\\"])+|\\')
PIECE: Final = re.compile(r"\\(.)|(\*)|(\\|[^\\*]+)", re.DOTALL)
ANYTHING: Final = ".*"


@dataclass(frozen=True, slots=True)
class Rules:
    """How terms are joined and compared; a defect may give others."""

    operator: str = "OR"
    is_case_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """Groups of terms: a text matches when it holds all terms of any group; without groups everything matches."""

    groups: tuple[tuple[re.Pattern[str], ...], ...]

    def matches(self, text: str) -> bool:
        """Say whether a text matches."""
        return not self.groups or any(all(term.search(text) for term in group) for group in self.groups)


def parse(text: str, rules: Rules = Rules()) -> Query:
    """Read a search text; `AND` and `OR` between terms join these two."""
    groups: list[list[re.Pattern[str]]] = []
    joined = "OR"
    for token in TOKEN.findall(text):
        if token in {"AND", "OR"}:
            joined = token
            continue
        term = pattern(token, rules)
        if joined == "AND" and groups:
            groups[-1].append(term)
        else:
            groups.append([term])
        joined = rules.operator
    return Query(tuple(tuple(group) for group in groups))


def pattern(token: str, rules: Rules = Rules()) -> re.Pattern[str]:
    """Compile one term: a substring whatever its case; a phrase stands in quotes."""
    quoted = len(token) > 1 and token.startswith('"')
    bare = token.strip('"') if quoted else token
    found = [ANYTHING if star else re.escape(escaped or plain) for escaped, star, plain in PIECE.findall(bare)]
    return re.compile("".join(found), re.DOTALL if rules.is_case_sensitive else re.DOTALL | re.IGNORECASE)


def whole(text: str) -> re.Pattern[str]:
    """Compile a wildcard that must cover a whole value: `*` any text, `?` one character."""
    parts = [{"*": ANYTHING, "?": "."}.get(part, re.escape(part)) for part in re.split(r"([*?])", text)]
    return re.compile("".join(parts) + r"\Z", re.DOTALL)
