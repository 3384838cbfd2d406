"""Keep secrets out of everything that is written: one redactor stands before every writer.

It knows the values of tonight's secrets in the forms in which they travel, and the shapes of credentials that systems
hand out while the night runs (tokens, signatures), whose values nobody can register beforehand.
"""

from __future__ import annotations

import base64
import json
import re
from itertools import takewhile
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import quote
from urllib.parse import quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Iterator

MASK: Final = "[redacted]"
SHORTEST: Final = 6  # characters; a shorter value would mask ordinary words
PART: Final = 8  # characters; what a tool leaves of a value that it shortens is masked from this length on
DOTS: Final = ("...", "…")
SHAPES: Final = (
    re.compile(r"(?i)(?P<keep>X-Amz-(?:Signature|Security-Token)=|\brefresh_token=|\bSignature=)[\w%./+~=-]+"),
    re.compile(r"(?i)(?P<keep>\bBearer\s+)[\w./+~=-]{8,}"),
    re.compile(r"(?i)(?P<keep>\bauthorization[\"']?\s*[:=,]\s*[\"']?basic\s+)[\w./+~=-]+"),
    re.compile(r"(?P<keep>://[^/\s:@\"']*:)[^/\s@\"']+(?=@)"),  # the password in a URL
    re.compile(r"(?P<keep>)\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),
    re.compile(r"(?P<keep>)\bxox[abeoprs]-[\w-]{8,}"),
    re.compile(r"(?P<keep>https://hooks\.slack\.com/)[\w/-]+"),
)


class Redactor:
    """Masks registered values, their encoded forms, and whatever has the shape of a credential."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._ends: re.Pattern[str] | None = None
        self.register(*secrets)

    def register(self, *secrets: str) -> None:
        """Add values; those shorter than six characters are not secrets and are left out."""
        for secret in secrets:
            if len(secret) >= SHORTEST:
                self._forms.update(_forms(secret))
        longest_first = sorted(self._forms, key=len, reverse=True)
        ends = sorted({end for form in self._forms for end in (form[:PART], form[-PART:])})
        self._pattern = re.compile(_any_of(longest_first)) if longest_first else None
        self._ends = re.compile(f"(?=({_any_of(ends)}))") if ends else None

    def text(self, text: str) -> str:
        """Give the text with every secret masked."""
        if self._pattern:
            text = self._pattern.sub(MASK, text)
        if self._ends and any(dots in text for dots in DOTS):
            text = self._without_cut(text, self._ends)
        for shape in SHAPES:
            text = shape.sub(rf"\g<keep>{MASK}", text)
        return text

    def _without_cut(self, text: str, ends: re.Pattern[str]) -> str:
        """Mask what pytest or another tool left of a secret that it shortened with dots."""
        pieces: list[str] = []
        done = 0
        for found in ends.finditer(text):
            for start, stop in self._cut(text, found.start(1), found.end(1)):
                if start >= done:
                    pieces += [text[done:start], MASK]
                    done = stop
        return "".join([*pieces, text[done:]])

    def _cut(self, text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Give the longest beginning of a secret that dots follow, and the longest end that follows dots."""
        end = text[start:stop]
        heads = (form for form in self._forms if form.startswith(end))
        tails = (form for form in self._forms if form.endswith(end))
        last = max((start + _common(form, text[start:]) for form in heads), default=start)
        if last > start and text.startswith(DOTS, last):
            yield start, last
        before = text[:stop][::-1]
        first = min((stop - _common(form[::-1], before) for form in tails), default=stop)
        if first < stop and text[:first].endswith(DOTS):
            yield first, stop

    def data(self, value: Any) -> Any:
        """Give a JSON-like value with every text in it masked, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.data(key): self.data(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.data(item) for item in value)
        return value


def _common(one: str, other: str) -> int:
    """Count the characters with which both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _any_of(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, words))


def _forms(secret: str) -> set[str]:
    """Give the spellings in which a value travels: plain, in a URL, in JSON, in Python, in base64, line by line."""
    plain = secret.encode()
    encoded = {base64.b64encode(plain).decode(), base64.urlsafe_b64encode(plain).decode()}
    escaped = {json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    lines = {line.strip() for line in secret.splitlines() if len(line.strip()) >= SHORTEST}
    return {secret, quote(secret, safe=""), quote_plus(secret), *escaped, *encoded, *lines}
