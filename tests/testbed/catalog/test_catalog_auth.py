from __future__ import annotations

import hashlib
import sqlite3
import time
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

import httpx
import jwt
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.testbed.catalog.calling import Calling

ME = "{ me { name email isAdmin role { name } roles { name } } }"


def asked_with(catalog: Calling, authorization: str) -> httpx.Response:
    """Query `me` with the given Authorization header."""
    headers = httpx.Headers({"Authorization": authorization}, encoding="latin-1")
    return catalog.http.post(f"{catalog.registry}/graphql", json={"query": ME}, headers=headers, timeout=30)


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Return status and code of a refusal, whose message must be a string."""
    assert isinstance(answer.json()["message"], str)
    return answer.status_code, str(answer.json()["code"])


def test_an_exchange_gives_a_new_refresh_token_and_an_access_token_of_an_hour(catalog: Calling) -> None:
    """An exchange returns a new refresh token, and an access token that names the user and expires in an hour."""
    given = catalog.issued("test-user")
    answer = catalog.sign_in(given)
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"refresh_token", "access_token", "expires_at"}
    claims = jwt.decode(body["access_token"], catalog.target.jwt_secret, algorithms=["HS256"])
    assert (claims["id"], claims["exp"]) == ("test-user", body["expires_at"])
    assert body["refresh_token"] != given
    assert 3590 <= body["expires_at"] - time.time() <= 3600


def test_a_seeded_refresh_token_rotates_like_any_other(catalog: Calling) -> None:
    """A seeded refresh token ends within 61 s of its exchange. The token that it was exchanged for stays valid."""
    given = catalog.target.refresh_token("test-service")
    now = time.time()
    catalog.target.access_token("test-service", anew=True)
    with sqlite3.connect(database(catalog)) as connection:
        mine = (hashlib.sha256(given.encode()).hexdigest(),)
        (ends,) = connection.execute("select ends from refresh_tokens where hash = ?", mine).fetchone()
        connection.execute("update refresh_tokens set ends = 0 where hash = ?", mine)
    connection.close()
    assert ends < now + 61
    assert refused(catalog.sign_in(given)) == (401, "token_invalid")
    assert asked_with(catalog, f"Bearer {catalog.target.access_token('test-service', anew=True)}").status_code == 200


def test_a_token_is_issued_to_who_can_sign_in(catalog: Calling) -> None:
    """The control surface issues a refresh token in place of a password sign-in. An unknown user is answered 404."""
    assert catalog.sign_in(catalog.issued("test-user")).status_code == 200
    answer = catalog.control("POST", "refresh-token?user=nobody")
    assert (answer.status_code, "`nobody` cannot sign in" in answer.json()["message"]) == (404, True)


def ends_of(catalog: Calling) -> list[float]:
    """Return the sorted expiry times of the refresh tokens in the catalog's database."""
    with sqlite3.connect(database(catalog)) as connection:
        rows = connection.execute("select ends from refresh_tokens where ends is not null").fetchall()
    connection.close()
    return sorted(row[0] for row in rows)


def database(catalog: Calling) -> str:
    """Return the path of the catalog's database."""
    return str(catalog.target.state_dir / "testbed" / "catalog.sqlite")


def test_a_rotated_refresh_token_counts_for_sixty_seconds_more(catalog: Calling) -> None:
    """A rotated refresh token stays valid for 60 s, because the response to the exchange may get lost."""
    first = catalog.sign_in(catalog.issued("test-user")).json()["refresh_token"]
    before = set(ends_of(catalog))
    now = time.time()
    assert catalog.sign_in(first).status_code == 200
    assert catalog.sign_in(first).status_code == 200
    shortened = [end for end in ends_of(catalog) if end not in before and end < now + 3600]
    assert len(shortened) == 1
    assert 55 < shortened[0] - now <= 61


def test_a_rotated_refresh_token_ends_after_its_overlap(catalog: Calling) -> None:
    """A rotated refresh token is invalid after its 60 s."""
    first = catalog.sign_in(catalog.issued("test-user")).json()["refresh_token"]
    assert catalog.sign_in(first).status_code == 200
    with sqlite3.connect(database(catalog)) as connection:
        connection.execute("update refresh_tokens set ends = ends - 61 where ends < ?", (time.time() + 3600,))
    connection.close()
    assert refused(catalog.sign_in(first)) == (401, "token_invalid")


@pytest.mark.parametrize("given", ["", "unknown", "é" * 100])
def test_an_unknown_refresh_token_is_refused(catalog: Calling, given: str) -> None:
    """A refresh token that was never issued is refused with 401 `token_invalid`."""
    assert refused(catalog.sign_in(given)) == (401, "token_invalid")


def test_rubbish_bytes_as_sign_in_are_a_bad_request(catalog: Calling) -> None:
    """A sign-in body that is not UTF-8 is answered 400."""
    answer = catalog.http.post(f"{catalog.registry}/api/token", content=b"refresh_token=\xff\xfe", timeout=30)
    assert answer.status_code == 400
    assert isinstance(answer.json()["message"], str)


@pytest.mark.parametrize(
    ("user", "role", "is_admin"),
    [("test-user", "user", False), ("test-admin", "admin", True), ("test-readonly", "viewer", False)],
)
def test_me_names_the_signed_in_user(catalog: Calling, user: str, role: str, is_admin: bool) -> None:  # noqa: FBT001 - a parametrised value
    """`me` returns the signed-in user with its role."""
    me = catalog.data(ME, user=user)["me"]
    assert (me["name"], me["role"], me["isAdmin"]) == (user, {"name": role}, is_admin)
    assert me["roles"] == [{"name": role}]


def test_me_without_a_token_is_null(catalog: Calling) -> None:
    """A document that queries only `me` needs no token and returns null."""
    assert catalog.data("{ me { name } }", user="") == {"me": None}


@pytest.mark.parametrize(
    "query",
    [
        "{ bucketConfigs { name } }",
        "{ me { name } bucketConfigs { name } }",
        "{ ...F } fragment F on Query { me { name } }",
    ],
)
def test_any_other_document_needs_a_token(catalog: Calling, query: str) -> None:
    """Any document that queries more than `me` without a token is answered 401."""
    answer = catalog.post(query, user="")
    assert refused(answer) == (401, "token_missing")
    assert "data" not in answer.json()


def test_an_expired_token_is_refused_with_its_end(catalog: Calling) -> None:
    """An expired token is refused without leeway, and `expires_at` is its expiry in ISO format."""
    ended = int(time.time()) - 1
    answer = asked_with(catalog, f"Bearer {catalog.forged(exp=ended)}")
    assert refused(answer) == (401, "token_expired")
    assert answer.json()["expires_at"] == datetime.fromtimestamp(ended, UTC).isoformat()
    assert "expired" in answer.json()["message"]


def test_a_far_token_signed_with_the_right_key_is_accepted(catalog: Calling) -> None:
    """Claims that the catalog does not use, such as audience and issuer, are ignored."""
    token = catalog.forged(exp=int(time.time()) + 99999, aud="https://elsewhere", iss="x", nbf="soon", sub=3)
    assert asked_with(catalog, f"bearer {token}").json()["data"]["me"]["name"] == "test-user"


def _swapped_payload(catalog: Calling) -> str:
    """Return a token with an admin's claims between a user's header and signature."""
    head, _, signature = catalog.token("test-user").split(".")
    return ".".join([head, catalog.token("test-admin").split(".")[1], signature])


BAD_TOKENS: dict[str, Callable[[Calling], str]] = {
    "wrong secret": lambda catalog: catalog.forged(secret="another secret of good length, really"),
    "other algorithm": lambda catalog: catalog.forged(algorithm="HS384", secret=catalog.target.jwt_secret * 2),
    "alg none": lambda _: jwt.encode({"id": "test-user", "exp": int(time.time()) + 999}, "", algorithm="none"),
    "tampered payload": _swapped_payload,
    "tampered signature": lambda catalog: catalog.token("test-user")[:-5] + "AAAAA",
    "no token at all": lambda _: "x",
    "not ASCII": lambda _: "a.b.\u00e9",
    "no exp": lambda catalog: jwt.encode({"id": "test-user"}, catalog.target.jwt_secret, "HS256"),
    "exp is text": lambda catalog: catalog.forged(exp="tomorrow"),
    "exp beyond any calendar": lambda catalog: catalog.forged(exp=-(10**18)),
    "unknown user": lambda catalog: catalog.forged(id="nobody"),
    "another user's uuid": lambda catalog: catalog.forged(id="test-admin"),
    "another registry's uuid": lambda catalog: catalog.forged(uuid="00000000-0000-0000-0000-000000000000"),
    "id is a list": lambda catalog: catalog.forged(id=["test-user"]),
}


@pytest.mark.parametrize("kind", sorted(BAD_TOKENS))
def test_a_token_that_does_not_count_is_invalid(catalog: Calling, kind: str) -> None:
    """An invalid token is answered 401 `token_invalid`, for `me` too."""
    token = BAD_TOKENS[kind](catalog)
    answer = asked_with(catalog, f"Bearer {token}")
    assert refused(answer) == (401, "token_invalid")


PROTECTED = ["/registry/api/search", "/registry/api/auth/get_credentials", "/browse/some-session/a.txt"]


@pytest.mark.parametrize("path", PROTECTED)
def test_every_route_refuses_a_token_that_does_not_count(catalog: Calling, path: str) -> None:
    """REST and browsing check tokens as GraphQL does: a missing, invalid or expired one is answered 401."""

    def asked(authorization: str) -> tuple[int, str]:
        headers = httpx.Headers({"Authorization": authorization}, encoding="latin-1") if authorization else {}
        return refused(catalog.http.get(f"{catalog.target.catalog_url}{path}", headers=headers))

    assert asked("") == (401, "token_missing")
    assert asked(f"Bearer {catalog.forged(exp=int(time.time()) - 1)}") == (401, "token_expired")
    found = {kind: asked(f"Bearer {make(catalog)}") for kind, make in BAD_TOKENS.items()}
    assert found == dict.fromkeys(BAD_TOKENS, (401, "token_invalid"))


def test_another_scheme_than_bearer_is_invalid(catalog: Calling) -> None:
    """Basic authentication is answered 401 `token_invalid`."""
    assert refused(asked_with(catalog, "Basic dGVzdDp0ZXN0")) == (401, "token_invalid")


def test_a_deactivated_user_is_refused_everywhere_until_activated(catalog: Calling) -> None:
    """An inactive user's access and refresh tokens are refused on every route until the user is active again."""
    token, refresh_token = catalog.token("test-service"), catalog.issued("test-service")
    _set_active(catalog, "test-service", active=False)
    try:
        assert refused(asked_with(catalog, f"Bearer {token}")) == (401, "user_inactive")
        assert refused(catalog.sign_in(refresh_token)) == (401, "user_inactive")
        for path in PROTECTED:
            assert refused(catalog.get(path, "test-service")) == (401, "user_inactive")
    finally:
        _set_active(catalog, "test-service", active=True)
    assert asked_with(catalog, f"Bearer {token}").json()["data"]["me"]["name"] == "test-service"


def _set_active(catalog: Calling, user: str, *, active: bool) -> None:
    with sqlite3.connect(database(catalog), timeout=30) as connection:
        connection.execute("update users set is_active = ? where name = ?", (active, user))
    connection.close()


@pytest.mark.parametrize("by", ["token", "tokens"])
def test_a_revoked_token_is_refused_and_others_are_not(catalog: Calling, switch: Callable[..., None], by: str) -> None:
    """Revocation affects exactly the tokens named by `token` or `tokens`."""
    token = catalog.forged(jti=f"revoked-{by}")
    assert asked_with(catalog, f"Bearer {token}").status_code == 200
    named: dict[str, Any] = {"token": {"token": token}, "tokens": {"tokens": [token]}}
    switch("revoke-token", **named[by])
    assert refused(asked_with(catalog, f"Bearer {token}")) == (401, "token_revoked")
    assert asked_with(catalog, f"Bearer {catalog.token('test-user')}").status_code == 200


def test_a_sign_in_moves_the_users_last_login(catalog: Calling) -> None:
    """`lastLogin` is the time of the user's latest exchange."""
    catalog.sign_in(catalog.issued("test-readonly"))
    query = '{ admin { user { get(name: "test-readonly") { lastLogin dateJoined } } } }'
    user = catalog.data(query, user="test-admin")["admin"]["user"]["get"]
    assert datetime.fromisoformat(user["lastLogin"]).timestamp() > time.time() - 60
    assert user["dateJoined"] == "2024-01-01T00:00:00+00:00"
