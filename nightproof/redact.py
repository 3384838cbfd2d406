"""Masking of secrets: every text passes a redactor before it is written.

The redactor knows the values of the night's secrets in all usual encodings. It also knows the shapes of credentials
that systems issue during the night (tokens, signatures), whose values cannot be registered beforehand.
"""

from __future__ import annotations

import hashlib
import json
import re
from itertools import takewhile
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.spellings import BASE64
from nightproof.spellings import SHORT
from nightproof.spellings import SHORTEST
from nightproof.spellings import bare
from nightproof.spellings import bare_cores
from nightproof.spellings import bare_spellings
from nightproof.spellings import bare_with_places

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Iterator

__all__ = ["KEY_BEGIN", "KEY_END", "MASK", "SHORTEST", "Redactor"]

MASK: Final = "[redacted]"
PART: Final = 8  # characters; a fragment of a shortened value is masked from this length on
DOTS: Final = ("...", "…")
CRUMB: Final = r"""[^\s\\"'=;,<>]{1,100}"""  # the name of a cookie
BARE_VALUE: Final = r"""[^\s&"'(),;<>\[\]{}|]"""  # a letter of a value without quotes
SECRETIVE: Final = "(?:passw(?:or)?d|token|api[_-]?key|secret|sig|auth)"  # names whose values may be unquoted
START: Final = r"(?:\b|(?<=\\[nrt]))"  # an escaped line break is two characters, the second a letter
GIVEN: Final = r"""[\\"']*\s*[:=]\s*[\\"']*"""  # between a name and its value, in code, JSON, headers and queries
KEY_BEGIN: Final = re.compile(r"-----BEGIN[ +][A-Z0-9 +]*PRIVATE[ +]KEY-----")
KEY_END: Final = re.compile(r"-----END[ +][A-Z0-9 +]*PRIVATE[ +]KEY-----")
KEY_LIMIT: Final = 16_000  # characters; no key is longer, and the text after a truncated one must stay readable
# Each pattern has lower-case words of which one must occur: looking for them is far faster than trying the pattern.
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
        (
            "cookie",
            rf"(?i)(?P<keep>cookie[\\\"']*\s*[:,]\s*[\\\"']*){CRUMB}=[^\s\\\"',<>]+(?:;[ ]?[^\s\\\"',<>]+)*",
        ),
        ("x-api x-auth", rf"(?i)(?P<keep>x-(?:api|auth)-(?:key|token){GIVEN})[\w%./+~=-]{{6,}}"),
        # Unquoted, only a value that is no name in code: it holds a digit, and no call follows.
        (
            "passw= passwd= token= api_key= apikey= api-key= secret= sig= password= auth=",
            rf"(?i)(?P<keep>(?:\b|_){SECRETIVE}=)(?={BARE_VALUE}{{0,200}}\d){BARE_VALUE}{{6,}}",
        ),
        ("token", rf"(?i)(?P<keep>\btoken{GIVEN}(?<=[\"']))(?=[^\s\\\"']*\d)[^\s\\\"']{{8,}}"),
        ("@", r"(?P<keep>://)(?=[^/\s:@\"']{0,200}\d)[^/\s:@\"']{12,255}(?=@)"),  # a token in the place of a user
        ("akia asia", rf"(?P<keep>){START}A(?:KI|SI)A[A-Z0-9]{{16}}\b"),
        ("ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", rf"(?P<keep>){START}(?:gh[pousr]|github_pat)_\w{{16,}}"),
        ("sk-", rf"(?P<keep>){START}sk-[\w-]{{16,}}"),
        ("aiza", rf"(?P<keep>){START}AIza[\w-]{{30,}}"),
        ("eyj", rf"(?P<keep>){START}eyJ[\w-]{{8,}}\.[\w-]{{8,}}\.[\w-]*"),
        ("xox", rf"(?P<keep>){START}xox[abeoprs]-[\w-]{{8,}}"),
        ("hooks.slack.com", r"(?P<keep>https://hooks\.slack\.com/)[\w/-]+"),
        ("-----begin", rf"(?P<keep>{KEY_BEGIN.pattern})(?s:.{{0,{KEY_LIMIT}}}?)(?={KEY_END.pattern})"),
        (
            "-----begin",
            rf"(?P<keep>{KEY_BEGIN.pattern})(?!\[redacted\])[\w\s+/=\\'\",.…%|>]+",
        ),  # a truncated key
    )
)

REMEMBERED: Final = 200  # characters
MOST_KNOWN: Final = 10_000


class Redactor:
    """Masks registered values in any spelling, and everything that has the shape of a credential."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._cuttable: set[str] = set()
        self._spellings: tuple[str, ...] = ()
        self._cores: tuple[str, ...] = ()
        self._ends: re.Pattern[str] | None = None
        self._known: dict[str, str] = {}
        self.register(*secrets)

    def register(self, *secrets: str) -> None:
        """Add values, and each line of a multi-line one; values shorter than five characters are ignored."""
        given = [part for secret in secrets for part in (secret, *(line.strip() for line in secret.splitlines()))]
        new = {part for part in given if len(part) >= SHORTEST} - self._secrets
        if not new:
            return
        self._secrets |= new
        spellings = {text for secret in new for text in bare_spellings(secret)}
        cores = {text for secret in new for text in bare_cores(secret)}
        self._spellings = tuple(sorted({*self._spellings, *spellings}, key=len, reverse=True))
        self._cores = tuple(sorted({*self._cores, *cores} - set(self._spellings), key=len, reverse=True))
        self._cuttable = self._secrets | {
            written
            for secret in self._secrets
            for written in (json.dumps(secret)[1:-1], json.dumps(json.dumps(secret)[1:-1])[1:-1])
        }
        ends = sorted({end for secret in self._cuttable for end in (secret[:PART], secret[-PART:])})
        self._ends = re.compile(f"(?=({'|'.join(map(re.escape, ends))}))")
        self._known = {}  # last, and a new dict: a thread still masking with the old values cannot write into it

    def text(self, text: str) -> str:
        """Return the text with every secret masked. Results of short texts are cached, as event lines repeat them."""
        if len(text) > REMEMBERED:
            return self._masked(text)
        known = self._known
        if text not in known:
            if len(known) >= MOST_KNOWN:
                self._known = known = {}
            known[text] = self._masked(text)
        return known[text]

    def _masked(self, text: str) -> str:
        if self._spellings and self._may_hold(text):
            text = self._without_secrets(text)
        if self._ends and any(dots in text for dots in DOTS):
            text = self._without_cut(text, self._ends)
        lower = text.lower()
        for words, shape in SHAPES:
            if any(word in lower for word in words):
                text = shape.sub(rf"\g<keep>{MASK}", text)
        return text

    def _may_hold(self, text: str) -> bool:
        laid_bare = bare(text)
        return any(form in laid_bare for form in self._spellings) or any(core in laid_bare for core in self._cores)

    def _without_secrets(self, text: str) -> str:
        pieces: list[str] = []
        done = 0
        for start, stop in sorted(self._spans(text)):
            if start >= done:
                pieces += [text[done:start], MASK]
            done = max(done, stop)
        return "".join([*pieces, text[done:]])

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the start and end of each secret in the text; base64 that contains one is masked as a whole."""
        laid_bare, places = bare_with_places(text)
        for form in self._spellings:
            for at in _every(form, laid_bare):
                if len(form) >= SHORT or _is_one_word(text, places[at : at + len(form)]):
                    yield places[at], places[at + len(form) - 1] + 1
        for core in self._cores:
            covered = 0
            for at in _every(core, laid_bare):
                start, stop = places[at], places[at + len(core) - 1] + 1
                if start < covered:
                    continue
                while start > covered and text[start - 1] in BASE64:
                    start -= 1
                while stop < len(text) and (text[stop] in BASE64 or text[stop] == "="):
                    stop += 1
                covered = stop
                yield start, stop

    def _without_cut(self, text: str, ends: re.Pattern[str]) -> str:
        """Mask the rest of a secret that pytest or another tool shortened with dots."""
        pieces: list[str] = []
        done = 0
        for found in ends.finditer(text):
            for start, stop in self._cut(text, found.start(1), found.end(1)):
                if start >= done:
                    pieces += [text[done:start], MASK]
                    done = stop
        return "".join([*pieces, text[done:]])

    def _cut(self, text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Yield the longest beginning of a secret before dots, and the longest end of a secret after dots."""
        end = text[start:stop]
        heads = [form for form in self._cuttable if form.startswith(end)]
        tails = [form for form in self._cuttable if form.endswith(end)]
        last = max((start + _common(form, text[start : start + len(form)]) for form in heads), default=start)
        if last > start and text.startswith(DOTS, last):
            yield start, last
        longest = max(map(len, tails), default=0)
        before = text[max(0, stop - longest) : stop][::-1]
        first = min((stop - _common(form[::-1], before) for form in tails), default=stop)
        if first < stop and text.endswith(DOTS, 0, first):
            yield first, stop

    def data(self, value: Any) -> Any:
        """Return a JSON-like value with every text in it masked, keys included."""
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
        """Return the lines masked, including a secret or a private key that spans several lines."""
        if any(KEY_BEGIN.search(line) for line in lines):
            return self.text("\n".join(lines)).split("\n")
        masked = [self.text(line) for line in lines]
        joined = "\n".join(masked)
        if len(masked) > 1 and self._spellings and self._may_hold(joined):
            return self.text(joined).split("\n")
        return masked


def _every(form: str, text: str) -> Iterator[int]:
    at = text.find(form)
    while at >= 0:
        yield at
        at = text.find(form, at + len(form))


def _is_one_word(text: str, places: list[int]) -> bool:
    """Return whether a short value is one word here, or spaced throughout: two words may spell it by chance."""
    gaps = [text[one + 1 : other] for one, other in zip(places, places[1:])]
    blank = [bool(gap) and not gap.strip(" \n\t'\"`") for gap in gaps]
    return not any(blank) or all(gaps)


def shown_id(test_id: str, redact: Callable[[str], str]) -> str:
    """Return a test's id for people: secrets are masked, and a hash suffix keeps masked ids distinct.

    Everything written for people shows this id; logs, selections and the lock match tests by the id itself.
    """
    masked = redact(test_id)
    return masked if masked == test_id else f"{masked}~{hashlib.sha256(test_id.encode()).hexdigest()[:4]}"


def _common(one: str, other: str) -> int:
    """Return the length of the common prefix."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other)))
