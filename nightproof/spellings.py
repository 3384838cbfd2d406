"""The spellings of a secret, and a bare form of texts in which one search finds any of them.

Bare means: case folded, and without the characters that tools put between letters, plain or escaped. These are blanks,
line breaks, quotes, backslashes, colours, NUL and zero-width characters. Secrets are made bare in the same way.
"""

from __future__ import annotations

import base64
import html
import json
import re
from typing import TYPE_CHECKING
from typing import Final
from urllib.parse import quote
from urllib.parse import quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST: Final = 5  # characters; a shorter value would mask ordinary words
SHORT: Final = 8  # characters below which a value split by blanks is more likely two words
SAFE: Final = ("", "/", "-_.!~*'()", ";,/?:@&=+$-_.!~*'()#")  # left unescaped by Python and JavaScript
QUOTES: Final = (("&quot;", "&#x27;"), ("&#34;", "&#39;"), ("&quot;", "&#39;"), ("&quot;", "&apos;"), ('"', "'"))
# Each way begins with a letter that stands there as such, which lets `re` skip to it; the look back at a backslash
# before the first keeps a long run of them from being tried at every place.
GAPS: Final = re.compile(
    r"""(?x) \x1b\[[0-9;]*[A-Za-z]                # colours
    | \n[E>][ ]{1,8}                              # the margin of pytest's tracebacks
    | \\(?<!\\\\)\\*(?:
        (?:[uU]001[bB]|[xX]1[bB]|033)\[[0-9;]*[A-Za-z]
        | [nN][E>][ ]{1,8}
        | [uU]00[01][0-9a-fA-F] | [xX][01][0-9a-fA-F]                # control characters, escaped
        | [uU]200[b-fB-F] | [uU]2060 | [uU][fF][eE][fF][fF]          # characters without width, escaped
        | [nrtNRT]
    )""",
)
DROPPED: Final = dict.fromkeys(
    [
        *range(0x21),
        0x22,
        0x27,
        0x5C,
        0x60,
        *range(0x7F, 0xA1),
        0xAD,
        *range(0x200B, 0x2010),
        0x2028,
        0x2029,
        0x2060,
        0xFEFF,
    ]
)
BASE64: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-")


def bare(text: str) -> str:
    """Return the bare form of a text."""
    if "\\" in text or "\x1b" in text or "\nE" in text or "\n>" in text:
        text = GAPS.sub("", text)
    return text.translate(DROPPED).casefold()


def bare_with_places(text: str) -> tuple[str, list[int]]:
    """Return the bare text, and for each of its letters the index in the original text."""
    letters: list[str] = []
    places: list[int] = []
    done = 0
    for gap in GAPS.finditer(text):
        _lay_bare(text, done, gap.start(), letters, places)
        done = gap.end()
    _lay_bare(text, done, len(text), letters, places)
    return "".join(letters), places


def _lay_bare(text: str, start: int, stop: int, letters: list[str], places: list[int]) -> None:
    for place in range(start, stop):
        letter = text[place]
        if ord(letter) not in DROPPED:
            folded = letter.casefold()
            letters.append(folded)
            places.extend([place] * len(folded))


def bare_spellings(secret: str) -> set[str]:
    """Return every bare spelling of a secret; those too short to tell from ordinary words are left out.

    A spelling that begins with `n`, `r` or `t` is included without it too: after a backslash the letter reads as an
    escape.
    """
    found = {bare(text) for text in _texts(secret)}
    found |= {text[1:] for text in found if text[:1] in {"n", "r", "t"}}
    return {text for text in found if len(text) >= SHORTEST}


def bare_cores(secret: str) -> set[str]:
    """Return the letters of a secret's base64 form that do not depend on its position in the encoded bytes."""
    values = {text.encode("utf-8", "surrogatepass") for text in (secret, json.dumps(secret)[1:-1])}
    cores = {core for value in values for shift in range(3) for core in _cores(value, shift)}
    found = {bare(text) for core in cores for text in (core, quote(core, safe=""))}
    return {text for text in found if len(text) > SHORTEST}


def _cores(value: bytes, shift: int) -> Iterator[str]:
    """Yield the base64 of a value at an offset of `shift` bytes, without the letters shared with neighbouring bytes."""
    first = (shift * 8 + 5) // 6
    last = (shift + len(value)) * 8 // 6
    padded = bytes(shift) + value + bytes(-(shift + len(value)) % 3)
    yield base64.b64encode(padded).decode()[first:last]
    yield base64.urlsafe_b64encode(padded).decode()[first:last]


def _texts(secret: str) -> Iterator[str]:
    plain = secret.encode("utf-8", "surrogatepass")
    yield secret
    yield from map(json.dumps, (secret, secret.upper(), secret.lower()))
    yield repr(plain)[1:]
    yield secret.encode("unicode_escape").decode()
    for code in ("utf-16-le", "utf-16-be"):
        wide = secret.encode(code, "surrogatepass").decode("latin-1")
        yield from (wide, json.dumps(wide))
    yield plain.decode("latin-1")
    yield plain.hex()
    escaped = html.escape(secret, quote=False)
    yield from (escaped.replace('"', double).replace("'", single) for double, single in QUOTES)
    once = {quote_plus(plain), *(quote(plain, safe=safe) for safe in SAFE)}
    yield from once
    twice = {quote(text, safe="") for text in once} | {text.replace("%", "%25") for text in once}
    yield from twice
    yield from (text.replace("%", "%25") for text in twice)
