"""Search terms: `*` matches any text, `?` one character; a backslash or quotes make them literal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

PIECE: Final = re.compile(r"\\(.)|([*?])|(\\|[^\\*?]+)", re.DOTALL)
ANYTHING: Final = ".*"
MARKS: Final = {"*": ANYTHING, "?": "."}


@dataclass(frozen=True, slots=True)
class Rules:
    """The default operator between terms, and case sensitivity; defects change them."""

    operator: str = "OR"
    is_case_sensitive: bool = False


def pattern(token: str, rules: Rules = Rules()) -> re.Pattern[str]:
    """Compile one term as a substring, regardless of case by default; a quoted phrase has no wildcards."""
    is_phrase = len(token) > 1 and token.startswith('"') and token.endswith('"')
    pieces = PIECE.findall(token[1:-1] if is_phrase else token)
    found = [
        MARKS[mark] if mark and not is_phrase else re.escape(escaped or mark or plain)
        for escaped, mark, plain in pieces
    ]
    return re.compile("".join(found), re.DOTALL if rules.is_case_sensitive else re.DOTALL | re.IGNORECASE)


def whole(text: str) -> re.Pattern[str]:
    """Compile a wildcard that must match a whole value: `*` any text, `?` one character."""
    parts = [{"*": ANYTHING, "?": "."}.get(part, re.escape(part)) for part in re.split(r"([*?])", text)]
    return re.compile("".join(parts) + r"\Z", re.DOTALL)
