"""Invalid bearers are refused on every route: GraphQL, search, credentials and browsing.

S3 refuses invalid credentials.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING
from typing import Any

import boto3
import jwt
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.testbed.catalog.calling import DATA
from tests.testbed.catalog.calling import WORK
from tests.testbed.catalog.calling import token_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from tests.testbed.catalog.calling import Calling

NAME = "refused-user"
OPEN = "mutation O($s: String!) { browsingSessionCreate(scope: $s) { ... on BrowsingSession { id } } }"
MAKE = 'mutation { apiKeyCreate(input: {name: "refused"}) { ... on APIKeyCreated { secret } } }'
EVERYWHERE = ("graphql", "search", "keys", "browse")
OK = dict.fromkeys(("graphql", "search", "keys"), (200, "")) | {"browse": (302, "")}


class Ways:
    """A user, and the four routes that its bearer can be used on."""

    def __init__(self, catalog: Calling, admin: Any) -> None:
        self.catalog = catalog
        self.admin = admin
        admin.users.create(NAME, "refused@test.com", "editor")
        self.bearer = token_of(catalog, NAME)
        self.claims = jwt.decode(self.bearer.removeprefix("Bearer "), options={"verify_signature": False})
        scope = {"s": f"s3://{WORK}#package=refusals/one&hash={catalog.package('refusals/one', {'f': b'1'})}"}
        self.session = self.asked(OPEN, scope)["browsingSessionCreate"]["id"]
        self.secret = self.asked(MAKE, {})["apiKeyCreate"]["secret"]

    def asked(self, query: str, variables: dict[str, Any]) -> Any:
        """Send a document as the user and return its data."""
        return self.catalog.data(query, variables, user="", Authorization=self.bearer)

    def signed(self, secret: str = "", algorithm: str = "HS256", **claims: Any) -> str:
        """Return a bearer like the user's, with other claims, secret or algorithm."""
        token = jwt.encode(self.claims | claims, secret or self.catalog.target.jwt_secret, algorithm)
        return f"Bearer {token}"

    def answers(self, bearer: str) -> dict[str, tuple[int, str]]:
        """Return status and code of each route. A refusal must have a message, and a success no code."""
        http, registry, headers = self.catalog.http, self.catalog.registry, {"Authorization": bearer}
        given = {
            "graphql": http.post(f"{registry}/graphql", json={"query": "{ me { name } }"}, headers=headers),
            "search": http.get(f"{registry}/api/search", headers=headers),
            "keys": http.get(f"{registry}/api/auth/get_credentials", headers=headers),
            "browse": http.get(f"{self.catalog.target.catalog_url}/browse/{self.session}/f", headers=headers),
        }
        found = {}
        for way, answer in given.items():
            body = answer.json() if answer.status_code != 302 else {}
            assert answer.status_code < 400 or isinstance(body["message"], str)
            assert "AccessKeyId" not in body or answer.status_code == 200
            found[way] = answer.status_code, body.get("code", "")
        return found


@pytest.fixture
def ways(catalog: Calling, admin: Any) -> Iterator[Ways]:
    """Yield a user created for this test, with all routes. It is deleted after the test."""
    yield Ways(catalog, admin)
    with contextlib.suppress(admin.exceptions.UserNotFoundError):
        admin.users.delete(NAME)


def everywhere(code: str) -> dict[str, tuple[int, str]]:
    """Return the responses expected if every route refuses with the code."""
    return dict.fromkeys(EVERYWHERE, (401, code))


def test_a_bearer_that_counts_is_let_in_everywhere(ways: Ways) -> None:
    """A valid token and API key are accepted on every route.

    The refusals in the other tests are thus due to the bearer.
    """
    assert ways.answers(ways.bearer) == OK
    assert ways.answers(f"Bearer {ways.secret}") == OK


def test_forged_and_foreign_tokens_are_invalid_everywhere(ways: Ways) -> None:
    """A token with a wrong signature, claims, algorithm, secret, registry or scheme is refused on every route."""
    head, payload, signature = ways.bearer.split(".")
    other = ways.signed(id="test-admin").split(".")[1]
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    for bearer in (
        f"Bearer {jwt.encode(ways.claims, '', algorithm='none')}",
        f"{head}.{payload}.{flipped}",
        f"{head}.{payload}.",
        f"{head}.{other}.{signature}",
        ways.signed(algorithm="HS512", secret=ways.catalog.target.jwt_secret * 2),
        ways.signed(secret="the secret of another registry, long enough"),
        ways.signed(uuid="00000000-0000-0000-0000-000000000000"),
        "Bearer qk_of-another-registry",
        "Basic dGVzdDp0ZXN0",
    ):
        assert ways.answers(bearer) == everywhere("token_invalid"), bearer


def test_expired_bearers_are_refused_everywhere(ways: Ways) -> None:
    """An expired token or API key is refused on every route, from the second of its expiry on."""
    assert ways.answers(ways.signed(exp=int(time.time()))) == everywhere("token_expired")
    ways.catalog.sql("UPDATE api_keys SET expires = ? WHERE user = ?", time.time() - 1, NAME)
    assert ways.answers(f"Bearer {ways.secret}") == everywhere("token_expired")


def test_revoked_bearers_are_refused_everywhere(ways: Ways, switch: Callable[..., None]) -> None:
    """A revoked token or API key is refused on every route with `token_revoked`. Other tokens are not."""
    other = ways.signed(jti="another")
    switch("revoke-token", token=ways.bearer.removeprefix("Bearer "))
    assert ways.answers(ways.bearer) == everywhere("token_revoked")
    assert ways.answers(other) == OK
    (key,) = ways.admin.api_keys.list(email="refused@test.com")
    ways.admin.api_keys.revoke(key.id)
    assert ways.answers(f"Bearer {ways.secret}") == everywhere("token_revoked")


def test_a_deactivated_user_is_refused_everywhere_with_all_it_holds(ways: Ways) -> None:
    """An inactive user's bearers are refused on every route until it is active again, and a deleted user's for good."""
    ways.admin.users.set_active(NAME, active=False)
    assert ways.answers(ways.bearer) == everywhere("user_inactive")
    assert ways.answers(f"Bearer {ways.secret}") == everywhere("user_inactive")
    ways.admin.users.set_active(NAME, active=True)
    assert ways.answers(ways.bearer) == OK
    ways.admin.users.delete(NAME)
    assert ways.answers(ways.bearer) == everywhere("token_invalid")
    assert ways.answers(f"Bearer {ways.secret}") == everywhere("token_invalid")


def test_a_session_is_of_its_user_alone(ways: Ways) -> None:
    """A browsing session refuses another user's valid token."""
    answer = ways.catalog.get(f"/browse/{ways.session}/f")
    assert (answer.status_code, type(answer.json()["message"])) == (403, str)


def test_a_lost_role_closes_what_a_session_opened(ways: Ways) -> None:
    """A browsing session checks the right to read at each file."""
    ways.admin.users.set_role(NAME, "analyst")
    assert ways.answers(ways.bearer)["browse"] == (403, "")


def s3_refusal(catalog: Calling, keys: dict[str, str]) -> tuple[str, int]:
    """List a bucket with credentials and return error code and status: an empty code and 200 if they are valid."""
    session = boto3.session.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"], "us-east-1")
    config = Config(signature_version="s3v4", retries={"total_max_attempts": 1})
    s3 = session.client("s3", endpoint_url=catalog.target.aws_url, config=config)
    try:
        s3.list_objects_v2(Bucket=DATA, MaxKeys=1)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    return "", 200


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("", 200)),
        ({"SecretAccessKey": "x" * 40}, ("SignatureDoesNotMatch", 403)),
        ({"AccessKeyId": "ASIAOFANOTHERACCOUNT"}, ("InvalidAccessKeyId", 403)),
        ({"SessionToken": "tampered"}, ("InvalidToken", 400)),
        ({"SessionToken": None}, ("InvalidAccessKeyId", 403)),
    ],
)
def test_changed_keys_are_refused_by_s3(catalog: Calling, changes: dict[str, Any], expected: tuple[str, int]) -> None:
    """S3 accepts a secret, key id and session token only together, as they were vended."""
    lent = catalog.get("/registry/api/auth/get_credentials").json()
    assert s3_refusal(catalog, lent | changes) == expected


def test_an_aws_that_fails_is_no_refusal(catalog: Calling, switch_storage: Callable[..., None]) -> None:
    """A failure of AWS while vending credentials is answered 500, not as a lack of rights."""
    switch_storage("error", operation="sts:AssumeRole", status=500, code="InternalFailure")
    answer = catalog.get("/registry/api/auth/get_credentials")
    assert (answer.status_code, answer.json()["message"]) == (500, "Internal Server Error")
