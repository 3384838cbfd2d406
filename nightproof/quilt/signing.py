"""Access tokens: reading their claims, and signing our own where the target declares `mint_jwt`."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from typing import Any

import jwt


def sign_jwt(secret: str, claims: dict[str, Any]) -> str:
    """Sign claims as the catalog does: HS256."""
    return jwt.encode(claims, secret, algorithm="HS256")


def read_claims(token: str) -> dict[str, Any]:
    """Read a token's claims without checking it; `{}` when it is none."""
    try:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        return {}
    return claims


def expiry(token: str) -> str | None:
    """Give a token's end as ISO text, None when it names none."""
    moment = read_claims(token).get("exp")
    if not isinstance(moment, int | float):
        return None
    try:
        return datetime.fromtimestamp(moment, UTC).isoformat()
    except (ValueError, OverflowError, OSError):  # a number that is no time
        return None
