from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import parse_qs
from urllib.parse import urlsplit

import pytest

from tests.testbed.catalog.calling import DATA
from tests.testbed.catalog.calling import PRIVATE
from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from tests.testbed.catalog.calling import Calling

ARMS = "... on BrowsingSession { id expires } ... on OperationError { name message }"
ARMS += " ... on InvalidInput { errors { path name } } }"
CREATE = f"mutation C($s: String!, $t: Int! = 180) {{ browsingSessionCreate(scope: $s, ttl: $t) {{ __typename {ARMS} }}"
REFRESH = f"mutation R($i: ID!, $t: Int! = 180) {{ browsingSessionRefresh(id: $i, ttl: $t) {{ __typename {ARMS} }}"
DISPOSE = "mutation D($i: ID!) { browsingSessionDispose(id: $i) { __typename ... on OperationError { name } } }"
CONTENTS = {"a.txt": b"one", "dir/b c%20d.txt": b"two"}


@pytest.fixture(scope="module")
def scope(catalog: Calling) -> str:
    """Create a package and return the session scope of its revision."""
    return f"s3://{WORK}#package=browse/sample&hash={catalog.package('browse/sample', CONTENTS)}"


def opened(catalog: Calling, scope: str, **variables: Any) -> Any:
    """Open a browsing session and return the union member."""
    return catalog.data(CREATE, {"s": scope} | variables)["browsingSessionCreate"]


@pytest.mark.parametrize("path", sorted(CONTENTS))
def test_a_session_leads_to_each_file_of_its_revision(catalog: Calling, scope: str, path: str) -> None:
    """A session redirects each path to a presigned URL with the requested lifetime, which returns the file."""
    session = opened(catalog, scope)["id"]
    answer = catalog.http.get(
        f"{catalog.target.catalog_url}/browse/{session}/{path.replace('%', '%25')}",
        headers=catalog.bearer("test-user"),
        params={"expires_in": "70"},
    )
    assert answer.status_code == 302
    asked = parse_qs(urlsplit(answer.headers["location"]).query)
    assert (asked["X-Amz-Expires"], asked["X-Amz-Algorithm"]) == (["70"], ["AWS4-HMAC-SHA256"])
    assert catalog.http.get(answer.headers["location"]).content == CONTENTS[path]


def test_a_url_names_the_version_that_the_revision_has(catalog: Calling) -> None:
    """A presigned URL refers to the revision's object version, even if there is a newer one."""
    uri = catalog.put_object("browse/versioned", b"first", DATA)
    top_hash = catalog.construct("browse/versioned", {"x": uri})["revision"]["hash"]
    catalog.put_object("browse/versioned", b"second", DATA)
    session = opened(catalog, f"s3://{WORK}#package=browse/versioned&hash={top_hash}")["id"]
    location = catalog.get(f"/browse/{session}/x").headers["location"]
    assert catalog.http.get(location).content == b"first"


def test_what_the_revision_has_not_is_not_found(catalog: Calling, scope: str) -> None:
    """An unknown path, a directory, or any path of a missing revision is answered 404."""
    session = opened(catalog, scope)["id"]
    for path in ("nothing", "dir", "dir/", ""):
        answer = catalog.get(f"/browse/{session}/{path}")
        assert (answer.status_code, type(answer.json()["message"])) == (404, str)
    empty = opened(catalog, f"s3://{WORK}#package=browse/sample&hash={'0' * 64}")["id"]
    assert catalog.get(f"/browse/{empty}/a.txt").status_code == 404
    assert catalog.get(f"/browse/{session}/a.txt", expires_in="soon").status_code == 400


def test_a_session_belongs_to_its_user(catalog: Calling, scope: str) -> None:
    """Other users, admins too, are refused a session's files and cannot dispose of it."""
    session = opened(catalog, scope)["id"]
    for user in ("test-admin", "test-service"):
        answer = catalog.get(f"/browse/{session}/a.txt", user)
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")
        assert catalog.data(DISPOSE, {"i": session}, user)["browsingSessionDispose"]["name"] == "SessionNotFound"
    assert catalog.get(f"/browse/{session}/a.txt").status_code == 302


def test_a_session_ends_is_extended_and_disposed(catalog: Calling, scope: str) -> None:
    """A refresh moves a session's expiry. After its expiry or a disposal, the session answers 410."""
    first = opened(catalog, scope, t=30)
    assert 25 < datetime.fromisoformat(first["expires"]).timestamp() - time.time() <= 30
    refreshed = catalog.data(REFRESH, {"i": first["id"], "t": 500})["browsingSessionRefresh"]
    assert 490 < datetime.fromisoformat(refreshed["expires"]).timestamp() - time.time() <= 500
    assert catalog.data(DISPOSE, {"i": first["id"]})["browsingSessionDispose"] == {"__typename": "Ok"}
    answer = catalog.get(f"/browse/{first['id']}/a.txt")
    assert (answer.status_code, "has ended" in answer.json()["message"]) == (410, True)
    assert catalog.data(REFRESH, {"i": first["id"]})["browsingSessionRefresh"]["name"] == "SessionNotFound"
    second = opened(catalog, scope)["id"]
    catalog.sql("UPDATE browsing_sessions SET expires = ? WHERE id = ?", time.time() - 1, second)
    assert catalog.get(f"/browse/{second}/a.txt").status_code == 410


@pytest.mark.parametrize("ttl", [29, 86401, -1])
def test_a_ttl_outside_its_bounds_is_an_invalid_input(catalog: Calling, scope: str, ttl: int) -> None:
    """A lifetime outside 30 to 86,400 s is an invalid input when opening and when refreshing."""
    expected = [{"path": "ttl", "name": "InvalidTtl"}]
    assert opened(catalog, scope, t=ttl)["errors"] == expected
    session = opened(catalog, scope)["id"]
    assert catalog.data(REFRESH, {"i": session, "t": ttl})["browsingSessionRefresh"]["errors"] == expected


@pytest.mark.parametrize("bad", ["", "s3://b", "s3://b#package=a/b", "s3://b#package=a/b&hash=12", "x"])
def test_a_scope_that_names_no_revision_is_an_invalid_input(catalog: Calling, bad: str) -> None:
    """A scope must have bucket, package and complete hash."""
    assert opened(catalog, bad)["errors"] == [{"path": "scope", "name": "InvalidScope"}]


def test_browsing_gives_no_right_to_read(catalog: Calling) -> None:
    """Browsing grants no read access: not to a package in a forbidden bucket, nor to a file in one."""
    uri = catalog.put_object("browse/secret", b"secret", PRIVATE)
    top_hash = catalog.construct("browse/lure", {"x": uri}, user="test-admin")["revision"]["hash"]
    session = opened(catalog, f"s3://{WORK}#package=browse/lure&hash={top_hash}")["id"]
    answer = catalog.get(f"/browse/{session}/x")
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["required"]) == (403, [f"s3:read:{PRIVATE}"])
    scope = f"s3://{PRIVATE}#package=a/b&hash={'0' * 64}"
    assert catalog.post(CREATE, {"s": scope}).status_code == 403
