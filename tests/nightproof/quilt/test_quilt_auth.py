"""Signing in: what counts as signed in, the error of each bad token, and several users in one process."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import urlsplit

import pytest

from nightproof import quilt
from nightproof.quilt.signing import expiry
from nightproof.quilt.signing import sign_jwt
from tests.nightproof.quilt.conftest import World
from tests.nightproof.quilt.rubbish import TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.nightproof.quilt.rubbish import Rubbish

PAST: Final = 1_700_000_000
PAST_TEXT: Final = "2023-11-14T22:13:20+00:00"
REGISTRY: Final = "s3://quilt-mcp-test-work"
METHODS: Final = {"quilt3": "local", "platform": "jwt"}
REMEDIES: Final = {"quilt3": "quilt3 login", "platform": "access or refresh token"}


def test_the_status_says_who_is_signed_in_and_where(ops: quilt.QuiltOps, backend: str, world: World) -> None:
    """The status has the server's user name and the values of config.json; quilt3 has no catalog name."""
    status = ops.get_auth_status()
    url = world.target.catalog_url
    assert (status.is_authenticated, status.user_name) == (True, "test-user")
    assert (status.logged_in_url, status.registry_url) == (url, f"{url}/registry")
    assert (status.region, status.tabulator_data_catalog) == ("us-east-1", "quilt-nightproof-tabulator")
    assert status.catalog_name == (None if backend == "quilt3" else urlsplit(url).hostname)


@pytest.fixture
def home(world: World, tmp_path: Path) -> Iterator[Path]:
    """Yield quilt3 an empty home for one test: whoever uses it in this process relies on the files of the other."""
    with World(world.target, tmp_path).entered():
        yield tmp_path


@pytest.mark.usefixtures("home")
def test_without_credentials_nothing_is_constructed(on_rubbish: Any, rubbish: Rubbish, backend: str) -> None:
    """Construction without credentials is refused with the remedy, and no request is sent."""
    rubbish.asked.clear()
    with pytest.raises(quilt.AuthenticationError, match="Nobody is signed in") as caught:
        on_rubbish(backend, credentials=None)
    remedy = caught.value.context.pop("remediation")
    assert REMEDIES[backend] in remedy
    assert caught.value.context == {
        "backend_type": backend,
        "operation": "create_quilt_ops",
        "auth_method": METHODS[backend],
        "reason": "missing",
    }
    assert rubbish.asked == []


def test_an_unknown_backend_is_refused(world: World) -> None:
    """A backend other than the two is refused."""
    with pytest.raises(quilt.ValidationError, match="`quilt3` or `platform`"):
        world.make("quilt4")


def write_session(home: Path, url: str, **more: Any) -> None:
    """Write quilt3's configuration and session files as its login does."""
    config = {"navigator_url": url, "registryUrl": f"{url}/registry"}
    (home / "config.yml").write_text(json.dumps(config), encoding="utf-8")
    session = {"access_token": "stored", "refresh_token": "r", "expires_at": time.time() + 3600} | more
    (home / "auth.json").write_text(json.dumps({f"{url}/registry": session}), encoding="utf-8")


def test_the_session_of_quilt3_login_is_used(on_rubbish: Any, rubbish: Rubbish, home: Path) -> None:
    """A stored session of this catalog is used until it ends, and is then renewed."""
    write_session(home, rubbish.url)
    rubbish.spoiled = {}
    ops = on_rubbish("quilt3", credentials=None)
    assert ops.get_graphql_auth_headers() == {"Authorization": "Bearer stored"}
    write_session(home, rubbish.url, expires_at=time.time() - 1)
    ops = on_rubbish("quilt3", credentials=None)
    assert ops.get_graphql_auth_headers() == {"Authorization": f"Bearer {TOKENS['access_token']}"}


def test_the_session_of_another_catalog_is_not_used(on_rubbish: Any, rubbish: Rubbish, home: Path) -> None:
    """A stored session of another catalog, or none for this registry, does not sign in."""
    write_session(home, "http://elsewhere.example")
    with pytest.raises(quilt.AuthenticationError, match="Nobody"):
        on_rubbish("quilt3", credentials=None)
    write_session(home, rubbish.url)
    (home / "auth.json").write_text("{}", encoding="utf-8")
    with pytest.raises(quilt.AuthenticationError, match="Nobody"):
        on_rubbish("quilt3", credentials=None)


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (401, {"code": "token_expired", "expires_at": PAST_TEXT}, "expired"),
        (401, {"code": "token_revoked"}, "revoked"),
        (401, {"code": "user_inactive"}, "inactive"),
        (401, {"code": "token_invalid"}, "invalid"),
        (401, ["no", "object"], "invalid"),
        (200, {"data": {"me": None}}, "invalid"),
    ],
)
def test_a_refused_token_has_a_reason(
    on_rubbish: Any, rubbish: Rubbish, backend: str, status: int, body: object, reason: str
) -> None:
    """The catalog's code decides the reason; only an expired token has `expires_at`."""
    rubbish.spoil("graphql", json.dumps(body).encode(), status)
    with pytest.raises(quilt.AuthenticationError) as caught:
        on_rubbish(backend).get_auth_status()
    context = caught.value.context
    assert (context["reason"], context["auth_method"], context["operation"]) == (
        reason,
        METHODS[backend],
        "get_auth_status",
    )
    assert context.get("expires_at") == (PAST_TEXT if reason == "expired" else None)
    assert ("expired" in caught.value.message) == (reason == "expired")
    assert ("admin" in context["remediation"]) == (reason == "inactive")


def test_the_end_of_an_expired_token_is_read_from_it(on_rubbish: Any, rubbish: Rubbish) -> None:
    """Without a valid `expires_at` from the catalog, the token's claim is used, or else the time of refusal."""
    rubbish.spoil("graphql", b'{"code": "token_expired", "expires_at": 7}', 401)
    for token, earliest in {sign_jwt("s" * 32, {"exp": PAST}): PAST_TEXT, "opaque": None}.items():
        before = datetime.now(UTC)
        with pytest.raises(quilt.AuthenticationError) as caught:
            on_rubbish("platform", credentials=quilt.Credentials(access_token=token)).get_auth_status()
        found = caught.value.context["expires_at"]
        if earliest:
            assert found == earliest
        else:
            assert before <= datetime.fromisoformat(found) <= datetime.now(UTC)


@pytest.mark.parametrize("claim", ["soon", None, 10**30])
def test_a_claim_that_is_no_time_has_no_end(claim: object) -> None:
    """A missing or invalid `exp` claim leads to None and not to an exception."""
    assert expiry(sign_jwt("s" * 32, {"exp": claim} if claim else {})) is None


def test_a_refused_refresh_token_is_invalid(on_rubbish: Any, rubbish: Rubbish, backend: str) -> None:
    """A 200 with an error, as real catalogs send for a bad refresh token, is `invalid`."""
    rubbish.spoil("token", b'{"error": "Failed to log in"}')
    with pytest.raises(quilt.AuthenticationError) as caught:
        on_rubbish(backend).get_auth_status()
    assert caught.value.context["reason"] == "invalid"


def test_a_token_is_renewed_before_it_ends(on_rubbish: Any, rubbish: Rubbish) -> None:
    """A token with less than a minute left is replaced; one with more is kept."""
    rubbish.spoil("token", json.dumps(TOKENS | {"expires_at": time.time() + 30}).encode())
    rubbish.asked.clear()
    ops = on_rubbish("platform")
    for _ in range(2):
        ops.get_graphql_auth_headers()
    assert rubbish.asked.count("token") == 2
    rubbish.spoiled = {}
    for _ in range(3):
        ops.get_graphql_auth_headers()
    assert rubbish.asked.count("token") == 3


def test_users_in_one_process_do_not_mix(world: World) -> None:
    """Threads with several quilt3 users in one process each act with their own user's rights."""
    users = {user: world.make("quilt3", user) for user in ("test-user", "test-readonly")}

    def role_refused(user: str) -> str:
        try:
            users[user].list_all_packages(REGISTRY)
        except quilt.PermissionError as error:
            return str(error.context["user_role"])
        return "none"

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(role_refused, ["test-user", "test-readonly"] * 6))
    assert found == ["none", "viewer"] * 6
