"""However a secret is spelled, and wherever it is written, it is masked; ordinary text is not."""

from __future__ import annotations

import base64
import html
import json
import textwrap
import time
import urllib.parse as up
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightproof.redact import MASK
from nightproof.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

SECRETS = {
    "plain": "PlainSecretAbcdef123456x",
    "special": "Zq7!vX\"p&L<9>k'w/T+s=RARE\\n%5",
    "unicode": "пароль-Ünïcøde-☃-Secret99",
    "lines": "MultiLineOne111\nMultiLineTwo222\nMultiLineThree333",
    "short": "Q9zX7",
    "hex": "deadbeefcafe0123456789abcdef00",
    "escape": "nightly-secret-t0ken",
}
WRITERS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "json": json.dumps,
    "json in json": lambda text: json.dumps(json.dumps(text)),
    "python": repr,
    "traceback": lambda text: "E   " + text.replace("\n", "\nE     "),
}


def spellings(secret: str) -> dict[str, str]:
    """Return the ways in which programs write a text, or what is left of it when it is cut."""
    raw, quoted = secret.encode(), up.quote(secret, safe="")
    lower = "".join(letter.lower() if "%" in quoted[max(0, i - 2) : i] else letter for i, letter in enumerate(quoted))
    return {
        "raw": secret, "repr": repr(secret), "json": json.dumps(secret),
        "utf-8": json.dumps(secret, ensure_ascii=False),
        "url": quoted, "url lower": lower, "url default": up.quote(secret), "url twice": up.quote(quoted, safe=""),
        "form": up.quote_plus(secret), "html": html.escape(secret), "html text": html.escape(secret, quote=False),
        "base64": base64.b64encode(raw).decode(), "unpadded": base64.b64encode(raw).decode().rstrip("="),
        "base64url": base64.urlsafe_b64encode(raw).decode().rstrip("="),
        "user": base64.b64encode(b"user:" + raw).decode(), "u": base64.b64encode(b"u:" + raw + b":x").decode(),
        "base64 of json": base64.b64encode(json.dumps({"t": secret}).encode()).decode(),
        "hex": raw.hex(), "HEX": raw.hex().upper(), "upper": secret.upper(), "lower": secret.lower(),
        "bytes": repr(raw), "wrapped": "\n".join(textwrap.wrap(secret, 8)),
        "in text": "\n".join(textwrap.wrap("token is now set to " + secret, 20)),
        "continued": "\\\n".join(textwrap.wrap(secret, 12)), "spaced": " ".join(secret),
        "escapes": secret.encode("unicode_escape").decode(),
        "utf-16": secret.encode("utf-16-le").decode("latin1"),
        "coloured": f"{secret[:4]}\x1b[31m{secret[4:]}\x1b[0m", "nul": f"{secret[:4]}\0{secret[4:]}",
        "no width": f"{secret[:4]}\u200b{secret[4:]}", "json in json": json.dumps(json.dumps(secret)),
    }  # fmt: skip


def shreds(secret: str) -> set[str]:
    """Return every part of a secret of six letters, as nobody may find one, in its common spellings."""
    return {text[at : at + 6] for text in (secret, secret.encode().hex()) for at in range(len(text) - 5)}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("name", SECRETS)
def test_every_spelling_is_masked_in_every_writing(name: str, writer: str) -> None:
    """Every spelling of a secret is masked completely, and the text around it stays."""
    redactor = Redactor(SECRETS.values())
    for spelling, text in spellings(SECRETS[name]).items():
        shown = redactor.text(WRITERS[writer](f"before |{text}| after"))
        assert MASK in shown, spelling
        assert shown.index("before") < shown.index(MASK) < shown.index("after"), (spelling, shown)
        assert [part for part in shreds(SECRETS[name]) if part in shown] == [], (spelling, shown)


def test_a_secret_over_the_lines_of_a_list_is_masked() -> None:
    """A secret that spans several lines of a list is masked."""
    shown = Redactor(SECRETS.values()).data(["one", *textwrap.wrap(SECRETS["plain"], 8), "two"])
    assert shown == ["one", MASK, "two"]


def test_two_words_in_a_row_are_no_short_secret() -> None:
    """A short value is masked as one word or spaced throughout, not when two words spell it."""
    redactor = Redactor(["admin"])
    assert redactor.text("they had min and max") == "they had min and max"
    assert redactor.text("user admin, a d m i n, ad\x00min") == f"user {MASK}, {MASK}, {MASK}"


SHAPED = (
    "GET http://bob:URLPASSMARK1@h/", "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIAWSMARKbPxRfiCYEXAMPLE",
    "AKIAIOSFODNN7EXAMPLE",
    "x-amz-security-token: AMZTOKMARK1234567890", "http://URLTOKENMARK77@github.com/x", "x-api-key: XAPIKEYMARK123456",
    "ghp_GITHUBMARKabcdefghijklmnopqrstuvwxyz12", "password=PWNOQUOTEMARK99", "token=TOKENNOQUOTEMARK99",
    "Cookie: session=COOKIEMARK123456", "Set-Cookie: a=COOKIEMARK1; Path=/", "AIzaGOOGLEMARKabcdefghijklmnopqrstuvwx",
    "sk-OPENAIMARKabcdefghijklmnop", "postgresql://u:PGPASSMARK55@h/db?password=PGQMARK66",
    "https://h/x?X-Amz-Signature=SIGMARK777&sig=AZSASMARK888",
    "{'api_key': 'APIKEYMARK999', 'token': 'DICTTOKENMARK11'}",
    "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6InRlc3QifQ.JWTSIGNATUREMARK12345",
)  # fmt: skip


@pytest.mark.parametrize("text", SHAPED)
def test_what_nobody_registered_is_known_by_its_shape(text: str) -> None:
    """The marked values of every sample are masked by their shape."""
    shown = Redactor().text(f"line {text} end")
    assert MASK in shown
    assert ("MARK" in shown, "IOSFODNN7" in shown) == (False, False)
    assert Redactor().text(shown) == shown


@pytest.mark.parametrize(
    "text",
    ["login(password=PASSWORD, token=token)", "password=ask2(x)", "token: str = Field(default=1)", "git://git@h/x"],
)
def test_code_keeps_its_names(text: str) -> None:
    """Names in lines of code stay readable."""
    assert Redactor().text(text) == text


@given(st.text(max_size=60), st.text(max_size=60), st.sampled_from(sorted(SECRETS.values())))
def test_a_secret_is_masked_between_whatever_stands_around_it(before: str, after: str, secret: str) -> None:
    """A secret is masked whatever characters surround it, an escape at its edge included."""
    assert secret not in Redactor([secret]).text(before + secret + after)


@pytest.mark.parametrize(
    "piece", ["\\", "\n ", "E  \n", "%25", "://", "password=", "cookie: ", "eyJ", "a.", "x@", "Q9zX", "sk-"]
)
def test_no_text_takes_more_than_its_length(piece: str) -> None:
    """Masking takes linear time: a 16 times longer text takes about 16 times as long."""
    redactor = Redactor(SECRETS.values())

    def took(length: int) -> float:
        started = time.process_time()
        redactor.text(piece * (length // len(piece)))
        return time.process_time() - started

    assert took(320_000) < 60 * max(min(took(20_000) for _ in range(3)), 0.002)
