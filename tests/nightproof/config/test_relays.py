"""A relay that has no endpoint to count, or cannot forward, is refused before anything starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nightproof.config.loader import require_suites
from nightproof.errors import UsageError
from tests.nightproof.foreign import Foreign

if TYPE_CHECKING:
    from pathlib import Path

ORDERS = 'orders = "postgresql://tester@db.example/orders"'


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Foreign:
    """Write a suite with a profile, on a machine without a proxy."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    found = Foreign(tmp_path, "http://shop.example:8080")
    found.write()
    return found


def add(foreign: Foreign, suite: str, urls: str = "") -> None:
    """Add lines to the profile's suite and to its endpoints."""
    text = foreign.profile_path.read_text().replace("[[suite]]", f"{urls}\n[[suite]]")
    foreign.profile_path.write_text(f"{text}{suite}\n")


@pytest.mark.parametrize(
    ("suite", "urls"),
    [
        ("relay = true", ""),
        ("relay = false", ORDERS),
        ('relay = ["shop.example:8080"]', ORDERS),
        ('relay = ["queue.example:5672"]\nhosts = ["queue.example:5672"]', ""),
        ("relay = true", ORDERS.replace("example/", "example:5432/")),
    ],
)
def test_a_relay_for_declared_endpoints_is_taken(foreign: Foreign, suite: str, urls: str) -> None:
    """A relay is accepted for all or some declared endpoints, those of `hosts`, and other protocols with a port."""
    add(foreign, suite, urls)
    require_suites(foreign.profile())


@pytest.mark.parametrize(
    ("suite", "urls", "words"),
    [
        ('relay = ["shop.example:80"]', "", "no declared endpoint.*Did you mean `shop.example:8080`"),
        ("relay = true", ORDERS, "`db.example` has no port.*`postgresql://db.example:port`"),
    ],
)
def test_a_relay_that_could_count_nothing_is_refused(foreign: Foreign, suite: str, urls: str, words: str) -> None:
    """A relay with an undeclared endpoint, or one without a port, is refused with the remedy."""
    add(foreign, suite, urls)
    with pytest.raises(UsageError, match=words):
        require_suites(foreign.profile())


def test_a_relay_needs_a_declared_endpoint(foreign: Foreign) -> None:
    """A relay is refused if the profile declares no endpoint."""
    text = foreign.profile_path.read_text().replace('shop = "http://shop.example:8080"', "")
    foreign.profile_path.write_text(f"{text}relay = true\n")
    with pytest.raises(UsageError, match="declares no endpoint that it could count"):
        require_suites(foreign.profile())


@pytest.mark.parametrize(("url", "is_taken"), [("http://proxy:3128", True), ("socks5h://u:word@p", False)])
def test_only_a_proxy_over_plain_http_is_gone_through(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch, url: str, *, is_taken: bool
) -> None:
    """A proxy that is not plain HTTP is refused by the name of its variable, without its password."""
    add(foreign, "relay = true")
    monkeypatch.setenv("https_proxy", url)
    if is_taken:
        require_suites(foreign.profile())
        return
    with pytest.raises(UsageError, match=r"the proxy that `https_proxy` names.*unset `https_proxy`") as refusal:
        require_suites(foreign.profile())
    assert "word" not in str(refusal.value)
