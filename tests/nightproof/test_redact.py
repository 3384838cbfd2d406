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
    """A registered secret is masked in the spellings of URLs, JSON and headers."""
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
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: Basic [redacted]"),
        ("{'Authorization': 'Basic dXNlcjpwYXNz'}", "{'Authorization': 'Basic [redacted]'}"),
        ("get https://joe:hunter2@shop.test/x", "get https://joe:[redacted]@shop.test/x"),
        ("E: one\\neyJhbGciOiJIUzI1.eyJpZCI6InRlc3QiLCJ9.c2lnbmF0dXJl", "E: one\\n[redacted]"),
        ("one\\nxoxb-1234567890-abcdef", "one\\n[redacted]"),
        ('{"SecretAccessKey": "abcdefghijklmnop1234"}', '{"SecretAccessKey": "[redacted]"}'),
        (
            '{\\"aws_secret_access_key\\": \\"abcdefghijklmnop1234\\"}',
            '{\\"aws_secret_access_key\\": \\"[redacted]\\"}',
        ),
        ("export AWS_SECRET_ACCESS_KEY=abcdefghijklmnop1234", "export AWS_SECRET_ACCESS_KEY=[redacted]"),
        ("{'X-Amz-Security-Token': 'abcdef'}", "{'X-Amz-Security-Token': '[redacted]'}"),
        ("{'password': 'hunter2'} password = ask()", "{'password': '[redacted]'} password = ask()"),
        ("to=http%3A%2F%2Fjoe%3Ahunter2%40shop", "to=http%3A%2F%2Fjoe%3A[redacted]%40shop"),
        ("get http://shop.test:8080/a@b", "get http://shop.test:8080/a@b"),
    ],
)
def test_what_has_the_shape_of_a_credential_is_masked(line: str, kept: str) -> None:
    """Credentials that nobody registered are masked by their shape."""
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


def test_a_secret_of_several_lines_is_masked_in_each_of_them() -> None:
    """Every line of a multi-line secret is masked on its own."""
    key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----"

    shown = [Redactor([key]).text(line) for line in key.splitlines()]

    assert shown == [MASK] * 4


PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0B==\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("shown", "left"),
    [
        (PEM, f"{MASK}"),
        (repr(PEM), f"'{MASK}'"),
        (PEM.replace(" ", "+").replace("\n", "%0A"), MASK),
        (PEM[:60] + " - and more", f"{MASK}- and more"),
    ],
    ids=["plain", "repr", "query", "torn"],
)
def test_a_private_key_that_nobody_registered_is_masked_whole(shown: str, left: str) -> None:
    """An unregistered private key is masked whole by its BEGIN and END lines, in any quoting."""
    masked = Redactor().text(f"key {shown} end")
    frame = ("-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----")
    for part in (*frame, *(part.replace(" ", "+") for part in frame)):
        masked = masked.replace(part, "")
    assert masked == f"key {left} end"


def test_a_private_key_in_a_list_of_lines_is_masked_whole() -> None:
    """A private key spread over a list of lines is masked whole."""
    shown = Redactor().data(["before", *PEM.splitlines(), "after"])
    assert (shown[0], shown[-1], any("MII" in line or "hki" in line for line in shown)) == ("before", "after", False)


def test_a_secret_is_masked_in_a_python_literal() -> None:
    """A secret is masked in a Python literal with escapes."""
    secret = "it's\\a\tsecret"

    assert Redactor([secret]).text(f"assert {secret!r} == 1") in {f'assert "{MASK}" == 1', f"assert '{MASK}' == 1"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("E: refused <correct-horse-bat...", "E: refused <[redacted]..."),
        ("assert 'correct-hor...ery-staple' == 1", "assert '[redacted]...[redacted]' == 1"),
        ("cut: …tery-staple, correct-horse…", "cut: …[redacted], [redacted]…"),
        ("correct-horses ... are no secret", "correct-horses ... are no secret"),
        ("wait ... and see", "wait ... and see"),
    ],
    ids=["summary", "middle", "one-sign", "another-word", "dots"],
)
def test_what_is_left_of_a_shortened_secret_is_masked(text: str, shown: str) -> None:
    """The rest of a secret that pytest shortened with dots is masked."""
    assert Redactor(["correct-horse-battery-staple", "another-secret"]).text(text) == shown


def test_a_secret_that_is_registered_later_is_masked_in_a_text_seen_before() -> None:
    """A secret registered later is masked even in a text whose result was cached."""
    redactor = Redactor(["first-secret"])
    assert redactor.text("second-secret of first-secret") == "second-secret of [redacted]"
    redactor.register("second-secret")
    assert redactor.text("second-secret of first-secret") == "[redacted] of [redacted]"
