"""The redactor masks what it knows and what looks like a credential."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from nightproof.redact import MASK
from nightproof.redact import Redactor

SECRET = "s3cr3t/with+odd=chars&"


@pytest.mark.parametrize(
    "form",
    [SECRET, quote(SECRET, safe=""), json.dumps(SECRET), base64.b64encode(SECRET.encode()).decode()],
    ids=["plain", "url", "json", "base64"],
)
def test_a_registered_secret_is_masked_in_every_form(form: str) -> None:
    """A value does not slip through because a URL, JSON or a header spelled it differently."""
    shown = Redactor([SECRET]).text(f"before {form} after")

    assert form.strip('"') not in shown
    assert MASK in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("GET /k?X-Amz-Signature=abcdef0123456789&x=1", "GET /k?X-Amz-Signature=[redacted]&x=1"),
        ("authorization: Bearer abcdefgh12345678", "authorization: Bearer [redacted]"),
        ("token eyJhbGciOiJIUzI1.eyJpZCI6InRlc3QiLCJ9.c2lnbmF0dXJl end", "token [redacted] end"),
        ("xoxb-1234567890-abcdef", "[redacted]"),
        ("post https://hooks.slack.com/services/T0/B0/xyz", "post https://hooks.slack.com/[redacted]"),
        ("body refresh_token=opaque-value-1", "body refresh_token=[redacted]"),
    ],
)
def test_what_has_the_shape_of_a_credential_is_masked(line: str, kept: str) -> None:
    """Tokens that systems hand out during the night are masked although nobody registered them."""
    assert Redactor().text(line) == kept


def test_short_values_are_no_secrets() -> None:
    """An empty or tiny value must not mask ordinary words."""
    assert Redactor(["", "us", "test"]).text("a test in us-east-1") == "a test in us-east-1"


def test_the_longer_secret_wins() -> None:
    """A secret that contains another is masked whole, without leaving its tail."""
    assert Redactor(["abcdef", "abcdefghij"]).text("x abcdefghij y") == f"x {MASK} y"


def test_data_is_masked_inside_containers() -> None:
    """Nested data keeps its shape, and numbers stay numbers."""
    found = Redactor(["topsecret"]).data({"topsecret": ["a topsecret", 1, None], "t": ("topsecret",)})

    assert found == {MASK: [f"a {MASK}", 1, None], "t": (MASK,)}
