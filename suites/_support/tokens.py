"""Tokens that a sign-in never issues: expired, forged, unsigned."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from typing import Any


def claims_of(user: str, *, lives_s: float) -> dict[str, Any]:
    """Return the claims of a user's token that expires in `lives_s` seconds; a negative value means expired."""
    return {
        "id": user,
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"nightproof:{user}")),
        "exp": int(time.time() + lives_s),
        "jti": uuid.uuid4().hex,
    }


def sign(claims: dict[str, Any], secret: str) -> str:
    """Return a JWT of the claims, signed with HS256."""
    body = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{body}.{_text(hmac.digest(secret.encode(), body.encode(), hashlib.sha256))}"


def unsigned(claims: dict[str, Any]) -> str:
    """Return a JWT of the claims with algorithm `none`."""
    return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims)}."


def altered(token: str) -> str:
    """Return the token with another first character of its signature; all bits of that character count."""
    body, signature = token.rsplit(".", 1)
    other = "A" if signature[0] != "A" else "B"
    return f"{body}.{other}{signature[1:]}"


def _part(value: dict[str, Any]) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
