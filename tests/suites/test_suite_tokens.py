"""Tokens that the suite makes itself, verified with PyJWT, which the suite does not use."""

from __future__ import annotations

import uuid

import jwt
import pytest

from suites._support.tokens import altered
from suites._support.tokens import claims_of
from suites._support.tokens import sign
from suites._support.tokens import unsigned

SECRET = "a-signing-secret-of-enough-length-for-hs256"


def test_a_signed_token_holds_its_claims() -> None:
    """PyJWT verifies the signature of a token and reads its user, id and expiry."""
    claims = claims_of("test-user", lives_s=60)
    read = jwt.decode(sign(claims, SECRET), SECRET, algorithms=["HS256"])
    assert read == claims
    assert read["uuid"] == str(uuid.uuid5(uuid.NAMESPACE_URL, "nightproof:test-user"))


def test_an_expired_token_is_only_expired() -> None:
    """The signature of an expired token is valid, so that expiry is the only reason to reject it."""
    token = sign(claims_of("test-user", lives_s=-60), SECRET)
    with pytest.raises(jwt.ExpiredSignatureError):
        jwt.decode(token, SECRET, algorithms=["HS256"])
    assert jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_exp": False})["id"] == "test-user"


def test_an_altered_token_is_refused() -> None:
    """Altering one character of a token breaks the signature and leaves the claims unchanged."""
    token = sign(claims_of("test-user", lives_s=60), SECRET)
    forged = altered(token)
    assert forged.rsplit(".", 1)[0] == token.rsplit(".", 1)[0]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(forged, SECRET, algorithms=["HS256"])


def test_an_unsigned_token_says_so() -> None:
    """An unsigned token declares the algorithm `none` and has an empty signature."""
    token = unsigned(claims_of("test-user", lives_s=60))
    assert jwt.get_unverified_header(token)["alg"] == "none"
    assert token.endswith(".")
