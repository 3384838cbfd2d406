"""Checks of a report's judgement against its own numbers: evidence, rates, gates, colour, exit code and cause."""

from __future__ import annotations

from typing import Final

from nightproof.records import Colour
from nightproof.records import Gate
from nightproof.records import Rate
from nightproof.records import RunReport
from nightproof.records import Verdict
from nightproof.verdict.assemble import pass_rate
from nightproof.verdict.colour import decide
from nightproof.verdict.gates import EXITS
from nightproof.verdict.gates import is_broken
from nightproof.verdict.gates import tier_rate
from nightproof.verdict.outcomes import hollow_reason
from nightproof.verdict.support import support

_CLAIM_EVIDENCE: Final = (Verdict.PASSED, Verdict.FLAKY)


def evidence_fits(report: RunReport) -> list[str]:
    """Return a sentence per passed or flaky test whose last attempt lacks evidence and is therefore hollow."""
    return [
        f"{test.id} on {test.backend} is {test.verdict.value} without evidence: {reason}."
        for test in report.tests
        if test.verdict in _CLAIM_EVIDENCE and test.attempts
        for reason in [hollow_reason(test, test.attempts[-1])]
        if reason
    ]


def rates_fit(report: RunReport) -> list[str]:
    """Return a sentence per pass rate that is not passed, or passed + flaky, of declared - unsupported."""
    wanted = pass_rate(report.totals)
    pairs = (
        ("first attempt", report.pass_rate.first_attempt, wanted.first_attempt),
        ("after retry", report.pass_rate.after_retry, wanted.after_retry),
    )
    return [
        f"The rate {name} is {rate.n} of {rate.of}, the totals give {right.n} of {right.of}."
        for name, rate, right in pairs
        if rate != right
    ]


def gates_fit(report: RunReport) -> list[str]:
    """Return a sentence per gate that differs from the report's counts, or whose state contradicts its value."""
    counts = _gate_counts(report)
    found = [f"The gate {name} is missing." for name in counts if all(gate.name != name for gate in report.gates)]
    for gate in report.gates:
        if gate.value is None:
            continue
        where = f"{gate.name} of {gate.suite}-{gate.backend}" if gate.suite else gate.name
        wanted = _measured(gate, report, counts)
        if wanted is not None and gate.value != wanted:
            found.append(f"The gate {where} measured {_plain(gate.value)}, the report counts {_plain(wanted)}.")
        if (gate.state == "broken") != is_broken(gate):
            found.append(f"The gate {where} is {gate.state} at {_plain(gate.value)} with limit {_plain(gate.limit)}.")
    return found


def colour_fits(report: RunReport) -> list[str]:
    """Return the differences of colour and exit code from the first matching line of the ordered table."""
    failed = any(check.required and not check.ok for check in report.checks)
    blocked = failed or report.colour is Colour.BLOCKED
    colour, exit_code = decide(
        interrupted=report.interrupted, blocked=blocked, violated=not report.reconciliation.ok, gates=report.gates
    )
    found = []
    if report.colour is not colour:
        found.append(f"The colour is {_word(report.colour)}, the ordered table gives {_word(colour)}.")
    if report.exit_code != exit_code:
        found.append(f"The exit code is {report.exit_code}, the ordered table gives {exit_code}.")
    if report.colour is Colour.BLOCKED and report.totals.blocked != report.totals.declared:
        found.append(
            f"The night is BLOCKED, but {report.totals.blocked} of {report.totals.declared} tests are blocked."
        )
    return found


def cause_fits(report: RunReport) -> list[str]:
    """Return a sentence if a GREEN night has a cause, or if any other night has none."""
    if report.colour is Colour.GREEN:
        return [f"The night is GREEN, but gives a cause: {report.cause}"] if report.cause else []
    return [] if report.cause else [f"The night is {_word(report.colour)} without a cause."]


def support_fits(report: RunReport) -> list[str]:
    """Return the differences of the support matrix from the tests, and of category and file sums from their cell."""
    found = []
    if report.support != support(report.tests):
        found.append("The support matrix is not that of the listed tests.")
    for cell in report.cells:
        wanted = (cell.passed + cell.flaky, cell.declared)
        for kind in ("categories", "files"):
            rows = [
                row
                for row in report.support
                if (row.suite, row.backend, row.file is None) == (cell.suite, cell.backend, kind == "categories")
            ]
            sums = (sum(row.passed for row in rows), sum(row.total + row.unsupported for row in rows))
            if sums != wanted:
                found.append(
                    f"The {kind} of {cell.suite}-{cell.backend} hold {sums[0]} passed of {sums[1]} declared, "
                    f"the cell {wanted[0]} of {wanted[1]}."
                )
    return found


def answers_fit(report: RunReport) -> list[str]:
    """Return a sentence per comparison that misses an observed answer or does not list every difference."""
    found = []
    for one in report.consistency:
        seen, told = sum(one.observed), 2 * (one.equal + one.differs) + one.one_side
        if seen != told:
            found.append(f"The tests of {one.suite} saw {seen} answers, the comparison accounts for {told}.")
        if len(one.differences) != one.differs:
            found.append(f"{one.differs} answers of {one.suite} differ, {len(one.differences)} are listed.")
    return found


def _gate_counts(report: RunReport) -> dict[str, float]:
    return {
        "hollow": report.totals.hollow,
        "not_run": report.totals.not_run,
        "flaky": report.totals.flaky,
        "quarantine": report.totals.quarantined,
        "leaked": report.ledger.leaked,
        "unknown": report.ledger.unknown,
        **{name: number for name in EXITS if (number := sum(it.kind == name for it in report.findings))},
        **({"differences": sum(one.differs for one in report.consistency)} if report.consistency else {}),
    }


def _measured(gate: Gate, report: RunReport, counts: dict[str, float]) -> Rate | float | None:
    if gate.suite:
        mine = [t for t in report.tests if (t.suite, t.backend, t.tier) == (gate.suite, gate.backend, gate.name)]
        return tier_rate(mine)
    number = counts.get(gate.name)
    if number is None or not isinstance(gate.value, Rate):
        return number
    return Rate(int(number), report.totals.declared - report.totals.unsupported)


def _plain(value: Rate | float) -> str:
    return f"{value.n} of {value.of}" if isinstance(value, Rate) else f"{value:g}"


def _word(colour: Colour | None) -> str:
    return colour.value if colour else "none"
