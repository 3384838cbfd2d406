"""Keep secrets out of everything that is written: one redactor stands before every writer.

It knows the values of tonight's secrets in the forms in which they travel, and the shapes of credentials that systems
hand out while the night runs (tokens, signatures), whose values nobody can register beforehand.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import quote
from urllib.parse import quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable

MASK: Final = "[redacted]"
SHORTEST: Final = 6  # characters; a shorter value would mask ordinary words
SHAPES: Final = (
    re.compile(r"(?i)(?P<keep>X-Amz-(?:Signature|Security-Token)=|\brefresh_token=|\bSignature=)[\w%./+~=-]+"),
    re.compile(r"(?i)(?P<keep>\bBearer\s+)[\w./+~=-]{8,}"),
    re.compile(r"(?P<keep>)\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"),
    re.compile(r"(?P<keep>)\bxox[abeoprs]-[\w-]{8,}"),
    re.compile(r"(?P<keep>https://hooks\.slack\.com/)[\w/-]+"),
)


class Redactor:
    """Masks registered values, their encoded forms, and whatever has the shape of a credential."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.register(*secrets)

    def register(self, *secrets: str) -> None:
        """Add values; those shorter than six characters are not secrets and are left out."""
        for secret in secrets:
            if len(secret) >= SHORTEST:
                self._forms.update(_forms(secret))
        longest_first = sorted(self._forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """Give the text with every secret masked."""
        if self._pattern:
            text = self._pattern.sub(MASK, text)
        for shape in SHAPES:
            text = shape.sub(rf"\g<keep>{MASK}", text)
        return text

    def data(self, value: Any) -> Any:
        """Give a JSON-like value with every text in it masked, keys included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.data(key): self.data(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.data(item) for item in value)
        return value


def _forms(secret: str) -> set[str]:
    """Give the spellings in which a value travels: plain, in a URL, in JSON, in base64."""
    plain = secret.encode()
    encoded = {base64.b64encode(plain).decode(), base64.urlsafe_b64encode(plain).decode()}
    return {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], *encoded}
