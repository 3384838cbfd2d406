from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

import boto3
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from tests.testbed.catalog.calling import CONSTRUCT
from tests.testbed.catalog.calling import WORK

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.testbed.catalog.calling import Calling

SCHEMA = "{ __schema { queryType { name } } }"
BUCKETS = "{ bucketConfigs { name } }"
PAGES = (
    "query Pages($n: Int!, $p: Int!, $r: Int!) {"
    ' packages(bucket: "quilt-mcp-test-work") { page(number: $n, perPage: $p) {'
    " name revisions { page(number: $r) { hash } } } } }"
)


def nested(levels: int) -> str:
    """Return a document of this many nested fields. Its depth is checked before the fields' existence."""
    return "{ me " * levels + "{ name }" + " }" * levels


def doubling(fragments: int) -> str:
    """Return a document whose fragments double at each step."""
    steps = [f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(fragments)]
    return " ".join(["{ ...f0 }", *steps, f"fragment f{fragments} on Query {{ me {{ name }} }}"])


def chained(fragments: int) -> str:
    """Return a document with a chain of this many fragments."""
    steps = [f"fragment f{n} on Query {{ ...f{n + 1} }}" for n in range(fragments)]
    return " ".join(["{ ...f0 }", *steps])


BAD_DOCUMENTS: dict[str, tuple[Any, str]] = {
    "unknown field": ("{ invalid_field { x } }", "invalid_field"),
    "syntax": ("{ me", "Syntax Error"),
    "empty": ("", "Syntax Error"),
    "only a fragment": ("fragment F on Query { me { name } }", "F"),
    "fragment of itself": ("{ ...F } fragment F on Query { ...F }", "itself"),
    "subscription": ("subscription { me { name } }", "subscription"),
    "missing variable": ("query Q($n: String!) { bucketConfig(name: $n) { name } }", "$n"),
    "wrong type": ("{ bucketConfig(name: 5) { name } }", "String"),
    "too deep": (nested(21), "22 levels deep"),
    "far too deep": (nested(4000), "deep"),
    "too many tokens": ("{" + " me" * 21_000 + "}", "20000 tokens"),
    "too many fields": ("{ me { " + " ".join(f"a{n}: name" for n in range(2_000)) + " } }", "2001 fields"),
    "doubling fragments": (doubling(30), "fields"),
    "chain of fragments": (chained(2400), "deep"),
    "page 0": ('{ packages(bucket: "quilt-mcp-test-work") { page(number: 0) { name } } }', "no page 0"),
    "record is a list": (
        'mutation { packageConstruct(params: {bucket: "b", name: "a/b", userMeta: [1]}, src: {entries: []}) {a} }',
        "A JSON object",
    ),
    "record is endless": (
        'mutation { packageConstruct(params: {bucket:"b", name:"a/b", userMeta:{a:1e999}}, src: {entries: []}) {a} }',
        "1e999",
    ),
}


@pytest.mark.parametrize("kind", sorted(BAD_DOCUMENTS))
def test_a_bad_document_is_refused_with_its_errors(catalog: Calling, kind: str) -> None:
    """An invalid document is answered 400 with a message and a list of errors with messages, and without data."""
    document, text = BAD_DOCUMENTS[kind]
    answer = catalog.post(document)
    body = answer.json()
    assert (answer.status_code, "data" in body) == (400, False)
    assert text in body["message"]
    assert body["errors"][0]["message"] == body["message"]


BAD_BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "not UTF-8": b'{"query": "\xff"}',
    "a list": b"[]",
    "a number": b"5",
    "null": b"null",
    "no query": b"{}",
    "query is a list": b'{"query": ["{ me { name } }"]}',
    "variables is a list": b'{"query": "{ me { name } }", "variables": [1]}',
    "variables is text": b'{"query": "{ me { name } }", "variables": "x"}',
    "operation is a number": b'{"query": "{ me { name } }", "operationName": 5}',
    "unknown operation": b'{"query": "query A { me { name } }", "operationName": "B"}',
    "NaN": b'{"query": "{ me { name } }", "variables": {"a": NaN}}',
    "endless": b'{"query": "{ me { name } }", "variables": {"a": 1e999}}',
    "half a character": b'{"query": "{ me { name } }", "variables": {"a": "\\ud800"}}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("kind", sorted(BAD_BODIES))
def test_a_bad_body_is_a_bad_request(catalog: Calling, kind: str) -> None:
    """A body that is not a valid request is answered 400 with a message."""
    answer = catalog.raw(BAD_BODIES[kind])
    assert (answer.status_code, type(answer.json()["message"])) == (400, str)


@pytest.mark.parametrize("path", ["graphql", "api/token"])
def test_a_huge_body_is_refused(catalog: Calling, path: str) -> None:
    """A body above 10 MiB is answered 413, whatever it holds."""
    url = f"{catalog.registry}/{path}"
    headers = catalog.bearer("test-user") | {"Content-Type": "application/json"}
    answer = catalog.http.post(url, content=b" " * (10 * 1024 * 1024 + 1), headers=headers, timeout=60)
    assert (answer.status_code, type(answer.json()["message"])) == (413, str)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/graphql+json", 200),
        ("text/plain", 415),
        ("multipart/form-data; boundary=json", 415),
        ("application/graphql", 415),
        ("application/x-json", 415),
        ("", 415),
        (None, 415),
    ],
)
def test_only_json_is_a_request(catalog: Calling, kind: str | None, status: int) -> None:
    """Any content type but JSON, or none, is answered 415 with its name."""
    headers = catalog.bearer("test-user") | ({} if kind is None else {"Content-Type": kind})
    content = json.dumps({"query": BUCKETS}).encode()
    answer = catalog.http.post(f"{catalog.registry}/graphql", content=content, headers=headers, timeout=30)
    assert answer.status_code == status
    assert status == 200 or f"`{kind or ''}`" in answer.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/registry/graphql", 405), ("PUT", "/config.json", 405), ("GET", "/nowhere", 404), ("POST", "/", 404)],
)
def test_an_unknown_route_answers_a_message(catalog: Calling, method: str, path: str, status: int) -> None:
    """An unknown route or method is answered with a `message`, which clients read on every refusal."""
    answer = catalog.http.request(method, f"{catalog.target.catalog_url}{path}", timeout=30)
    assert (answer.status_code, type(answer.json()["message"])) == (status, str)


def test_the_schema_is_open_to_admins_only(catalog: Calling, switch: Callable[..., None]) -> None:
    """Introspection, also in a fragment, needs an admin or the fault `introspection`.

    `__typename` is always allowed.
    """
    hidden = '{ ...F } fragment F on Query { __type(name: "Query") { name } }'
    for document in (SCHEMA, hidden):
        answer = catalog.post(document)
        assert (answer.status_code, "introspection" in answer.json()["message"]) == (400, True)
    assert catalog.data("{ __typename }") == {"__typename": "Query"}
    assert catalog.data(SCHEMA, user="test-admin")["__schema"]["queryType"]["name"] == "Query"
    switch("introspection")
    assert catalog.data(SCHEMA)["__schema"]["queryType"]["name"] == "Query"


def test_a_request_that_takes_too_long_is_ended(catalog: Calling, switch: Callable[..., None]) -> None:
    """A request above the time limit is answered 503 with a Retry-After header."""
    switch("time-limit", seconds=0)
    answer = catalog.post(BUCKETS)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "too long" in answer.json()["message"]


@pytest.mark.parametrize(("n", "p", "r"), [(0, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_a_page_that_no_list_has_is_refused(catalog: Calling, n: int, p: int, r: int) -> None:
    """A page number below 1 or a negative page size is answered 400."""
    catalog.package("graphql/paged", {"a": b"1"})
    answer = catalog.post(PAGES, {"n": n, "p": p, "r": r})
    assert (answer.status_code, "There is no page" in answer.json()["message"]) == (400, True)


@pytest.mark.parametrize("name", ["", "x", "a/b/c", "a/" + "b" * 2000, "a/\u0000", "../latest", "a/b\n"])
def test_what_is_no_package_name_names_no_package(catalog: Calling, name: str) -> None:
    """An invalid package name reads as null and is an invalid input on write."""
    query = 'query P($n: String!) { package(bucket: "quilt-mcp-test-work", name: $n) { name } }'
    assert catalog.data(query, {"n": name})["package"] is None
    arm = catalog.construct(name, {})
    assert [error["name"] for error in arm["errors"]] == ["InvalidName"]


def test_roles_carry_the_account_of_the_testbed(catalog: Calling) -> None:
    """The ARNs of roles hold the testbed's account and are those of the vended credentials."""
    account = catalog.target.aws_client("sts", "ci-seeder").get_caller_identity()["Account"]
    arns = "{ roles { ... on ManagedRole { name arn } ... on UnmanagedRole { name arn } } }"
    roles = catalog.data(arns, user="test-admin")["roles"]
    assert {role["arn"] for role in roles} == {f"arn:aws:iam::{account}:role/nightproof-{r['name']}" for r in roles}
    lent = catalog.get("/registry/api/auth/get_credentials").json()
    session = boto3.session.Session(lent["AccessKeyId"], lent["SecretAccessKey"], lent["SessionToken"], "us-east-1")
    identity = session.client("sts", endpoint_url=catalog.target.aws_url).get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{account}:assumed-role/nightproof-user/test-user"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(params=st.fixed_dictionaries({}, optional=dict.fromkeys(("bucket", "name", "userMeta", "message"), VALUES)))
def test_no_arguments_crash_the_catalog(catalog: Calling, params: dict[str, Any]) -> None:
    """Random arguments of a construct are answered 200 with data or 400 without."""
    given = {"bucket": WORK, "name": "graphql/fuzzed"} | params
    content = json.dumps({"query": CONSTRUCT, "variables": {"params": given, "src": {"entries": []}}}).encode()
    answer = catalog.raw(content)
    assert answer.status_code in {200, 400}, answer.text
    assert ("data" in answer.json()) == (answer.status_code == 200)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_no_body_crashes_the_catalog(catalog: Calling, content: bytes) -> None:
    """A random body is answered 400 with a message."""
    answer = catalog.raw(content)
    assert (answer.status_code, type(answer.json()["message"])) == (400, str)
