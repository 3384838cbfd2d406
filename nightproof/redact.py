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
SHORTEST: Final = 5  # characters; a shorter value would mask ordinary words
PART: Final = 8  # characters; what a tool leaves of a value that it shortens is masked from this length on
DOTS: Final = ("...", "…")
START: Final = r"(?:\b|(?<=\\[nrt]))"  # a line break may stand there as two characters, the second a letter
GIVEN: Final = r"""[\\"']*\s*[:=]\s*[\\"']*"""  # between a name and its value, in code, JSON, headers and queries
KEY_BEGIN: Final = re.compile(r"-----BEGIN[ +][A-Z0-9 +]*PRIVATE[ +]KEY-----")
KEY_END: Final = re.compile(r"-----END[ +][A-Z0-9 +]*PRIVATE[ +]KEY-----")
KEY_LIMIT: Final = 16_000  # characters; no key is longer, and what follows a torn one must stay readable
# Beside each shape the small words of which one must be there: to look for them is far faster than to try the pattern.
SHAPES: Final = tuple(
    (words.split(), re.compile(pattern))
    for words, pattern in (
        ("x-amz-", rf"(?i)(?P<keep>X-Amz-(?:Signature|Security-Token){GIVEN})[\w%./+~=-]+"),
        ("refresh_token= signature=", rf"(?i)(?P<keep>{START}refresh_token=|{START}Signature=)[\w%./+~=-]+"),
        ("secret session", rf"(?i)(?P<keep>(?:secret_?access_?key|session_?token){GIVEN})[\w%./+=-]{{16,}}"),
        (
            "passw api client",
            rf"(?i)(?P<keep>(?:password|passwd|api_?key|client_?secret){GIVEN}(?<=[\"']))[^\s\\\"']+",
        ),
        ("bearer", rf"(?i)(?P<keep>{START}Bearer[ \t]+)[\w./+~=-]{{8,}}"),
        ("basic", rf"(?i)(?P<keep>{START}authorization[\"']?\s*[:=,]\s*[\"']?basic[ \t]+)[\w./+~=-]+"),
        ("@", r"(?P<keep>://[^/\s:@\"']*:)[^/\s@\"']+(?=@)"),  # the password in a URL
        ("%40", r"(?i)(?P<keep>%3A%2F%2F[^%\s]*%3A)[^%\s]+(?=%40)"),  # the same inside a query
        ("eyj", rf"(?P<keep>){START}eyJ[\w-]{{8,}}\.[\w-]{{8,}}\.[\w-]*"),
        ("xox", rf"(?P<keep>){START}xox[abeoprs]-[\w-]{{8,}}"),
        ("hooks.slack.com", r"(?P<keep>https://hooks\.slack\.com/)[\w/-]+"),
        ("-----begin", rf"(?P<keep>{KEY_BEGIN.pattern})(?s:.{{0,{KEY_LIMIT}}}?)(?={KEY_END.pattern})"),
        (
            "-----begin",
            rf"(?P<keep>{KEY_BEGIN.pattern})(?!\[redacted\])[\w\s+/=\\'\",.…%|>]+",
        ),  # one that was cut short
    )
)


class Redactor:
    """Masks registered values, their encoded forms, and whatever has the shape of a credential."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._ends: re.Pattern[str] | None = None
        self.register(*secrets)

    def register(self, *secrets: str) -> None:
        """Add values; those shorter than five characters are not secrets and are left out."""
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
        lower = text.lower()
        for words, shape in SHAPES:
            if any(word in lower for word in words):
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
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return self.lines(value)
        if isinstance(value, (list, tuple)):
            return type(value)(self.data(item) for item in value)
        return value

    def lines(self, lines: list[str]) -> list[str]:
        """Mask a list of lines, and whole a private key that they hold line by line."""
        if any(KEY_BEGIN.search(line) for line in lines):
            return self.text("\n".join(lines)).split("\n")
        return [self.text(line) for line in lines]


def _common(one: str, other: str) -> int:
    """Count the characters with which both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other)))


def _any_of(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, words))


def _forms(secret: str) -> set[str]:
    """Give the spellings in which a value travels: plain, in a URL, in JSON, in Python, in base64, line by line."""
    plain = secret.encode()
    encoded = {base64.b64encode(plain).decode(), base64.urlsafe_b64encode(plain).decode()}
    escaped = {json.dumps(secret)[1:-1], repr(secret)[1:-1], repr(secret + '"')[1:-2]}  # inside a text with both quotes
    lines = {line.strip() for line in secret.splitlines() if len(line.strip()) >= SHORTEST}
    return {secret, quote(secret, safe=""), quote_plus(secret), *escaped, *encoded, *lines}
