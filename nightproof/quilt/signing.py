"""Access tokens: reading their claims, and signing our own where the target declares `mint_jwt`."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from typing import Any

import jwt


def sign_jwt(secret: str, claims: dict[str, Any]) -> str:
    """Return the claims as a JWT, signed as the catalog signs: HS256."""
    return jwt.encode(claims, secret, algorithm="HS256")


def read_claims(token: str) -> dict[str, Any]:
    """Return a token's claims without verifying it, or `{}` if it is not a JWT."""
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return {}
    return claims


def expiry(token: str) -> str | None:
    """Return a token's expiry as ISO 8601 UTC text, or None if it has none."""
    moment = read_claims(token).get("exp")
    if not isinstance(moment, int | float):
        return None
    try:
        return datetime.fromtimestamp(moment, UTC).isoformat()
    except (ValueError, OverflowError, OSError):  # a number outside the range of datetime
        return None
