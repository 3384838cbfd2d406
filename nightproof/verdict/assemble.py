"""The report of a night, computed from its facts; pure, so that the same facts give the same report."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Final

from nightproof.history.nights import Night
from nightproof.history.nights import age_nights
from nightproof.history.nights import counted
from nightproof.history.nights import is_new
from nightproof.history.nights import not_green
from nightproof.records import Cell
from nightproof.records import CheckResult
from nightproof.records import Colour
from nightproof.records import Cost
from nightproof.records import Gate
from nightproof.records import Interruption
from nightproof.records import LedgerAudit
from nightproof.records import PassRate
from nightproof.records import Rate
from nightproof.records import Reconciliation
from nightproof.records import RunReport
from nightproof.records import SeedResult
from nightproof.records import SlackDelivery
from nightproof.records import TestVerdict
from nightproof.records import Totals
from nightproof.records import Verdict
from nightproof.side_by_side import Finding
from nightproof.verdict import registry
from nightproof.verdict.cause import CauseFacts
from nightproof.verdict.cause import cause
from nightproof.verdict.colour import decide
from nightproof.verdict.consistency import compare
from nightproof.verdict.exits import exits
from nightproof.verdict.findings import findings
from nightproof.verdict.findings import measures
from nightproof.verdict.gates import run_gates
from nightproof.verdict.gates import tier_gates
from nightproof.verdict.journeys import journeys
from nightproof.verdict.outcomes import judge
from nightproof.verdict.quarantine import QuarantineEntry
from nightproof.verdict.quarantine import overdue
from nightproof.verdict.support import support

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence
    from datetime import datetime

    from nightproof.profile import Profile
    from nightproof.runner.events import CellEvents
    from nightproof.side_by_side import Consistency
    from nightproof.verdict.catalogue import CatalogueTest
    from nightproof.verdict.findings import Noted

DETAILED_TESTS: Final = 500  # failing tests with traceback and output in the report; the event logs hold all
ANY_PEER: Final = "any_peer"
TAKES_ANY_PEER: Final = (
    "No endpoint is declared, so an answer of any peer outside the tests' own processes counted: name the system in"
    " [endpoints.urls] or `hosts`."
)
COUNTS = tuple(f.name for f in fields(Totals))


@dataclass(frozen=True, slots=True)
class CellFacts:
    """One planned cell: its declared tests and the contents of its event log (None: it never started)."""

    suite: str
    backend: str
    tests: Mapping[str, CatalogueTest]
    events: CellEvents | None = None
    blocked: str = ""
    log: str | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Everything that is known when the night is judged.

    `blocked` is a sentence if something other than a required check stopped the night (a seed, the testbed, a secret).
    `ledger` is None if no audit took place. `system_deaths` holds the testbed systems that ended by themselves.
    """

    run_id: str
    profile: Profile
    started: datetime
    ended: datetime
    cells: tuple[CellFacts, ...]
    interrupted: Interruption | None = None
    blocked: str = ""
    checks: tuple[CheckResult, ...] = ()
    seeds: tuple[SeedResult, ...] = ()
    ledger: LedgerAudit | None = None
    stages: Mapping[str, float] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    builds: Mapping[str, str] = field(default_factory=dict)
    suite_hash: str = ""
    seed_hash: str = ""
    run_key: str = ""
    rerun: str = ""
    cost: Cost = field(default_factory=Cost)
    slack: SlackDelivery = field(default_factory=SlackDelivery)
    nights: tuple[Night, ...] = ()
    quarantine: tuple[QuarantineEntry, ...] = ()
    system_deaths: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    violations: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def build_report(facts: RunFacts) -> RunReport:
    """Judge the night: verdicts, totals, gates, journeys, colour and cause."""
    causes = () if facts.interrupted else blocked_causes(facts)
    blocked = causes[0] if causes else ""
    tests = _with_details(_with_history(_judged(facts, blocked), facts, blocked))
    compared = _compared(facts, tests)
    ends = exits((cell.suite, cell.backend, cell.events.ends) for cell in facts.cells if cell.events)
    gates = _gates(facts, tests, compared, ends, blocked)
    violated = bool(facts.violations)
    colour, exit_code = decide(interrupted=facts.interrupted, blocked=bool(blocked), violated=violated, gates=gates)
    cells = tuple(_cell(cell, tests, facts) for cell in facts.cells)
    totals = Totals(**{name: sum(getattr(cell, name) for cell in cells) for name in COUNTS})
    return RunReport(
        run_id=facts.run_id,
        profile=facts.profile.name,
        environment=facts.profile.environment,
        target=facts.profile.target,
        started=facts.started,
        ended=facts.ended,
        interrupted=facts.interrupted,
        colour=colour,
        cause=cause(_cause_facts(facts, colour, tests, gates, causes, compared, ends)),
        exit_code=exit_code,
        builds=dict(facts.builds),
        suite_hash=facts.suite_hash,
        seed_hash=facts.seed_hash,
        run_key=facts.run_key,
        totals=totals,
        pass_rate=pass_rate(totals),
        cells=cells,
        tests=tests,
        checks=facts.checks,
        seeds=facts.seeds,
        journeys=journeys(tests, facts.profile.journeys),
        gates=gates,
        ledger=facts.ledger or LedgerAudit(),
        stages=dict(facts.stages),
        cost=facts.cost,
        slack=facts.slack,
        reconciliation=Reconciliation(not violated, facts.violations),
        versions=dict(facts.versions),
        rerun=facts.rerun,
        not_green_nights=_not_green(colour, facts.nights),
        support=support(tests),
        consistency=compared,
        findings=(*facts.findings, *findings(_noted(facts)), *_unexpected_passes(facts), *_any_peers(facts), *ends),
        measures=measures(_noted(facts)),
        reasons={reason: text for cell in facts.cells for reason, text in cell.reasons.items()},
    )


def declared(facts: RunFacts) -> dict[tuple[str, str], frozenset[str]]:
    """Return the declared test ids by (suite, backend), which reconciliation compares the report with."""
    return {(cell.suite, cell.backend): frozenset(cell.tests) for cell in facts.cells}


def blocked_causes(facts: RunFacts) -> tuple[str, ...]:
    """Return the cause of a blocked night in wordings from long to short; empty if nothing blocks it."""
    failed = [check for check in facts.checks if check.required and not check.ok]
    if not failed:
        return (facts.blocked,) if facts.blocked else ()
    required = sum(check.required for check in facts.checks)
    first = failed[0]
    said = f"{first.name}: {first.detail.rstrip('.')}. {first.remedy}".rstrip()
    return (f"{len(failed)} of {required} required checks failed: {said}", said, f"{first.name}: {first.detail}")


def pass_rate(totals: Totals) -> PassRate:
    """Return both rates over declared minus unsupported."""
    of = totals.declared - totals.unsupported
    return PassRate(Rate(totals.passed, of), Rate(totals.passed + totals.flaky, of))


def violate(report: RunReport, violations: Sequence[str]) -> RunReport:
    """Return the report with violated checks of its own: RED, unless BLOCKED or interrupted."""
    colour, exit_code = decide(
        interrupted=report.interrupted, blocked=report.colour is Colour.BLOCKED, violated=True, gates=report.gates
    )
    text = report.cause
    if colour is Colour.RED:
        text = cause(CauseFacts(colour, report.tests, report.gates, violations=violations))
    reconciliation = Reconciliation(ok=False, violations=tuple(violations))
    return replace(
        report,
        colour=colour,
        exit_code=exit_code,
        cause=text,
        reconciliation=reconciliation,
        not_green_nights=max(report.not_green_nights, int(colour is Colour.RED)),
    )


def _judged(facts: RunFacts, blocked: str) -> list[TestVerdict]:
    return [
        verdict
        for cell in facts.cells
        for verdict in judge(
            cell.suite,
            cell.backend,
            cell.tests,
            cell.events,
            blocked=blocked or cell.blocked,
            offers=facts.profile.offers,
            quarantine=facts.quarantine,
        )
    ]


def _with_history(tests: list[TestVerdict], facts: RunFacts, blocked: str) -> tuple[TestVerdict, ...]:
    nights = counted(facts.nights)
    counts = not blocked and not facts.interrupted
    return tuple(
        replace(
            test,
            owner=test.owner or facts.profile.owner,
            # Tests that a stopped night never ran are not new: the night's cause covers them all.
            new=is_new((test.id, test.backend), test.verdict, nights) and (counts or bool(test.attempts)),
            age_nights=age_nights((test.id, test.backend), test.verdict, nights, tonight_counts=counts),
        )
        for test in tests
    )


def _with_details(tests: tuple[TestVerdict, ...]) -> tuple[TestVerdict, ...]:
    """Drop traceback and output after the first 500 failing tests, so that the page opens when everything fails."""
    failing = [test for test in tests if any(attempt.traceback or attempt.output for attempt in test.attempts)]
    bare = {id(test) for test in failing[DETAILED_TESTS:]}
    return tuple(
        replace(test, attempts=tuple(replace(attempt, traceback="", output="") for attempt in test.attempts))
        if id(test) in bare
        else test
        for test in tests
    )


def _compared(facts: RunFacts, tests: Sequence[TestVerdict]) -> tuple[Consistency, ...]:
    return compare(tests, {(cell.suite, cell.backend): cell.events.observations for cell in facts.cells if cell.events})


def _noted(facts: RunFacts) -> list[Noted]:
    return [((cell.suite, cell.backend), cell.events.properties) for cell in facts.cells if cell.events]


def _tests(facts: RunFacts) -> list[CatalogueTest]:
    """Return the declared tests of all cells, each once for all its backends."""
    return list({test.id: test for cell in facts.cells for test in cell.tests.values()}.values())


def _unexpected_passes(facts: RunFacts) -> list[Finding]:
    return [
        Finding(
            "xpass", cell.suite, cell.backend, test, f"{test} passed, although it is marked as an expected failure."
        )
        for cell in facts.cells
        for test, reason in sorted((cell.events.skips if cell.events else {}).items())
        if reason.startswith(registry.XPASS)
    ]


def _any_peers(facts: RunFacts) -> list[Finding]:
    return [
        Finding(ANY_PEER, cell.suite, cell.backend, "", TAKES_ANY_PEER)
        for cell in facts.cells
        if cell.events and cell.events.takes_any_peer
    ]


def _gates(
    facts: RunFacts,
    tests: tuple[TestVerdict, ...],
    compared: Sequence[Consistency],
    ends: Sequence[Finding],
    blocked: str,
) -> tuple[Gate, ...]:
    limits, today = facts.profile.gates, facts.started.date()
    whole = run_gates(
        tests,
        limits,
        ledger=facts.ledger,
        overdue=len(overdue(facts.quarantine, today)) + len(registry.overdue(_tests(facts), today)),
        night_usd=facts.cost.night_usd,
        wall_s=(facts.ended - facts.started).total_seconds(),
        compared=compared,
        ends=ends,
        asked=not blocked,
    )
    return (*tier_gates(tests, limits, asked=not blocked), *whole)


def _cell(cell: CellFacts, tests: Sequence[TestVerdict], facts: RunFacts) -> Cell:
    mine = [test for test in tests if (test.suite, test.backend) == (cell.suite, cell.backend)]
    counts = {verdict.value: sum(test.verdict is verdict for test in mine) for verdict in Verdict}
    events = cell.events
    seen = events.reported if events else frozenset[str]()
    started = events.started if events else None
    ended = (events.ended or facts.ended) if events and started else None
    return Cell(
        declared=len(cell.tests),
        reported=sum(test.id in seen and test.verdict is not Verdict.BLOCKED for test in mine),
        **counts,
        suite=cell.suite,
        backend=cell.backend,
        started=started,
        ended=ended,
        duration_s=max(0.0, (ended - started).total_seconds()) if started and ended else 0.0,
        exit=events.exit if events else None,
        log=cell.log,
    )


def _cause_facts(
    facts: RunFacts,
    colour: Colour | None,
    tests: tuple[TestVerdict, ...],
    gates: tuple[Gate, ...],
    blocked: tuple[str, ...],
    compared: tuple[Consistency, ...],
    ends: tuple[Finding, ...],
) -> CauseFacts:
    return CauseFacts(
        colour=colour,
        tests=tests,
        gates=gates,
        interrupted=facts.interrupted,
        blocked=blocked,
        violations=facts.violations,
        system_deaths=facts.system_deaths,
        unknown=facts.unknown,
        builds=_changed_builds(facts),
        first=not counted(facts.nights),
        compared=compared,
        ends=tuple(end.detail for end in ends),
    )


def _not_green(colour: Colour | None, nights: Sequence[Night]) -> int:
    if colour is Colour.GREEN:
        return 0
    return not_green(nights) + (colour in (Colour.RED, Colour.AMBER))  # a blocked or interrupted night does not count


def _changed_builds(facts: RunFacts) -> tuple[str, ...]:
    """Return the builds that differ from the last counted night; a system new since then is no change."""
    before = next((night.builds for night in counted(facts.nights)), {})
    return tuple(f"{name} {build}" for name, build in sorted(facts.builds.items()) if before.get(name, build) != build)
