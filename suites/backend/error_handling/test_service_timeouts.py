"""Services that are slow, broken, overloaded or away: each is told from the others, and recovery is seen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof import quilt
from nightproof.evidence import case
from nightproof.evidence import note
from suites._support.attempts import Attempt
from suites._support.attempts import Attempts
from suites._support.tokens import claims_of
from suites._support.tokens import sign
from suites._support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from suites._support.control import CallLog
    from suites._support.control import Faults
    from suites._support.observer import Observer
    from suites._support.people import People
    from suites._support.settings import Settings
    from suites._support.work import Work

JOURNEY = "understand-errors"
STALL_S, SLOW_FAILURE_S = 35, 20
SHORT_S, LONG_S = 30, 60
QUICK_S, BRIEF_S = 10, 2
# How much later the server may be done, how late a limit may end a request, how long a late failure may take on top.
LATE_S, END_S, LATE_FAILURE_S = 15, 3, 5
TOKEN_LIFE_S = 600
MANIFESTS = ".quilt/packages/"
NEEDS = ("write", "admin", "fault", "call_log", "mint_jwt")
# Where a construct happens: the catalog's mutation, or the library's own write of a manifest.
CONSTRUCT = {"platform": ("catalog", "PackageConstruct"), "quilt3": ("aws", "PutObject")}
SIZED = """query($bucket: String!, $name: String!) { package(bucket: $bucket, name: $name) {
    revision(hashOrTag: "latest") { dir(path: "") { size } } } }"""


@dataclass(frozen=True)
class Bench:
    """One user whom the faults name, with a short and a long limit, and what looks at the outcome."""

    backend: str
    factor: float
    user: str
    short: quilt.QuiltOps
    long: quilt.QuiltOps
    attempts: Attempts
    fault: Faults
    call_log: CallLog

    def switch(self, name: str, seconds: float = 0, **more: Any) -> None:
        """Switch a fault of constructs on for this user."""
        parameters = more | ({"seconds": seconds * self.factor} if seconds else {})
        self.fault.set(CONSTRUCT[self.backend][0], name, user=self.user, **parameters)

    def slowest_ms(self) -> float:
        """Give how long the server took for the slowest construct of this test."""
        service, operation = CONSTRUCT[self.backend]
        return max(call.ms for call in self.call_log.calls(service) if call.operation == operation)

    def normal(self, message: str) -> Attempt:
        """Case a: with every fault off a creation passes at once."""
        self.fault.reset()
        made = self.attempts.make(self.short, message)
        assert (made.verdict(1), made.context) == ("pass", {})
        assert made.seconds < QUICK_S
        return made


@pytest.fixture
def bench(
    people: People,
    make_ops: Callable[..., quilt.QuiltOps],
    work: Work,
    observer: Observer,
    target: Settings,
    fault: Faults,
    call_log: CallLog,
    backend: str,
) -> Bench:
    """Give a bench of an own user, so that no fault reaches the tests of other cells."""
    user = people.create("slow").name
    token = sign(claims_of(user, lives_s=TOKEN_LIFE_S), target.jwt_secret())

    def limited(seconds: float) -> quilt.QuiltOps:
        limits = quilt.Timeouts(write_s=seconds * target.time_factor, s3_attempts=1)
        return make_ops({"access_token": token}, timeouts=limits)

    attempts = Attempts(work, observer, f"s3://{target.data}/single-file/data.csv")
    short, long = limited(SHORT_S), limited(LONG_S)
    return Bench(backend, target.time_factor, user, short, long, attempts, fault, call_log)


def failure_of(attempt: Attempt, backend: str) -> dict[str, Any]:
    """Give what an attempt's error said, less the words of the library below and the time, which both vary."""
    assert attempt.context["backend_type"] == backend
    assert attempt.context["operation"] == "create_package_revision"
    assert type(attempt.context["original_exception"]) is str
    free = {"backend_type", "operation", "original_exception", "elapsed_s"}
    return {key: value for key, value in attempt.context.items() if key not in free}


def server_error(backend: str) -> dict[str, Any]:
    """Give the error of a server that answers 500: the catalog's, or S3's own."""
    if backend == "platform":
        return {"kind": "http", "http_status": 500}
    return {"kind": "s3", "s3_code": "InternalError", "http_status": 500}


def out_of_time(bench: Bench, work: Work, observer: Observer, expected: str) -> None:
    """Case b: the client gives up at its limit, the server finishes what it began."""
    work.expect_manifest(expected)
    bench.switch("catalog-construct-latency-35s", STALL_S)
    late = bench.attempts.make(bench.short, "b")
    limit_s = SHORT_S * bench.factor
    assert late.verdict(bench.factor) == "timeout"
    assert failure_of(late, bench.backend) == {"kind": "timeout", "timeout_s": limit_s}
    assert limit_s <= late.context["elapsed_s"] < limit_s + END_S
    where = f"{MANIFESTS}{expected}"
    wait_for("the server to finish", lambda: where in observer.inventory(work.bucket, where), deadline_s=LATE_S)
    assert observer.manifest(work.bucket, expected).computed_hash == expected
    if bench.backend == "platform":
        wait_for("the pointer", lambda: observer.exists(work.bucket, late.name), deadline_s=LATE_S)
        assert observer.latest(work.bucket, late.name)[0] == expected
    else:  # in quilt3 it is the client that writes the pointers, and it gave up
        assert observer.registry_state(work.bucket, late.name) == {}


def slow_but_right(bench: Bench) -> None:
    """Case c: the same stall under a longer limit is a success, and no more than slow."""
    bench.switch("catalog-construct-latency-35s", STALL_S)
    slow = bench.attempts.make(bench.long, "c")
    stall_s = STALL_S * bench.factor
    assert (slow.verdict(bench.factor), slow.context) == ("pass (slow)", {})
    assert stall_s <= slow.seconds < stall_s + QUICK_S
    assert bench.slowest_ms() >= stall_s * 1000
    note("server_ms", bench.slowest_ms())


def broken(bench: Bench, work: Work, observer: Observer) -> None:
    """Case d: a failure at once is a failure."""
    bench.switch("catalog-construct-fast-500")
    failed = bench.attempts.make(bench.long, "d")
    assert failed.verdict(1) == "error"
    assert failure_of(failed, bench.backend) == server_error(bench.backend)
    assert failed.context.get("elapsed_s", failed.seconds) < BRIEF_S
    assert observer.registry_state(work.bucket, failed.name) == {}


def broken_late(bench: Bench, work: Work, observer: Observer) -> None:
    """Case e: a failure after a while is no timeout."""
    bench.switch("catalog-construct-fast-500")
    bench.switch("latency", SLOW_FAILURE_S, operation=CONSTRUCT[bench.backend][1])
    failed = bench.attempts.make(bench.long, "e")
    stall_s = SLOW_FAILURE_S * bench.factor
    assert failed.verdict(bench.factor) == "error (slow)"
    assert failure_of(failed, bench.backend) == server_error(bench.backend)
    assert stall_s <= failed.context.get("elapsed_s", failed.seconds) < stall_s + LATE_FAILURE_S
    assert observer.registry_state(work.bucket, failed.name) == {}


def broken_afterwards(bench: Bench, work: Work) -> None:
    """Case f: what fails is the reading, and not the creation before it."""
    if bench.backend == "platform":
        bench.switch("catalog-dirsize-error")
    else:
        bench.fault.set(
            "aws", "error", user=bench.user, operation="GetObject", prefix=MANIFESTS, status=500, code="InternalError"
        )
    made = bench.attempts.make(bench.long, "f")
    assert (made.verdict(1), made.context) == ("pass", {})
    sized = partial(bench.long.execute_graphql_query, SIZED, {"bucket": work.bucket, "name": made.name})
    browse = partial(bench.long.browse_content, made.name, work.registry)
    with pytest.raises(quilt.BackendError) as caught:
        (sized if bench.backend == "platform" else browse)()
    operation = "execute_graphql_query" if bench.backend == "platform" else "browse_content"
    assert caught.value.context["operation"] == operation
    assert caught.value.context.items() >= server_error(bench.backend).items()
    if bench.backend == "platform":
        assert [item.path for item in browse()] == ["data.csv"]


@case(tier="critical", category="error_handling", needs=NEEDS, journey=JOURNEY)
@pytest.mark.timeout(240)
def test_slow_and_broken_are_told_apart(bench: Bench, work: Work, observer: Observer) -> None:
    """A creation that takes long, one that fails and one that fails late differ in class, numbers and what is left."""
    first = bench.normal("a1")
    out_of_time(bench, work, observer, bench.attempts.hash_of(first, "b"))
    bench.normal("a2")
    slow_but_right(bench)
    bench.normal("a3")
    broken(bench, work, observer)
    bench.normal("a4")
    broken_late(bench, work, observer)
    bench.normal("a5")
    broken_afterwards(bench, work)
    bench.normal("a6")
