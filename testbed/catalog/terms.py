"""Terms of searches: `*` is any text, `?` one character, and a backslash or quotes take the meaning away."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

PIECE: Final = re.compile(r"\\(.)|([*?])|(\\|[^\\*?]+)", re.DOTALL)
ANYTHING: Final = ".*"
MARKS: Final = {"*": ANYTHING, "?": "."}


@dataclass(frozen=True, slots=True)
class Rules:
    """How terms are joined and compared; a defect may give others."""

    operator: str = "OR"
    is_case_sensitive: bool = False


def pattern(token: str, rules: Rules = Rules()) -> re.Pattern[str]:
    """Compile one term: a substring whatever its case; a phrase stands in quotes."""
    is_phrase = len(token) > 1 and token.startswith('"') and token.endswith('"')
    pieces = PIECE.findall(token[1:-1] if is_phrase else token)
    found = [
        MARKS[mark] if mark and not is_phrase else re.escape(escaped or mark or plain)
        for escaped, mark, plain in pieces
    ]
    return re.compile("".join(found), re.DOTALL if rules.is_case_sensitive else re.DOTALL | re.IGNORECASE)


def whole(text: str) -> re.Pattern[str]:
    """Compile a wildcard that must cover a whole value: `*` any text, `?` one character."""
    parts = [{"*": ANYTHING, "?": "."}.get(part, re.escape(part)) for part in re.split(r"([*?])", text)]
    return re.compile("".join(parts) + r"\Z", re.DOTALL)
