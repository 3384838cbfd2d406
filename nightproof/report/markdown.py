"""The night as Markdown for job summaries, at most 1 MiB; also reads its numbers back."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING
from typing import Final

from nightproof.records import utc_text
from nightproof.report import matrix
from nightproof.report import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nightproof.records import RunReport
    from nightproof.records import TestVerdict
    from nightproof.side_by_side import Difference
    from nightproof.side_by_side import SupportRow

SIZE_LIMIT: Final = 1024 * 1024  # above it a GitHub job summary fails to upload
_SPECIAL: Final = re.compile(r"([\\`*|\[\]#~])")


def render(report: RunReport) -> str:
    """Return the page; the list of tests is halved until the page fits."""
    tests = words.worst_first(report.tests)
    page = _page(report, tests)
    while len(page.encode()) > SIZE_LIMIT and tests:
        tests = tests[: len(tests) // 2]
        page = _page(report, tests)
    return page


def parse(page: str) -> tuple[dict[str, int], str, str]:
    """Return totals, colour and headline as the page shows them."""
    first = re.search(r"^# \S+ (\S+): (.*)$", page, re.MULTILINE)
    rows = re.findall(r"^\| total: (\S+) \| (\d+) \|$", page, re.MULTILINE)
    totals = {name: int(number) for name, number in rows}
    return totals, first[1] if first else "", unescape(first[2]) if first else ""


def escape(text: str) -> str:
    """Return the text with all markup of Markdown and HTML escaped, in one line."""
    flat = " ".join(words.scrub(text).split())
    return _SPECIAL.sub(r"\\\1", html.escape(flat, quote=False))


def unescape(text: str) -> str:
    """Undo `escape`."""
    return html.unescape(re.sub(r"\\([\\`*|\[\]#~])", r"\1", text))


def _page(report: RunReport, tests: Sequence[TestVerdict]) -> str:
    return "\n".join(
        [
            f"# {_icon(report)} {words.colour_word(report)}: {escape(words.headline(report))}",
            "",
            (
                f"Run `{report.run_id}`, profile {escape(report.profile)} ({report.target}), "
                f"{utc_text(report.started)} to {utc_text(report.ended)}."
            ),
            (
                f"Pass rate: first attempt {words.fraction(report.pass_rate.first_attempt)}, "
                f"after retry {words.fraction(report.pass_rate.after_retry)} "
                f"({report.totals.unsupported} unsupported are left out)."
            ),
            *([f"**{escape(words.undelivered(report))}**"] if report.slack.trouble else []),
            "",
            *_table(("count", "tests"), [(f"total: {name}", str(n)) for name, n in words.counts(report)]),
            *_violations(report),
            *_matrices(report),
            *_compared(report),
            *_noted(report),
            "## Cells",
            "",
            *_table(("suite", "backend", "declared", *(v.value for v in words.SYMBOLS), "time"), _cells(report)),
            *_checks(report),
            *_repairs(report),
            "## Gates",
            "",
            *_table(("gate", "where", "value", "limit", "state"), _gates(report)),
            "## Tests",
            "",
            *_table(("", "verdict", "test", "backend", "tier", "age", "reason"), [_test(test) for test in tests]),
            *(
                [f"… +{len(report.tests) - len(tests)} more in the report", ""]
                if len(tests) < len(report.tests)
                else []
            ),
            *_footer(report),
        ]
    )


def _icon(report: RunReport) -> str:
    return {"GREEN": "🟢", "AMBER": "🟠", "RED": "🔴", "BLOCKED": "⛔"}.get(words.colour_word(report), "⏹")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *lines, ""]


def _violations(report: RunReport) -> list[str]:
    if report.reconciliation.ok:
        return []
    return ["## This report does not add up", "", *[f"- {escape(v)}" for v in report.reconciliation.violations], ""]


def _cells(report: RunReport) -> list[tuple[str, ...]]:
    return [
        (
            escape(cell.suite),
            escape(cell.backend),
            str(cell.declared),
            *(str(getattr(cell, verdict.value)) for verdict in words.SYMBOLS),
            words.duration(cell.duration_s),
        )
        for cell in report.cells
    ]


def _matrices(report: RunReport) -> list[str]:
    lines: list[str] = []
    for table in matrix.several(report):
        lines += [f"## Support matrix: {escape(table.suite)}", ""]
        for kind, rows in (("category", table.categories), ("file", table.files)):
            head = (kind, *(escape(name) for name in table.backends))
            lines += _table(head, [(escape(name), *(_support(cell) for cell in cells)) for name, cells in rows])
    reasons = [f"- {n} tests: {escape(reason)}" for reason, n in matrix.reasons(report)] if lines else []
    return [*lines, *(["Left out as unsupported:", "", *reasons, ""] if reasons else [])]


def _support(row: SupportRow | None) -> str:
    if row is None:
        return "none declared"
    told = [f"{matrix.SYMBOLS[row.status]} {row.status.value} {matrix.counted(row)}", matrix.timed(row)]
    return "; ".join(part for part in told if part)


def _compared(report: RunReport) -> list[str]:
    if not report.consistency:
        return []
    lines = [
        "## The same on every backend",
        "",
        *[f"- {escape(matrix.compared(one))}" for one in report.consistency],
        "",
    ]
    for one in report.consistency:
        rows = [(_place(it), *(escape(it.answers[name]) for name in one.backends)) for it in one.differences]
        lines += _table(("differs", *(escape(name) for name in one.backends)), rows) if rows else []
    allowed = next((table.allowed for table in matrix.several(report) if table.allowed), ())
    if allowed:
        rows = [tuple(escape(it) for it in (one.subject, one.quilt3, one.platform, one.reason)) for one in allowed]
        lines += ["Differences that the contract allows:", "", *_table(("subject", "quilt3", "platform", "why"), rows)]
    return lines


def _place(difference: Difference) -> str:
    return escape(f"{difference.test} step {difference.step}: {difference.operation} {difference.input}")


def _noted(report: RunReport) -> list[str]:
    lines: list[str] = []
    if report.findings:
        found = [
            (it.kind, escape(it.test or it.suite), escape(it.backend), escape(it.detail)) for it in report.findings
        ]
        lines += ["## Findings", "", *_table(("finding", "test", "backend", "what"), found)]
    if report.measures:
        rows = [
            (escape(it.name), escape(f"{it.suite} / {it.backend}"), str(it.n),
             *(matrix.figure(value) for value in (it.min, it.median, it.max)))
            for it in report.measures
        ]  # fmt: skip
        lines += ["## Measured", "", *_table(("figure", "where", "n", "min", "median", "max"), rows)]
    return lines


def _checks(report: RunReport) -> list[str]:
    failed = [check for check in report.checks if not check.ok]
    lines = [f"- ✗ {escape(check.name)}: {escape(check.detail)} {escape(check.remedy)}" for check in failed]
    return ["## Checks that failed", "", *lines, ""] if failed else []


def _repairs(report: RunReport) -> list[str]:
    lines = [f"- {escape(repair)}" for repair in words.repairs(report)]
    return ["## Seeds that were repaired", "", *lines, ""] if lines else []


def _gates(report: RunReport) -> list[tuple[str, ...]]:
    return [
        (
            gate.name,
            escape(f"{gate.suite} / {gate.backend}") if gate.suite else "whole run",
            words.quantity(gate.value),
            words.quantity(gate.limit),
            gate.state.replace("_", " "),
        )
        for gate in report.gates
    ]


def _test(test: TestVerdict) -> tuple[str, ...]:
    age = f"{test.age_nights}{' new' if test.new else ''}"
    reason = escape(test.reason[:300])
    symbol = words.SYMBOLS[test.verdict]
    return symbol, test.verdict.value, escape(test.id), escape(test.backend), test.tier.value, age, reason


def _footer(report: RunReport) -> list[str]:
    ledger = report.ledger
    return [
        (
            f"Ledger: created {ledger.created} = deleted {ledger.deleted} + kept {ledger.kept} "
            f"+ leaked {ledger.leaked}; "
            f"unknown {ledger.unknown}; swept {ledger.swept}. Cost: {words.money(report.cost.night_usd)}."
        ),
        "",
        f"Again: `{report.rerun}`",
        "",
    ]
