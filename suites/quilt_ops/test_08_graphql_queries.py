"""Queries sent directly to the catalog's GraphQL interface."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
import requests

from nightproof import quilt
from nightproof.evidence import case
from suites._support.tokens import claims_of
from suites._support.tokens import sign
from suites._support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from suites._support.control import CallLog
    from suites._support.control import Faults
    from suites._support.people import People
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings

JOURNEY = "find-data"
BUCKETS = "{ bucketConfigs { name } }"
PACKAGE = """
query PackageFacts($bucket: String!, $name: String!) {
  package(bucket: $bucket, name: $name) {
    name
    revision(hashOrTag: "latest") { hash message userMeta totalEntries totalBytes }
  }
}
"""
NESTED = """
query NestedPackages($bucket: String!) {
  packages(bucket: $bucket, filter: "perf/") {
    total
    page(number: 1, perPage: 100) {
      name
      revisions { page(number: 1, perPage: 1) { hash dir(path: "") { path } } }
    }
  }
}
"""
NESTED_LIMIT_S = 30
STALL_S = 5.0
PATIENCE_S = 2.0


@case(tier="critical", category="graphql", needs=("admin",), journey=JOURNEY)
def test_simple_query(quilt_ops: quilt.QuiltOps, admin_ops: quilt.QuiltOps, target: Settings) -> None:
    """A valid query returns data only, and each user sees the buckets of their own role."""
    answer = quilt_ops.execute_graphql_query(BUCKETS)
    assert set(answer) == {"data"}
    visible = [bucket["name"] for bucket in answer["data"]["bucketConfigs"]]
    assert sorted(target.ours(visible, target.all_buckets)) == sorted(target.visible_buckets)
    every = [bucket["name"] for bucket in admin_ops.execute_graphql_query(BUCKETS)["data"]["bucketConfigs"]]
    assert sorted(target.ours(every, target.all_buckets)) == sorted(target.all_buckets)


@case(tier="critical", category="graphql", journey=JOURNEY)
def test_query_with_variables(quilt_ops: quilt.QuiltOps, seeds: Seeds, target: Settings) -> None:
    """Variables reach the query, and its result holds the facts of the seeded packages."""

    def ask(name: str) -> dict[str, object]:
        body = quilt_ops.execute_graphql_query(PACKAGE, {"bucket": target.packages, "name": name})
        assert body["data"]["package"]["name"] == name
        revision: dict[str, object] = body["data"]["package"]["revision"]
        return revision

    simple = seeds.package("test-user/simple-csv")
    assert ask("test-user/simple-csv") == {
        "hash": seeds.top_hash("test-user/simple-csv"),
        "message": simple["message"],
        "userMeta": simple["metadata"],
        "totalEntries": 5,
        "totalBytes": 1_000_000,
    }
    assert ask("test-user/versioned-data")["hash"] == seeds.top_hash("test-user/versioned-data", "v2")


@case(tier="high", category="graphql", needs=("call_log",), journey=JOURNEY)
def test_invalid_query_returns_errors(quilt_ops: quilt.QuiltOps, target: Settings, call_log: CallLog) -> None:
    """A document that the server rejects is returned with its errors, not raised as an exception."""
    unknown = quilt_ops.execute_graphql_query("{ invalid_field { x } }")
    broken = quilt_ops.execute_graphql_query("{ bucketConfigs { name ")
    wrong = quilt_ops.execute_graphql_query(PACKAGE, {"bucket": 7, "name": [target.packages]})
    for answer in (unknown, broken, wrong):
        assert answer["errors"] != []
        assert {type(error["message"]) for error in answer["errors"]} == {str}
        assert answer.get("data") is None
    assert "invalid_field" in unknown["errors"][0]["message"]
    assert [call.status for call in call_log.calls("catalog")] == [400, 400, 400]


@case(tier="critical", category="graphql", needs=("mint_jwt", "fault"), journey="secure-access")
def test_unauthenticated_query(
    quilt_ops: quilt.QuiltOps,
    make_ops: Callable[..., quilt.QuiltOps],
    target: Settings,
    fault: Faults,
    backend: str,
) -> None:
    """A token that is revoked after the client's construction is rejected."""
    token = sign(claims_of(target.user, lives_s=3600), target.jwt_secret())
    ops = make_ops({"access_token": token})
    assert set(ops.execute_graphql_query(BUCKETS)) == {"data"}
    fault.set("catalog", "revoke-token", token=token)
    with pytest.raises(quilt.AuthenticationError) as caught:
        ops.execute_graphql_query(BUCKETS)
    assert caught.type is quilt.AuthenticationError
    context = caught.value.context
    assert context == {
        "backend_type": backend,
        "operation": "execute_graphql_query",
        "auth_method": "local" if backend == "quilt3" else "jwt",
        "reason": "revoked",
        "remediation": context["remediation"],
    }
    assert "token" in context["remediation"]
    headers = {"Authorization": f"Bearer {token}"}
    refused = requests.post(quilt_ops.get_graphql_endpoint(), json={"query": BUCKETS}, headers=headers, timeout=10)
    assert refused.status_code == 401
    assert "data" not in refused.json()


@case(
    tier="high", category="graphql", needs=("admin", "mint_jwt", "write", "fault", "call_log"), journey=JOURNEY
)  # fmt: skip
def test_expensive_query_or_timeout(
    people: People, target: Settings, fault: Faults, call_log: CallLog, backend: str
) -> None:
    """An expensive query ends within its limit, and a stalled query is abandoned at the timeout of the call."""
    user, variables = people.create("patient").name, {"bucket": target.perf}
    ops = people.sign_in(user)
    began = time.monotonic()
    answer = ops.execute_graphql_query(NESTED, variables)
    assert time.monotonic() - began < NESTED_LIMIT_S * target.time_factor
    page = answer["data"]["packages"]["page"]
    assert sorted(package["name"] for package in page) == [f"perf/pkg-{number:03}" for number in range(100)]
    assert answer["data"]["packages"]["total"] == 100
    for package in page:
        (revision,) = package["revisions"]["page"]
        assert re.fullmatch("[0-9a-f]{64}", revision["hash"])
        assert revision["dir"] == {"path": ""}
    stall, patience = STALL_S * target.time_factor, PATIENCE_S * target.time_factor
    fault.set("catalog", "latency", operation="NestedPackages", seconds=stall, user=user)
    with pytest.raises(quilt.BackendError) as caught:
        ops.execute_graphql_query(NESTED, variables, timeout_s=patience)
    context = caught.value.context
    assert (context["backend_type"], context["operation"]) == (backend, "execute_graphql_query")
    assert (context["kind"], context["timeout_s"]) == ("timeout", patience)
    assert patience <= context["elapsed_s"] < 2 * patience

    def asked() -> int:
        return sum(call.operation == "NestedPackages" for call in call_log.calls("catalog"))

    assert wait_for("the stalled request in the log", lambda: asked() > 1, deadline_s=stall + NESTED_LIMIT_S)
    assert asked() == 2
