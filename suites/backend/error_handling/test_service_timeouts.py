"""Slow, broken, overloaded and absent services: each leads to its own error, and recovery is noticed."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

import pytest
import requests

from nightproof import quilt
from nightproof.evidence import case
from nightproof.evidence import note
from nightproof.evidence import unobserved
from suites._support.athena import query
from suites._support.attempts import CONSTRUCT
from suites._support.attempts import QUICK_S
from suites._support.attempts import Attempt
from suites._support.attempts import Attempts
from suites._support.attempts import Bench
from suites._support.hashes import sha256_hex
from suites._support.threads import together
from suites._support.tokens import claims_of
from suites._support.tokens import sign
from suites._support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from suites._support.control import CallLog
    from suites._support.control import Faults
    from suites._support.isolated import Isolated
    from suites._support.observer import Observer
    from suites._support.people import People
    from suites._support.seeds import Seeds
    from suites._support.settings import Settings
    from suites._support.work import Work

JOURNEY = "understand-errors"
STALL_S, SLOW_FAILURE_S = 35, 20
SHORT_S, LONG_S = 30, 60
BRIEF_S = 2
# In seconds: for the server to finish late, for a limit to end a request, and for a late failure on top of the stall.
TOGETHER_S = 120
LATE_S, END_S, LATE_FAILURE_S = 45, 3, 5
TOKEN_LIFE_S = 600
TIMEOUT_S = 10
OUTAGE_S, AWAY_S = 3, 11
LIMIT_S, LATE_ANSWER_S = 1, 4
QUERY_S, QUERY_LIMIT_S = 60, 5
SEARCH = {"quilt3": "/registry/api/search", "platform": "SearchPackages"}
FOUND = 'query SearchPackages { searchPackages(buckets: [], searchString: "x") { __typename } }'
MANIFESTS = ".quilt/packages/"
NEEDS = ("write", "admin", "fault", "call_log", "mint_jwt")
SIZED = """query($bucket: String!, $name: String!) { package(bucket: $bucket, name: $name) {
    revision(hashOrTag: "latest") { dir(path: "") { size } } } }"""


@pytest.fixture
def bench_of(
    people: People,
    make_ops: Callable[..., quilt.QuiltOps],
    work: Work,
    observer: Observer,
    target: Settings,
    fault: Faults,
    call_log: CallLog,
    isolated: Isolated,
    tmp_path: Path,
    backend: str,
) -> Callable[[str], Bench]:
    """Return a function that creates a bench with its own user, so that its faults affect no other test or bench."""
    attempts = Attempts(work, observer, f"s3://{target.data}/single-file/data.csv")

    def made(name: str) -> Bench:
        user = people.create(name).name
        token = sign(claims_of(user, lives_s=TOKEN_LIFE_S), target.jwt_secret())

        signed = {"access_token": token}

        def limits(seconds: float) -> dict[str, Any]:
            return {"write_s": seconds * target.time_factor, "s3_attempts": 1}

        def apart(seconds: float, message: str, package: str) -> Attempt:
            more = {"credentials": signed, "timeouts": limits(seconds)}
            return attempts.make_apart(isolated, tmp_path / name, message, package, **more)

        short, long = (make_ops(signed, timeouts=quilt.Timeouts(**limits(seconds))) for seconds in (SHORT_S, LONG_S))
        return Bench(backend, target.time_factor, user, short, long, attempts, apart, fault, call_log)

    return made


def failure_of(attempt: Attempt, backend: str) -> dict[str, Any]:
    """Return the error context without the fields that vary (original_exception, elapsed_s)."""
    assert attempt.context["backend_type"] == backend
    assert attempt.context["operation"] == "create_package_revision"
    assert type(attempt.context["original_exception"]) is str
    free = {"backend_type", "operation", "original_exception", "elapsed_s"}
    return {key: value for key, value in attempt.context.items() if key not in free}


def server_error(backend: str) -> dict[str, Any]:
    """Return the error context for a server that answers 500: the catalog, or S3 for quilt3."""
    if backend == "platform":
        return {"kind": "http", "http_status": 500}
    return {"kind": "s3", "s3_code": "InternalError", "http_status": 500}


def out_of_time(bench: Bench, work: Work, observer: Observer, usual: Attempt) -> Callable[[], None]:
    """Prepare case b: the client gives up at its limit, and the server finishes the request."""
    expected, name = bench.attempts.hash_of(usual, "b"), bench.attempts.name()
    work.expect_manifest(expected)
    bench.switch("catalog-construct-latency-35s", STALL_S)
    return partial(check_out_of_time, bench, work, observer, name, expected)


def check_out_of_time(bench: Bench, work: Work, observer: Observer, name: str, expected: str) -> None:
    """Wait for the client's limit, then for the server."""
    late = bench.apart(SHORT_S, "b", name)
    limit_s = SHORT_S * bench.factor
    assert bench.class_of("b", late) == "timeout"
    assert failure_of(late, bench.backend) == {"kind": "timeout", "timeout_s": limit_s}
    where = f"{MANIFESTS}{expected}"
    wait_for("the server to finish", lambda: where in observer.inventory(work.bucket, where), deadline_s=LATE_S)
    assert observer.manifest(work.bucket, expected).computed_hash == expected
    assert limit_s <= late.context["elapsed_s"] < limit_s + END_S + bench.lead_s(late)
    # In quilt3 the client writes the pointers, and it gave up before.
    latest = partial(latest_of, observer, work.bucket, late.name)
    written = {"platform": [expected], "quilt3": []}[bench.backend]
    wait_for("the pointer", lambda: latest() == written, deadline_s=LATE_S)
    assert latest() == written


def latest_of(observer: Observer, bucket: str, name: str) -> list[str]:
    """Return the hash in the `latest` pointer as a list, empty if there is no pointer."""
    return [observer.latest(bucket, name)[0]] if observer.exists(bucket, name) else []


def slow_but_right(bench: Bench) -> Callable[[], None]:
    """Prepare case c: the same stall under a longer limit is a success, only marked slow."""
    bench.switch("catalog-construct-latency-35s", STALL_S)
    return partial(check_slow, bench, bench.attempts.name())


def check_slow(bench: Bench, name: str) -> None:
    """Wait for a creation that succeeds after the stall."""
    slow = bench.clocked(bench.apart(LONG_S, "c", name))
    stall_s = STALL_S * bench.factor
    assert (bench.class_of("c", slow), slow.context) == ("pass (slow)", {})
    assert stall_s <= slow.seconds < stall_s + QUICK_S
    assert bench.slowest_ms() >= stall_s * 1000
    note("server_ms", bench.slowest_ms())


def broken(bench: Bench, work: Work, observer: Observer, usual: Attempt) -> None:
    """Check case d: an immediate failure is an error."""
    bench.switch("catalog-construct-fast-500")
    failed = bench.make("d")
    assert failed.verdict(1) == "error"
    assert failure_of(failed, bench.backend) == server_error(bench.backend)
    assert failed.context.get("elapsed_s", failed.seconds) < BRIEF_S + bench.overhead_s(usual)
    assert observer.registry_state(work.bucket, failed.name) == {}


def broken_late(bench: Bench, work: Work, observer: Observer, usual: Attempt) -> Callable[[], None]:
    """Prepare case e: a failure after a delay is an error, not a timeout."""
    bench.switch("catalog-construct-fast-500")
    bench.switch("latency", SLOW_FAILURE_S, operation=CONSTRUCT[bench.backend][1])
    return partial(check_broken_late, bench, work, observer, usual, bench.attempts.name())


def check_broken_late(bench: Bench, work: Work, observer: Observer, usual: Attempt, name: str) -> None:
    """Wait for a creation that fails after a delay."""
    failed = bench.clocked(bench.apart(LONG_S, "e", name))
    stall_s = SLOW_FAILURE_S * bench.factor
    assert bench.class_of("e", failed) == "error (slow)"
    assert failure_of(failed, bench.backend) == server_error(bench.backend)
    took_s = failed.context.get("elapsed_s", failed.seconds)
    assert stall_s <= took_s < stall_s + LATE_FAILURE_S + bench.overhead_s(usual)
    assert observer.registry_state(work.bucket, failed.name) == {}


def broken_afterwards(bench: Bench, work: Work) -> None:
    """Check case f: the read fails, and the creation before it does not."""
    bench.fault.set("catalog", "catalog-dirsize-error", user=bench.user)
    made = bench.make("f")
    assert (made.verdict(1), made.context) == ("pass", {})
    variables = {"bucket": work.bucket, "name": made.name}
    sized = partial(bench.long.execute_graphql_query, SIZED, variables)
    broken: list[tuple[Any, dict[str, Any]]] = [
        (sized, {"operation": "execute_graphql_query"} | server_error("platform"))
    ]
    browse = partial(bench.long.browse_content, made.name, work.registry)
    assert [item.path for item in browse()] == ["data.csv"]
    if bench.backend == "quilt3":  # here browsing reads the manifest itself
        bench.switch("error", operation="GetObject", prefix=MANIFESTS, status=500, code="InternalError")
        broken.append((browse, {"operation": "browse_content"} | server_error("quilt3")))
    for act, expected in broken:
        assert caught_in(act).items() >= expected.items()


def caught_in(act: Callable[[], object]) -> dict[str, Any]:
    """Check that a call raises BackendError, and return its context."""
    with pytest.raises(quilt.QuiltOpsError) as caught:
        act()
    assert type(caught.value) is quilt.BackendError
    assert type(caught.value.context["original_exception"]) is str
    return caught.value.context


@case(tier="critical", category="error_handling", needs=NEEDS, journey=JOURNEY)
@pytest.mark.timeout(240)
def test_slow_and_broken_are_told_apart(bench_of: Callable[[str], Bench], work: Work, observer: Observer) -> None:
    """Slow, failing and late failing creations differ in class, in error context and in what they leave stored."""
    short, long, late = bench_of("short"), bench_of("long"), bench_of("late")
    usual = short.normal("a1")
    waiting = [
        out_of_time(short, work, observer, usual),
        slow_but_right(long),
        broken_late(late, work, observer, usual),
    ]
    together(waiting, TOGETHER_S)  # concurrent, because each user has its own fault and all three only wait
    for number, bench in enumerate((short, long, late), start=2):
        usual = bench.normal(f"a{number}")
    broken(late, work, observer, usual)
    late.normal("a5")
    broken_afterwards(late, work)
    late.normal("a6")


@dataclass(frozen=True)
class Services:
    """The services of one user, so that a fault can break one of them for this user only."""

    ops: quilt.QuiltOps
    package: str
    registry: str
    target: Settings

    def search_nothing(self) -> list[Any]:
        """Search for a word that no package contains."""
        return self.ops.search_packages("nonexistent-xyz-123", self.registry)

    def read(self) -> tuple[list[str], str, bytes]:
        """Browse, describe and download a package: operations that need no search."""
        items = self.ops.browse_content(self.package, self.registry)
        url = self.ops.get_content_url(self.package, self.registry, items[0].path)
        data = requests.get(url, timeout=TIMEOUT_S).content
        return [item.path for item in items], self.ops.get_package_info(self.package, self.registry).name, data

    def query(self, deadline_s: float) -> list[list[str | None]]:
        """Run a statement on Athena and return its rows."""
        return query(self.ops.get_boto3_client("athena"), "SELECT 1 AS one", deadline_s=deadline_s).rows


def search_is_down(services: Services, fault: Faults, user: str, backend: str) -> None:
    """Check that an overloaded search gives HTTP 503, that other operations still work, and that it recovers."""
    assert services.search_nothing() == []
    before = services.read()
    fault.set("catalog", "error", operation=SEARCH[backend], user=user, status=503)
    began = time.monotonic()
    context = caught_in(services.search_nothing)
    assert (context["kind"], context["http_status"], context["operation"]) == ("http", 503, "search_packages")
    assert retry_after(services, backend) == "1"
    assert services.read() == before
    wait_for("three seconds of outage", lambda: time.monotonic() > began + OUTAGE_S, deadline_s=OUTAGE_S + 1)
    assert caught_in(services.search_nothing)["http_status"] == 503
    fault.reset()
    assert services.search_nothing() == []


def retry_after(services: Services, backend: str) -> str | None:
    """Send a search without the client and return its `Retry-After` header."""
    headers, endpoint = services.ops.get_graphql_auth_headers(), services.ops.get_graphql_endpoint()
    if backend == "platform":
        body = {"query": FOUND, "operationName": SEARCH[backend]}
        answer = requests.post(endpoint, json=body, headers=headers, timeout=TIMEOUT_S)
    else:
        params = {"index": f"{services.target.work}_packages", "action": "search", "query": "x"}
        url = endpoint.replace("/graphql", "/api/search")
        answer = requests.get(url, params=params, headers=headers, timeout=TIMEOUT_S)
    assert answer.status_code == 503
    return answer.headers.get("Retry-After")


def storage_is_down(services: Services, fault: Faults, user: str, call_log: CallLog, seeds: Seeds) -> None:
    """Check that two 503 answers of S3 are retried, and that permanent ones are an error.

    A catalog that cannot read its storage leads to HTTP 500.
    """
    s3, target = services.ops.get_boto3_client("s3"), services.target
    where = {"Bucket": target.data, "Key": "single-file/data.csv"}
    assert len(services.ops.list_buckets()) == len(target.visible_buckets)
    fault.set(
        "aws", "error", operation="GetObject", bucket=target.data, user=user, times=2, status=503, code="SlowDown"
    )
    before = len(call_log.calls("aws"))
    assert sha256_hex(s3.get_object(**where)["Body"].read()) == seeds.sha256("single-file", "data.csv")
    assert [call.status for call in call_log.calls("aws")[before:]] == [503, 503, 200]
    fault.set("aws", "error", operation="*", user=user, status=503, code="SlowDown")
    context = caught_in(services.ops.list_buckets)
    assert (context["kind"], context["s3_code"], context["http_status"]) == ("s3", "SlowDown", 503)
    fault.reset()
    pointers = f".quilt/named_packages/{services.package}/"
    sized = partial(services.ops.execute_graphql_query, SIZED, {"bucket": target.work, "name": services.package})
    assert sized()["data"]["package"]["revision"]["dir"]["size"] == seeds.size("single-file", "data.csv")
    fault.set(
        "aws", "error", operation="GetObject", bucket=target.work, prefix=pointers, status=500, code="InternalError"
    )
    context = caught_in(sized)
    assert (context["kind"], context["http_status"]) == ("http", 500)
    fault.reset()
    assert services.read()[0] == ["data.csv"]


def catalog_is_away(away: quilt.QuiltOps, url: str) -> None:
    """Check that a catalog on a closed port is unreachable, reported within the connection timeout."""
    began = time.monotonic()
    with unobserved("the port that nobody listens on is another one each time"):
        context = caught_in(away.list_buckets)
    assert time.monotonic() - began < AWAY_S
    assert (context["kind"], context["operation"]) == ("unreachable", "list_buckets")
    assert context["url"].startswith(url)


def answers_are_late(services: Services, fault: Faults, user: str) -> None:
    """Check that the timeout of one query ends it, and that a statement out of time is stopped on Athena."""
    me = partial(services.ops.execute_graphql_query, "query Me { me { name } }")
    fault.set("catalog", "latency", operation="Me", user=user, seconds=LATE_ANSWER_S)
    context = caught_in(partial(me, timeout_s=LIMIT_S))
    assert (context["kind"], context["timeout_s"]) == ("timeout", LIMIT_S)
    assert LIMIT_S <= context["elapsed_s"] < LATE_ANSWER_S
    fault.reset()
    assert me()["data"]["me"]["name"] == user
    assert services.query(QUERY_S) == [["1"]]
    fault.set("aws", "athena-never-finishes", user=user)
    began = time.monotonic()
    context = caught_in(partial(services.query, QUERY_LIMIT_S))
    assert QUERY_LIMIT_S <= time.monotonic() - began < QUERY_LIMIT_S + END_S
    assert (context["kind"], context["timeout_s"]) == ("timeout", QUERY_LIMIT_S)
    athena = services.ops.get_boto3_client("athena")
    stopped = athena.get_query_execution(QueryExecutionId=context["query_id"])
    assert stopped["QueryExecution"]["Status"]["State"] == "CANCELLED"
    fault.reset()
    assert services.query(QUERY_S) == [["1"]]


@case(tier="high", category="error_handling", needs=(*NEEDS, "athena"), journey=JOURNEY)
def test_recovery_and_degradation(
    make_ops: Callable[..., quilt.QuiltOps],
    people: People,
    work: Work,
    target: Settings,
    seeds: Seeds,
    fault: Faults,
    call_log: CallLog,
    backend: str,
) -> None:
    """Each overloaded, unreachable, broken or endless service leads to its own error, and all work again afterwards."""
    user = people.create("recovery").name
    source = {"logical_key": "data.csv", "physical_key": f"s3://{target.data}/single-file/data.csv"}
    services = Services(people.sign_in(user), work.create("recovery", [source]), work.registry, target)
    assert services.query(QUERY_S) == [["1"]]
    search_is_down(services, fault, user, backend)
    token = sign(claims_of(user, lives_s=TOKEN_LIFE_S), target.jwt_secret())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    catalog_is_away(make_ops({"access_token": token}, catalog_url=url), url)
    storage_is_down(services, fault, user, call_log, seeds)
    answers_are_late(services, fault, user)
