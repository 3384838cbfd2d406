"""The records that cross a stage: frozen, slotted, validated at construction.

Durations are seconds, sizes bytes, money USD, times timezone-aware UTC. `RunReport` is the contract of
`report.json`; its JSON schema is generated from these models.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic resolves annotations at run time
from enum import StrEnum
from typing import Annotated
from typing import Any
from typing import Final
from typing import Literal

from pydantic import AwareDatetime
from pydantic import Field
from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from nightproof.record_types import CONFIG
from nightproof.record_types import Count
from nightproof.record_types import Seconds
from nightproof.side_by_side import Consistency  # noqa: TC001 - pydantic resolves annotations at run time
from nightproof.side_by_side import Finding  # noqa: TC001 - as above
from nightproof.side_by_side import Measure  # noqa: TC001 - as above
from nightproof.side_by_side import SupportRow  # noqa: TC001 - as above

SCHEMA: Final = 1
CAUSE_LIMIT: Final = 150
PROTOCOLS: Final = ("s3", "aws", "http", "graphql", "ws", "tcp")
STAGES: Final = (
    "start", "sweep", "provision", "seed", "suites", "second_pass", "cleanup", "verdict", "publish", "notify", "stop",
)  # fmt: skip

Proof = Literal["call", "fixture", "relay", "vouched", ""]
Interruption = Literal["SIGINT", "SIGTERM", "cancelled", "killed"]  # killed: the run could not write its report itself


class Verdict(StrEnum):
    """Exactly one of ten per test and backend."""

    PASSED = "passed"
    FLAKY = "flaky"
    FAILED = "failed"
    ERROR = "error"
    TIMEOUT = "timeout"
    HOLLOW = "hollow"
    BLOCKED = "blocked"
    UNSUPPORTED = "unsupported"
    QUARANTINED = "quarantined"
    NOT_RUN = "not_run"


class Outcome(StrEnum):
    """How one attempt ended."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    TIMEOUT = "timeout"


class Colour(StrEnum):
    """The colour of a night; an interrupted night has none."""

    GREEN = "GREEN"
    AMBER = "AMBER"
    RED = "RED"
    BLOCKED = "BLOCKED"


class Tier(StrEnum):
    """How much a test weighs in the gates."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"


@dataclass(frozen=True, slots=True, config=CONFIG)
class Rate:
    """`n` of `of`, never a bare percentage."""

    n: Count
    of: Count


@dataclass(frozen=True, slots=True, config=CONFIG)
class Exchanges:
    """Answered requests of the subject channel in the call phase, by protocol."""

    s3: Count = 0
    aws: Count = 0
    http: Count = 0
    graphql: Count = 0
    ws: Count = 0
    tcp: Count = 0

    @property
    def total(self) -> int:
        """The sum over all protocols."""
        return self.s3 + self.aws + self.http + self.graphql + self.ws + self.tcp


@dataclass(frozen=True, slots=True, config=CONFIG)
class Attempt:
    """One execution of one test; `unanswered` counts subject requests of the call phase that got no answer.

    `kind` is how the system failed, where the error that ended the attempt says so; `server_ms` is the slowest request
    that the servers logged for it. A failed attempt has `where` (file:line in the suite), the ends of `traceback` and
    `output`, and `exchange`, its last exchange with the system if that one failed. `outside_cause` names what ended
    the attempt where that is not the test itself, so that running the test alone repeats nothing: the tear-down of a
    shared fixture, or the death of the process. `unrecorded` is how many of the exchanges no recorder named: other
    protocols and messages of WebSockets, which carry no header that a server could count. `proof` is how it is proven
    that the system was asked, empty where it is not; `vouched` is the reason that the test gave.
    """

    n: Annotated[int, Field(ge=1)]
    outcome: Outcome
    started: AwareDatetime
    duration_s: Seconds
    assertions: Count
    exchanges: Exchanges
    server_exchanges: Count | None
    message: str = ""
    unanswered: Count = 0
    unrecorded: Count = 0
    proof: Proof = ""
    vouched: str = ""
    kind: str = ""
    server_ms: Seconds | None = None
    where: str = ""
    traceback: str = ""
    output: str = ""
    exchange: str = ""
    outside_cause: str = ""


@dataclass(frozen=True, slots=True, config=CONFIG)
class TestVerdict:
    """What is said of one test on one backend."""

    __test__ = False

    id: str
    suite: str
    backend: str
    verdict: Verdict
    reason: str
    wire: Literal["subject", "none"]
    tier: Tier
    category: str
    type: str
    journey: str | None
    owner: str
    new: bool = False
    age_nights: Count = 0
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True, slots=True, config=CONFIG)
class Totals:
    """The ten verdict counts with what was declared and what reported."""

    declared: Count = 0
    reported: Count = 0
    passed: Count = 0
    flaky: Count = 0
    failed: Count = 0
    error: Count = 0
    timeout: Count = 0
    hollow: Count = 0
    blocked: Count = 0
    unsupported: Count = 0
    quarantined: Count = 0
    not_run: Count = 0


@dataclass(frozen=True, slots=True, config=CONFIG)
class Cell(Totals):
    """One suite on one backend; `exit` is the exit code of the first pass's last process, negative when killed."""

    suite: str = Field(kw_only=True)
    backend: str = Field(kw_only=True)
    started: AwareDatetime | None = Field(default=None, kw_only=True)
    ended: AwareDatetime | None = Field(default=None, kw_only=True)
    duration_s: Seconds = Field(default=0.0, kw_only=True)
    exit: int | None = Field(default=None, kw_only=True)
    log: str | None = Field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True, config=CONFIG)
class CheckResult:
    """One provisioning check; `remedy` is one sentence, empty when it holds."""

    name: str
    required: bool
    ok: bool
    detail: str
    remedy: str
    duration_s: Seconds


@dataclass(frozen=True, slots=True, config=CONFIG)
class SeedResult:
    """One dataset, package set or other seed; `repaired` counts objects, `repairs` names them."""

    name: str
    kind: Literal["dataset", "package", "other"]
    files: Count
    bytes: Count
    sha256: str
    generated_bytes: Count
    uploaded_bytes: Count
    repaired: Count
    duration_s: Seconds
    repairs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, config=CONFIG)
class ResourceRecord:
    """One line of the ledger: a resource that was planned, created or removed, and its locator."""

    event: Literal["intent", "confirmed", "deleted", "kept", "leaked", "absent"]
    id: str
    run_id: str
    kind: str
    locator: dict[str, Any]
    at: AwareDatetime
    test_id: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, config=CONFIG)
class LedgerAudit:
    """Tonight's resources, proved by a re-listing: created = deleted + kept + leaked."""

    created: Count = 0
    deleted: Count = 0
    kept: Count = 0
    leaked: Count = 0
    unknown: Count = 0
    swept: Count = 0
    entries_leaked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, config=CONFIG)
class Journey:
    """One business journey and the state its required tests put it in."""

    journey: str
    mrr_usd: float | None
    state: Literal["protected", "at_risk", "unknown"]
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True, config=CONFIG)
class Gate:
    """One threshold, its measured value and the colour it gives when broken."""

    name: str
    suite: str | None
    backend: str | None
    value: Rate | float | None
    limit: Rate | float
    state: Literal["ok", "broken", "not_measured"]
    colour: Literal[Colour.AMBER, Colour.RED]


@dataclass(frozen=True, slots=True, config=CONFIG)
class PassRate:
    """The rate twice: the gap is the cost of flakes. `of` = declared - unsupported."""

    first_attempt: Rate
    after_retry: Rate


@dataclass(frozen=True, slots=True, config=CONFIG)
class Cost:
    """What the night cost; `null` where nothing could measure it."""

    night_usd: float | None = None
    month_estimate_usd: float | None = None
    by: dict[str, float] = Field(default_factory=dict)


NOT_CONFIGURED: Final = "no Slack configured"
NOT_ASKED: Final = "notification was not asked for"


@dataclass(frozen=True, slots=True, config=CONFIG)
class SlackDelivery:
    """What became of the message; provisional until the notify stage has ended."""

    delivered: bool = False
    channel: str | None = None
    ts: str | None = None
    error: str | None = None

    @property
    def trouble(self) -> str:
        """The reason why a wanted message was not delivered completely, or ""."""
        was_wanted = self.error and not self.error.startswith((NOT_CONFIGURED, NOT_ASKED))
        return self.error if self.error and was_wanted else ""


@dataclass(frozen=True, slots=True, config=CONFIG)
class Reconciliation:
    """The report's own check of its sums, read back from the written files."""

    ok: bool
    violations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, config=CONFIG)
class RunReport:
    """One night; the contract of `report.json`.

    `not_green_nights` counts consecutive counted nights, tonight included, that were not GREEN. `reasons` says in a
    sentence each what the reason ids of unsupported tests stand for.
    """

    run_id: str
    profile: str
    environment: str
    target: Literal["embedded", "live"]
    started: AwareDatetime
    ended: AwareDatetime
    interrupted: Interruption | None
    colour: Colour | None
    cause: Annotated[str, Field(max_length=CAUSE_LIMIT)]
    exit_code: int
    builds: dict[str, str]
    suite_hash: str
    seed_hash: str
    run_key: str
    totals: Totals
    pass_rate: PassRate
    cells: tuple[Cell, ...]
    tests: tuple[TestVerdict, ...]
    checks: tuple[CheckResult, ...]
    seeds: tuple[SeedResult, ...]
    journeys: tuple[Journey, ...]
    gates: tuple[Gate, ...]
    ledger: LedgerAudit
    stages: dict[str, Seconds]
    cost: Cost
    slack: SlackDelivery
    reconciliation: Reconciliation
    versions: dict[str, str]
    rerun: str
    schema: Literal[1] = SCHEMA
    not_green_nights: Count = 0
    support: tuple[SupportRow, ...] = ()
    consistency: tuple[Consistency, ...] = ()
    findings: tuple[Finding, ...] = ()
    measures: tuple[Measure, ...] = ()
    reasons: dict[str, str] = Field(default_factory=dict)


REPORT: Final = TypeAdapter(RunReport)
RESOURCE: Final = TypeAdapter(ResourceRecord)


def utc_text(moment: datetime) -> str:
    """Return a time as users read it: UTC with date, to the second."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
