"""Missing permissions and bad tokens: each error names the missing permission, and no bad token is accepted."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from nightproof import quilt
from nightproof.evidence import case
from suites._support.exclusive import borrowed
from suites._support.tokens import claims_of
from suites._support.tokens import sign
from suites._support.tokens import unsigned
from suites._support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from suites._support.control import CallLog
    from suites._support.control import Faults
    from suites._support.observer import Observer
    from suites._support.people import People
    from suites._support.settings import Settings
    from suites._support.tables import Tables
    from suites._support.work import Work

JOURNEY = "secure-access"
HIDDEN, HIDDEN_FILE = "secret/hidden", "hidden.txt"
SEARCH = """query Search($text: String!) { searchPackages(buckets: [], searchString: $text) {
  ... on PackagesSearchResultSet { firstPage(size: 100) { hits { bucket name } } } } }"""
ASKED = {"query": "query Buckets { bucketConfigs { name } }"}
TIMEOUT_S = 10
KEY_LIFE_S = 3
CONFIG = """schema:
- {name: a, type: STRING}
source: {type: quilt-packages, package_name: '^secret/none$', logical_key: '^a[.]csv$'}
parser: {format: csv}
"""


@dataclass(frozen=True)
class Names:
    """The objects of the calls: an existing package, a new package, a user and a table."""

    present: str
    new: str
    user: str
    table: str


@dataclass(frozen=True)
class Denied:
    """One call that must be rejected: its caller, the missing permission, and the role's access level instead."""

    operation: str
    act: Callable[[quilt.QuiltOps], object]
    by: str
    lacks: str
    level: str


def reads(target: Settings) -> list[Denied]:
    """Return five read calls on a bucket that the role may not read."""
    private = f"s3://{target.private}"
    acts: dict[str, Callable[[quilt.QuiltOps], object]] = {
        "get_package_info": lambda ops: ops.get_package_info(HIDDEN, private),
        "browse_content": lambda ops: ops.browse_content(HIDDEN, private),
        "get_content_url": lambda ops: ops.get_content_url(HIDDEN, private, HIDDEN_FILE),
        "search_packages": lambda ops: ops.search_packages("hidden", private),
        "list_all_packages": lambda ops: ops.list_all_packages(private),
    }
    return [Denied(name, act, "user", f"s3:read:{target.private}", "none") for name, act in acts.items()]


def writes(target: Settings, names: Names) -> list[Denied]:
    """Return the three calls that change a registry."""
    entries = [{"logical_key": "data.csv", "physical_key": f"s3://{target.data}/single-file/data.csv"}]
    registry = target.work_registry
    acts: dict[str, Callable[[quilt.QuiltOps], object]] = {
        "create_package_revision": lambda ops: ops.create_package_revision(names.new, registry, entries),
        "update_package_revision": lambda ops: ops.update_package_revision(names.present, registry, message="changed"),
        "delete_package": lambda ops: ops.delete_package(names.present, registry),
    }
    return [Denied(name, act, "viewer", f"s3:write:{target.work}", "none") for name, act in acts.items()]


def administration(target: Settings, names: Names, *, is_open: bool) -> list[Denied]:
    """Return four calls that only admins may make."""
    email = f"{names.user}@example.org"
    acts: list[tuple[str, str, str, Callable[[quilt.QuiltOps], object]]] = [
        ("admin.create_user", "user", "read_write", lambda ops: ops.admin.create_user(names.user, email, "user")),
        ("admin.list_users", "viewer", "read", lambda ops: ops.admin.list_users()),
        (
            "create_tabulator_table", "user", "read_write",
            lambda ops: ops.create_tabulator_table(target.work, names.table, CONFIG),
        ),
        ("set_open_query", "viewer", "read", lambda ops: ops.set_open_query(is_open)),
    ]  # fmt: skip
    return [Denied(name, act, by, "admin", level) for name, by, level, act in acts]


def found_anywhere(ops: quilt.QuiltOps, text: str) -> set[tuple[str, str]]:
    """Search without a bucket; return bucket and name of each hit."""
    found = ops.execute_graphql_query(SEARCH, {"text": text})["data"]["searchPackages"]
    return {(hit["bucket"], hit["name"]) for hit in found.get("firstPage", {}).get("hits", ())}


def check_denied(denied: Denied, ops: quilt.QuiltOps, call_log: CallLog, backend: str) -> None:
    """Check that a call is rejected with the exact error, and that a server answered this user with 403."""
    user, before = ops.get_auth_status().user_name, len(call_log.calls())
    with pytest.raises(quilt.QuiltOpsError) as caught:
        denied.act(ops)
    assert type(caught.value) is quilt.PermissionError
    assert caught.value.context == {
        "backend_type": backend,
        "operation": denied.operation,
        "required_permissions": [denied.lacks],
        "user_role": denied.by,
        "access_level": denied.level,
    }
    assert denied.lacks in caught.value.message
    assert user in [call.user for call in call_log.calls()[before:] if call.status == 403]


@dataclass(frozen=True)
class World:
    """The state that rejected calls must leave unchanged."""

    observer: Observer
    admin: quilt.QuiltOps
    target: Settings
    names: Names

    def state(self) -> dict[str, Any]:
        """Return the present state of packages, user, table and open query."""
        work = self.target.work
        return {
            "hidden": self.hidden(),
            "present": self.observer.registry_state(work, self.names.present),
            "new": self.observer.registry_state(work, self.names.new),
            "user": self.names.user in [user.name for user in self.admin.admin.list_users()],
            "table": self.names.table in [table["name"] for table in self.admin.list_tabulator_tables(work)],
            "open": self.admin.get_open_query_status(),
        }

    def hidden(self) -> dict[str, str]:
        """Return the hidden package's pointers from S3, with an admin's keys; the harness may not read them."""
        s3 = self.admin.get_boto3_client("s3")
        listed = s3.list_objects_v2(Bucket=self.target.private, Prefix=f".quilt/named_packages/{HIDDEN}/")
        return {item["Key"]: item["ETag"] for item in listed["Contents"]}


@case(tier="critical", category="error_handling", needs=("write", "admin", "call_log"), journey=JOURNEY)
def test_denied_operations(
    as_user: Callable[[str], quilt.QuiltOps],
    admin_ops: quilt.QuiltOps,
    work: Work,
    people: People,
    tables: Tables,
    observer: Observer,
    target: Settings,
    call_log: CallLog,
    backend: str,
) -> None:
    """Twelve calls, each without one permission, are rejected and change nothing; all of them succeed for an admin."""
    source = {"logical_key": "data.csv", "physical_key": f"s3://{target.data}/single-file/data.csv"}
    names = Names(
        work.create("denied", [source]), work.package_name("denied"), people.name("denied"),
        tables.name(target.work, "denied"),
    )  # fmt: skip
    world = World(observer, admin_ops, target, names)
    callers = {"user": as_user(target.user), "viewer": as_user("readonly")}
    assert (target.private, HIDDEN) in found_anywhere(admin_ops, "hidden")
    assert target.private not in {bucket for bucket, _ in found_anywhere(callers["user"], "hidden")}
    read, enabled = (lambda: admin_ops.get_open_query_status()["enabled"]), admin_ops.set_open_query
    with borrowed(target.placement, "open-query", read, enabled) as is_open:
        before = world.state()
        table = [*reads(target), *writes(target, names), *administration(target, names, is_open=not is_open)]
        assert (len(table), len(before["hidden"]) > 1) == (12, True)
        for denied in table:
            check_denied(denied, callers[denied.by], call_log, backend)
        assert world.state() == before
        work.await_next_second(names.present)
        for allowed in table:
            allowed.act(admin_ops)
    after = world.state()
    assert (after["user"], after["table"], after["present"], after["new"] != {}) == (True, True, {}, True)


@dataclass(frozen=True)
class Door:
    """The registry's three routes that need a token: GraphQL, REST search and AWS credentials.

    Each route checks the token by itself.
    """

    registry_url: str
    index: str

    def answers(self, token: str) -> list[tuple[int, str]]:
        """Return HTTP status and error code of each route."""
        headers = {"Authorization": f"Bearer {token}"}
        graphql = requests.post(f"{self.registry_url}/graphql", json=ASKED, headers=headers, timeout=TIMEOUT_S)
        search = {"index": self.index, "action": "search", "query": "csv"}
        rest = [("/api/search", search), ("/api/auth/get_credentials", {})]
        got = [
            requests.get(f"{self.registry_url}{path}", params=params, headers=headers, timeout=TIMEOUT_S)
            for path, params in rest
        ]
        return [(answer.status_code, answer.json().get("code", "")) for answer in (graphql, *got)]

    def keys(self, token: str) -> dict[str, str]:
        """Return AWS credentials that the registry issues for a token, as boto3 arguments."""
        answer = requests.get(
            f"{self.registry_url}/api/auth/get_credentials",
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_S,
        )
        assert answer.status_code == requests.codes.ok
        names = {"AccessKeyId": "aws_access_key_id", "SecretAccessKey": "aws_secret_access_key",
                 "SessionToken": "aws_session_token"}  # fmt: skip
        return {argument: answer.json()[name] for name, argument in names.items()}


OPEN = [(200, "")] * 3


def s3_code(keys: dict[str, str], bucket: str) -> str:
    """List a bucket with the given credentials; return the error code, or an empty string on success."""
    try:
        boto3.client("s3", **keys).list_objects_v2(Bucket=bucket, MaxKeys=1)  # type: ignore[call-overload]  # keywords
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def check_refused(ops: quilt.QuiltOps, backend: str, reason: str, **more: str) -> None:
    """Check that a client raises AuthenticationError with the exact reason."""
    with pytest.raises(quilt.QuiltOpsError) as caught:
        ops.list_buckets()
    assert type(caught.value) is quilt.AuthenticationError
    remediation = caught.value.context["remediation"]
    assert remediation != ""
    assert caught.value.context == more | {
        "backend_type": backend,
        "operation": "list_buckets",
        "auth_method": {"quilt3": "local", "platform": "jwt"}[backend],
        "reason": reason,
        "remediation": remediation,
    }
    assert ("expired" in caught.value.message) == (reason == "expired")


def signed_badly(target: Settings, user: str) -> dict[str, tuple[str, str]]:
    """Return tokens that were never valid, each with the expected reason and the expiry time, if any."""
    secret, claims = target.jwt_secret(), claims_of(user, lives_s=600)
    over = claims_of(user, lives_s=-60)
    return {
        sign(over, secret): ("expired", datetime.fromtimestamp(over["exp"], UTC).isoformat()),
        sign(claims, f"not {secret}"): ("invalid", ""),
        unsigned(claims): ("invalid", ""),
        sign(claims | {"uuid": str(uuid.uuid4())}, secret): ("invalid", ""),
    }


def taken_back(
    door: Door, good: quilt.QuiltOps, admin: quilt.AdminOps, fault: Faults, tokens: dict[str, str]
) -> dict[str, tuple[str, str]]:
    """Return tokens that were valid until now, each with the reason why they no longer are."""
    key = good.create_api_key("np-refused")
    for token in (tokens["revoked"], tokens["inactive"], key.secret):
        assert door.answers(token) == OPEN
    fault.set("catalog", "revoke-token", token=tokens["revoked"])
    admin.set_user_active(tokens["idle"], active=False)
    admin.revoke_api_key(key.key.id)
    return {tokens["revoked"]: ("revoked", ""), tokens["inactive"]: ("inactive", ""), key.secret: ("revoked", "")}


CODES = {
    "expired": "token_expired",
    "invalid": "token_invalid",
    "revoked": "token_revoked",
    "inactive": "user_inactive",
}


@case(tier="critical", category="error_handling", needs=("write", "admin", "mint_jwt", "fault"), journey=JOURNEY)
def test_bad_tokens_are_refused(
    admin_ops: quilt.QuiltOps,
    make_ops: Callable[..., quilt.QuiltOps],
    people: People,
    target: Settings,
    fault: Faults,
    backend: str,
) -> None:
    """Seven bad tokens and three bad AWS key pairs are rejected with the exact reason; valid ones are accepted."""
    user, idle = people.create("token").name, people.create("idle").name
    secret = target.jwt_secret()
    good = sign(claims_of(user, lives_s=600), secret)
    door = Door(str(admin_ops.get_auth_status().registry_url), f"{target.packages}_packages")
    keys = door.keys(good)
    assert (door.answers(good), s3_code(keys, target.data)) == (OPEN, "")
    tokens = {
        "revoked": sign(claims_of(user, lives_s=600), secret),
        "inactive": sign(claims_of(idle, lives_s=600), secret),
        "idle": idle,
    }
    bad = signed_badly(target, user)
    bad |= taken_back(door, make_ops({"access_token": good}), admin_ops.admin, fault, tokens)
    assert len(bad) == 7
    for token, (reason, end) in bad.items():
        assert door.answers(token) == [(401, CODES[reason])] * 3
        check_refused(make_ops({"access_token": token}), backend, reason, **({"expires_at": end} if end else {}))
    assert s3_code({"aws_access_key_id": "AKIA0000000000000000", "aws_secret_access_key": "x"}, target.data) == (
        "InvalidAccessKeyId"
    )
    wrong = keys["aws_secret_access_key"][::-1]
    assert s3_code(keys | {"aws_secret_access_key": wrong}, target.data) == "SignatureDoesNotMatch"
    fault.set("catalog", "key-life", user=user, seconds=KEY_LIFE_S)
    short, ends = door.keys(good), time.monotonic() + KEY_LIFE_S + 1
    assert s3_code(short, target.data) == ""
    wait_for("the end of the keys", lambda: time.monotonic() > ends, deadline_s=KEY_LIFE_S + 2, every_s=0.2)
    assert s3_code(short, target.data) == "ExpiredToken"
    assert (door.answers(good), s3_code(keys, target.data)) == (OPEN, "")
