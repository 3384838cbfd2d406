"""Tokens that a sign-in would not give: expired, forged, unsigned."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from typing import Any


def claims_of(user: str, *, lives_s: float) -> dict[str, Any]:
    """Give the claims of a user's token; a negative life makes one that is over."""
    return {
        "id": user,
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"nightproof:{user}")),
        "exp": int(time.time() + lives_s),
        "jti": uuid.uuid4().hex,
    }


def sign(claims: dict[str, Any], secret: str) -> str:
    """Sign claims with HS256."""
    body = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{body}.{_text(hmac.digest(secret.encode(), body.encode(), hashlib.sha256))}"


def unsigned(claims: dict[str, Any]) -> str:
    """Make a token of algorithm `none`."""
    return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims)}."


def altered(token: str) -> str:
    """Change one character of the signature, one whose bits all count."""
    body, signature = token.rsplit(".", 1)
    other = "A" if signature[0] != "A" else "B"
    return f"{body}.{other}{signature[1:]}"


def _part(value: dict[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
