from __future__ import annotations

import time
from typing import TYPE_CHECKING
from typing import Any

import pytest
from quilt3.admin.exceptions import Quilt3AdminError

if TYPE_CHECKING:
    from tests.testbed.catalog.calling import Calling

CREATE = "mutation C($n: String!, $d: Int! = 90) { apiKeyCreate(input: {name: $n, expiresInDays: $d}) { __typename"
CREATE += (
    " ... on APIKeyCreated { secret apiKey { id name fingerprint createdAt expiresAt lastUsedAt status userEmail } }"
)
CREATE += " ... on InvalidInput { errors { path name } } } }"
REVOKE = "mutation R($i: ID, $s: String) { apiKeyRevoke(id: $i, secret: $s) { __typename"
REVOKE += " ... on InvalidInput { errors { path name } } } }"
MINE = "query M($n: String, $f: String, $s: APIKeyStatus) {"
MINE += " me { name apiKeys(name: $n, fingerprint: $f, status: $s) { id name lastUsedAt status } } }"
ONE = "query O($i: ID!) { me { apiKey(id: $i) { name } } }"


@pytest.fixture
def keys(admin: Any) -> Any:
    """Return quilt3's admin client for API keys, signed in as an admin."""
    return admin.api_keys


def made(catalog: Calling, name: str, user: str = "test-user", **variables: Any) -> Any:
    """Create an API key and return the union member."""
    return catalog.data(CREATE, {"n": name} | variables, user)["apiKeyCreate"]


def with_key(catalog: Calling, secret: str) -> Any:
    """Query `me` with an API key and return the name, or the code of the refusal."""
    answer = catalog.post("{ me { name } }", user="", Authorization=f"Bearer {secret}")
    return answer.json()["data"]["me"]["name"] if answer.status_code == 200 else answer.json()["code"]


def test_a_key_is_a_bearer_until_revoked(catalog: Calling) -> None:
    """An API key authenticates until it is revoked.

    Its secret is shown once and stored as a hash, and its use is recorded.
    """
    key = made(catalog, "bearer")
    secret, shown = key["secret"], key["apiKey"]
    assert secret.startswith("qk_")
    assert (shown["name"], shown["status"], shown["userEmail"]) == ("bearer", "ACTIVE", "user@test.com")
    assert shown["lastUsedAt"] is None
    assert secret not in str(catalog.sql("SELECT * FROM api_keys"))
    assert with_key(catalog, secret) == "test-user"
    (listed,) = catalog.data(MINE, {"n": "bearer"})["me"]["apiKeys"]
    assert listed["lastUsedAt"] >= shown["createdAt"]
    assert catalog.data(REVOKE, {"i": shown["id"]})["apiKeyRevoke"] == {"__typename": "Ok"}
    assert with_key(catalog, secret) == "token_revoked"
    assert with_key(catalog, f"{secret}x") == "token_invalid"


def test_a_key_ends_with_its_days_and_with_its_user(catalog: Calling) -> None:
    """A key expires after its days and is then listed as EXPIRED. A key of an inactive user is refused."""
    key = made(catalog, "ending", "test-service", d=1)
    secret = key["secret"]
    catalog.sql("UPDATE users SET is_active = 0 WHERE name = 'test-service'")
    assert with_key(catalog, secret) == "user_inactive"
    catalog.sql("UPDATE users SET is_active = 1 WHERE name = 'test-service'")
    catalog.sql("UPDATE api_keys SET expires = ? WHERE name = 'ending'", time.time() - 1)
    assert with_key(catalog, secret) == "token_expired"
    found = {s: catalog.data(MINE, {"s": s}, "test-service")["me"]["apiKeys"] for s in ("ACTIVE", "EXPIRED")}
    assert [key["name"] for key in found["EXPIRED"]] == ["ending"]
    assert "ending" not in [key["name"] for key in found["ACTIVE"]]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"n": " "}, ("input.name", "InvalidName")),
        ({"n": "x" * 101}, ("input.name", "InvalidName")),
        ({"n": "x", "d": 0}, ("input.expiresInDays", "InvalidExpiry")),
        ({"n": "x", "d": 366}, ("input.expiresInDays", "InvalidExpiry")),
    ],
)
def test_a_bad_key_is_refused(catalog: Calling, variables: dict[str, Any], expected: tuple[str, str]) -> None:
    """A key with an invalid name or lifetime is refused with the path of the wrong field."""
    (error,) = catalog.data(CREATE, variables)["apiKeyCreate"]["errors"]
    assert (error["path"], error["name"]) == expected


def test_a_key_is_revoked_by_its_owner_only(catalog: Calling) -> None:
    """The owner revokes a key by id or by secret, but not both. For other users the key does not exist."""
    key = made(catalog, "owned")
    identity = key["apiKey"]["id"]

    def error(variables: dict[str, Any], user: str = "test-user") -> tuple[str, str]:
        (found,) = catalog.data(REVOKE, variables, user)["apiKeyRevoke"]["errors"]
        return found["path"], found["name"]

    assert error({}) == ("id", "OneOfIdAndSecret")
    assert error({"i": identity, "s": key["secret"]}) == ("id", "OneOfIdAndSecret")
    assert error({"i": identity}, "test-readonly") == ("id", "ApiKeyNotFound")
    assert error({"s": "qk_unknown"}) == ("secret", "ApiKeyNotFound")
    assert catalog.data(ONE, {"i": identity}, "test-readonly")["me"]["apiKey"] is None
    assert catalog.data(ONE, {"i": identity})["me"]["apiKey"] == {"name": "owned"}
    assert catalog.data(REVOKE, {"s": key["secret"]})["apiKeyRevoke"] == {"__typename": "Ok"}
    assert catalog.data(ONE, {"i": identity})["me"]["apiKey"] is None


def test_an_admin_finds_and_revokes_the_keys_of_all(catalog: Calling, keys: Any) -> None:
    """An admin finds any user's keys by email, name, fingerprint and status, and can revoke them."""
    key = made(catalog, "of-all")["apiKey"]
    (found,) = keys.list(email="user@test.com", key_name="of-all", fingerprint=key["fingerprint"], status="ACTIVE")
    assert found == keys.get(key["id"])
    assert (found.user_email, found.name) == ("user@test.com", "of-all")
    assert keys.list(email="admin@test.com", key_name="of-all") == []
    assert keys.list(key_name="of-all", status="EXPIRED") == []
    keys.revoke(key["id"])
    assert keys.get(key["id"]) is None
    with pytest.raises(Quilt3AdminError):
        keys.revoke(key["id"])
