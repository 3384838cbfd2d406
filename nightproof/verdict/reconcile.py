"""Checks of a report against its own sums, the event logs and the written files; one small function per invariant.

Every function returns one sentence per violation; an empty result means that the numbers add up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from typing import Final

from nightproof.errors import UsageError
from nightproof.records import Outcome
from nightproof.records import RunReport
from nightproof.records import TestVerdict
from nightproof.records import Verdict
from nightproof.redact import shown_id
from nightproof.report import html
from nightproof.report import junit
from nightproof.report import markdown
from nightproof.report import matrix
from nightproof.report import slack
from nightproof.report import words
from nightproof.report.files import read_report
from nightproof.runner.events import logs_of
from nightproof.runner.events import read_cell
from nightproof.verdict import invariants
from nightproof.verdict.assemble import COUNTS
from nightproof.verdict.consistency import compare

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Mapping
    from pathlib import Path

    from nightproof.runner.events import CellEvents
    from nightproof.side_by_side import Consistency

Parsed = tuple[dict[str, int], str, str]
ROUNDING_S: Final = 0.05  # two processes' clocks on one machine, and rounding to milliseconds


def reconcile(
    run_dir: Path,
    report: RunReport,
    declared: Mapping[tuple[str, str], frozenset[str]],
    redact: Callable[[str], str] = str,
) -> tuple[str, ...]:
    """Return all violations; `declared` holds the ids by (suite, backend), `redact` masks the ids of the logs."""
    events = _read_logs(run_dir, report, redact)
    found: list[str] = []
    for rule in _RULES:
        found += rule(report)
    found += declared_once(report, declared)
    found += logs_in_catalogue(events, declared)
    found += logs_reported(report, events)
    found += answers_compared(report, events)
    found += outputs_agree(run_dir, report)
    return tuple(found)


def verdicts_sum(report: RunReport) -> list[str]:
    """Check Σ verdict counts = declared, per cell and in total."""
    named = [(f"{cell.suite}-{cell.backend}", cell) for cell in report.cells]
    sums = [
        (name, sum(getattr(counts, verdict.value) for verdict in Verdict), counts.declared)
        for name, counts in [*named, ("the night", report.totals)]
    ]
    return [f"The verdicts of {name} add up to {n}, declared are {of}." for name, n, of in sums if n != of]


def first_sums(report: RunReport) -> list[str]:
    """Check reported + not_run + blocked + (unsupported without an event) = declared, and lists against counts."""
    totals = report.totals
    least = totals.reported + totals.not_run + totals.blocked
    violations = []
    if not least <= totals.declared <= least + totals.unsupported:
        violations.append(
            f"Reported {totals.reported} + not run {totals.not_run} + blocked {totals.blocked} + at most "
            f"{totals.unsupported} unsupported do not make {totals.declared} declared."
        )
    counted = Counter(test.verdict for test in report.tests)
    violations += [
        f"The list holds {counted[verdict]} {verdict.value} tests, the totals say {getattr(totals, verdict.value)}."
        for verdict in Verdict
        if counted[verdict] != getattr(totals, verdict.value)
    ]
    return violations


def cells_sum(report: RunReport) -> list[str]:
    """Check Σ cells = totals."""
    sums = {name: sum(getattr(cell, name) for cell in report.cells) for name in COUNTS}
    return [
        f"The cells hold {number} {name}, the totals say {getattr(report.totals, name)}."
        for name, number in sums.items()
        if number != getattr(report.totals, name)
    ]


def declared_once(report: RunReport, declared: Mapping[tuple[str, str], frozenset[str]]) -> list[str]:
    """Check that every declared test appears exactly once per backend, and nothing else does."""
    seen = Counter((test.suite, test.backend, test.id) for test in report.tests)
    wanted = {(suite, backend, test_id) for (suite, backend), ids in declared.items() for test_id in ids}
    missing = [f"The declared test {i} is missing on {b}." for s, b, i in sorted(wanted - seen.keys())]
    extra = [f"The test {i} on {b} is in no catalogue." for s, b, i in sorted(seen.keys() - wanted)]
    twice = [f"The test {i} appears {n} times on {b}." for (s, b, i), n in sorted(seen.items()) if n > 1]
    return [*missing, *extra, *twice]


def logs_in_catalogue(
    events: Mapping[tuple[str, str], CellEvents], declared: Mapping[tuple[str, str], frozenset[str]]
) -> list[str]:
    """Check tests in event logs ⊆ catalogue."""
    return [
        f"The event log of {suite}-{backend} holds {test_id}, which is not declared."
        for (suite, backend), cell in sorted(events.items())
        for test_id in sorted(cell.reported - declared.get((suite, backend), frozenset()))
    ]


def logs_reported(report: RunReport, events: Mapping[tuple[str, str], CellEvents]) -> list[str]:
    """Check that logs and report hold the same number of tests, and of attempts per test."""
    violations = []
    for cell in report.cells:
        log = events.get((cell.suite, cell.backend))
        number = len(log.reported) if log else 0
        if cell.blocked != cell.declared and number != cell.reported:
            violations.append(
                f"The event log of {cell.suite}-{cell.backend} reports {number} tests, the report {cell.reported}."
            )
    for test in report.tests:
        log = events.get((test.suite, test.backend))
        logged = len(log.attempts.get(test.id, ())) if log else 0
        if logged != len(test.attempts):
            violations.append(f"The log holds {logged} attempts of {test.id}, the report {len(test.attempts)}.")
    return violations


def answers_compared(report: RunReport, events: Mapping[tuple[str, str], CellEvents]) -> list[str]:
    """Check that comparing the logs again gives the report's comparison."""
    again = compare(report.tests, {key: cell.observations for key, cell in events.items()})
    return [
        f"The logs of {one.suite} compare as {_compared(other)}, not as {_compared(one)}."
        for one, other in zip(report.consistency, again, strict=True)
        if _compared(one) != _compared(other)
    ]


def _compared(one: Consistency) -> str:
    return f"{one.equal} equal, {one.differs} different, {one.one_side} on one side of {sum(one.observed)}"


def attempts_fit(report: RunReport) -> list[str]:
    """Check that a passed test's only attempt passed, and that a flaky test failed before it passed."""
    return [sentence for test in report.tests for sentence in _attempts(test)]


def _attempts(test: TestVerdict) -> list[str]:
    passed = [attempt.outcome is Outcome.PASSED for attempt in test.attempts]
    if test.verdict is Verdict.PASSED and passed != [True]:
        return [f"{test.id} on {test.backend} is passed, but not by its first and only attempt."]
    if test.verdict is Verdict.FLAKY and not (len(passed) > 1 and passed[-1] and False in passed[:-1]):
        return [f"{test.id} on {test.backend} is flaky, but no failing attempt comes before a passing one."]
    return []


def journeys_sum(report: RunReport) -> list[str]:
    """Check Σ journey MRR by state = Σ journey MRR, each journey counted once."""
    twice = [name for name, n in Counter(journey.journey for journey in report.journeys).items() if n > 1]
    by_state = {
        state: sum(j.mrr_usd or 0 for j in {j.journey: j for j in report.journeys}.values() if j.state == state)
        for state in ("protected", "at_risk", "unknown")
    }
    total = sum(journey.mrr_usd or 0 for journey in report.journeys)
    if twice or round(sum(by_state.values()), 2) != round(total, 2):
        return [f"The journeys' revenue is {sum(by_state.values()):.2f} USD by state and {total:.2f} USD in total."]
    return []


def ledger_sums(report: RunReport) -> list[str]:
    """Check created = deleted + kept + leaked, and that every counted leak is listed."""
    ledger = report.ledger
    violations = []
    if ledger.created != ledger.deleted + ledger.kept + ledger.leaked:
        violations.append(
            f"Created {ledger.created} is not deleted {ledger.deleted} + kept {ledger.kept} + leaked {ledger.leaked}."
        )
    if len(ledger.entries_leaked) != ledger.leaked:
        violations.append(f"{ledger.leaked} resources leaked, {len(ledger.entries_leaked)} are listed.")
    return violations


def stages_fit(report: RunReport) -> list[str]:
    """Check Σ stages ≤ wall time: stages are sequential."""
    total = sum(report.stages.values())
    wall = (report.ended - report.started).total_seconds()
    return [f"The stages add up to {total:.3f} s, the night took {wall:.3f} s."] if total > wall + ROUNDING_S else []


def times_fit(report: RunReport) -> list[str]:
    """Check started ≤ every attempt ≤ ended."""
    slack_s = timedelta(seconds=ROUNDING_S)
    return [
        f"Attempt {attempt.n} of {test.id} on {test.backend} lies outside the night."
        for test in report.tests
        for attempt in test.attempts
        if attempt.started < report.started - slack_s
        or attempt.started + timedelta(seconds=attempt.duration_s) > report.ended + slack_s
    ]


def outputs_agree(run_dir: Path, report: RunReport) -> list[str]:
    """Check that HTML, Markdown, JUnit and Slack text, parsed back, hold the report's totals, colour and cause."""
    headline = words.headline(report)
    counts = dict(words.counts(report))
    readers: list[tuple[str, Callable[[str], Parsed], str]] = [
        ("report.html", html.parse, headline),
        ("report.md", markdown.parse, headline),
        ("junit.xml", junit.parse, report.cause),
    ]
    found = []
    for name, parse, sentence in readers:
        path = run_dir / name
        if not path.is_file():
            found.append(f"{name} was not written.")
            continue
        found += _agree(name, parse(path.read_text(encoding="utf-8")), report, sentence, counts)
    found += _json_agrees(run_dir, report)
    totals = dict(words.totals_pairs(report.totals))
    found += _agree("the Slack text", slack.parse(slack.render(report).text), report, headline, totals)
    return [*found, *_recounts(run_dir, report)]


def _json_agrees(run_dir: Path, report: RunReport) -> Iterable[str]:
    try:
        written = read_report(run_dir / "report.json")
    except UsageError as error:
        yield str(error)
        return
    wrong = [f.name for f in fields(report) if getattr(written, f.name) != getattr(report, f.name)]
    if wrong:
        yield f"report.json carries other facts than the report: {', '.join(wrong)}."


def _agree(name: str, parsed: Parsed, report: RunReport, sentence: str, expected: Mapping[str, int]) -> Iterable[str]:
    totals, colour, cause = parsed
    if totals != expected:
        wrong = sorted(key for key in {*totals, *expected} if totals.get(key) != expected.get(key))
        yield f"{name} carries other totals than the report: {', '.join(wrong)}."
    if colour != words.colour_word(report):
        yield f"{name} carries the colour {colour or 'none'}, the report {words.colour_word(report)}."
    if cause != sentence:
        yield f"{name} carries another cause than the report."


def _recounts(run_dir: Path, report: RunReport) -> Iterable[str]:
    expected = {verdict.value: getattr(report.totals, verdict.value) for verdict in Verdict}
    for name, recount in (("report.html", html.recount), ("junit.xml", junit.recount)):
        path = run_dir / name
        if path.is_file() and recount(path.read_text(encoding="utf-8")) != expected:
            yield f"The tests listed in {name} are not those that its totals count."
    path = run_dir / "report.html"
    if path.is_file() and html.restatuses(path.read_text(encoding="utf-8")) != matrix.statuses(report):
        yield "The support matrix of report.html shows other statuses than the report."


_RULES: Final[tuple[Callable[[RunReport], list[str]], ...]] = (
    verdicts_sum, first_sums, cells_sum, attempts_fit, journeys_sum, ledger_sums, stages_fit, times_fit,
    invariants.evidence_fits, invariants.rates_fit, invariants.gates_fit, invariants.colour_fits, invariants.cause_fits,
    invariants.support_fits, invariants.answers_fit,
)  # fmt: skip


def _read_logs(run_dir: Path, report: RunReport, redact: Callable[[str], str]) -> dict[tuple[str, str], CellEvents]:
    """Read the logs of the cells; a cell that never started has none."""
    found = {}
    for cell in report.cells:
        folder = run_dir / "cells" / f"{cell.suite}-{cell.backend}"
        if logs_of(folder):
            found[cell.suite, cell.backend] = read_cell(folder).shown(partial(shown_id, redact=redact))
    return found
