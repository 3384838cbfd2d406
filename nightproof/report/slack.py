"""Render the night for Slack: pure, one parent message of at most 12 blocks and at most 5 thread replies."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

from nightproof.records import RunReport
from nightproof.records import TestVerdict
from nightproof.records import Verdict
from nightproof.report import slack_limits as limits
from nightproof.report import words
from nightproof.verdict.clusters import FAILURES
from nightproof.verdict.clusters import clusters
from nightproof.verdict.journeys import AT_RISK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nightproof.history.nights import Night

LISTED = 20
CELLS = 12
_ICONS = {"GREEN": "🟢", "AMBER": "🟠", "RED": "🔴", "BLOCKED": "⛔", words.INTERRUPTED: "⏹"}


@dataclass(frozen=True, slots=True)
class SlackMessage:
    """A parent message and its thread; `recovery` is a broadcast reply to an earlier alarm, or empty."""

    text: str
    blocks: tuple[dict[str, Any], ...]
    replies: tuple[str, ...] = ()
    recovery: str = ""


def render(report: RunReport, report_link: str = "", *, mention: str = "", alarm: Night | None = None) -> SlackMessage:
    """Give the message; `mention` is the user group of the default owner, called only for new failures."""
    text = _text(report)
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": _header(report), "emoji": True}},
        _section(f"*{words.colour_word(report)}*: {escape(words.headline(report))}{_call(report, mention)}"),
        {"type": "section", "fields": [{"type": "mrkdwn", "text": text[: limits.FIELD]} for text in _fields(report)]},
        _section(f"```{escape(_matrix(report))}```"),
        *_top_cause(report),
        _section(f"`{escape(words.totals_line(report.totals))}`"),
        *_buttons(report_link),
        {"type": "context", "elements": [{"type": "mrkdwn", "text": _context(report, report_link)}]},
    ]
    recovery = _recovery(report, alarm) if alarm and report.colour and not words.is_bad(report.colour) else ""
    return SlackMessage(text, tuple(blocks), _replies(report), recovery)


def parse(text: str) -> tuple[dict[str, int], str, str]:
    """Give totals, colour and headline from the message's text."""
    plain = html.unescape(text)
    first = re.match(r"\S+ (\S+): (.*)", plain)
    return words.parse_totals(plain), first[1] if first else "", first[2] if first else ""


def escape(text: str) -> str:
    """Escape what Slack's markup reads; mentions in test output must not call anybody."""
    return words.scrub(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, limit: int) -> str:
    """Cut escaped text in its middle, never inside an entity."""
    if len(text) <= limit:
        return text
    head, tail = text[: limit // 2 - 8], text[-(limit // 2 - 8) :]
    return f"{re.sub(r'&[a-z]{0,4}$', '', head)} … {re.sub(r'^[a-z]{0,4};', '', tail)}"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _header(report: RunReport) -> str:
    heading = " ".join(words.headline(report).split()[:10]).rstrip(".,:;")
    return f"{_ICONS[words.colour_word(report)]} {words.scrub(report.profile)[:40]}: {heading}"[: limits.HEADER]


def _text(report: RunReport) -> str:
    first = f"{_ICONS[words.colour_word(report)]} {words.colour_word(report)}: {escape(words.headline(report))}"
    lines = [first, escape(words.totals_line(report.totals)), *_listed(report, Verdict.BLOCKED)]
    return _cut("\n".join(lines), limits.TEXT)


def _listed(report: RunReport, *without: Verdict) -> list[str]:
    bad = [test for test in words.unpassed(report) if test.verdict not in without]
    return words.middle_cut([_line(test) for test in bad], LISTED)


def _line(test: TestVerdict) -> str:
    known = "new" if test.new else f"night {test.age_nights}"
    name = escape(f"{test.id[:120]} ({test.backend[:30]})")
    return f"{words.SYMBOLS[test.verdict]} {test.verdict.value.replace('_', ' ')}: {name}, {known}"


def _call(report: RunReport, mention: str) -> str:
    new = any(test.new and test.verdict in FAILURES for test in report.tests)
    return f" <!subteam^{mention}>" if mention and words.is_bad(report.colour) and new else ""


def _fields(report: RunReport) -> list[str]:
    failing = [test for test in report.tests if test.verdict in AT_RISK or test.verdict is Verdict.NOT_RUN]
    critical = [t for t in report.tests if t.tier == "critical" and t.verdict is not Verdict.UNSUPPORTED]
    protected = sum(test.verdict in (Verdict.PASSED, Verdict.FLAKY) for test in critical)
    rate = report.pass_rate
    oldest = max((test.age_nights for test in failing), default=0)
    ledger = report.ledger
    risk = sum(j.mrr_usd or 0 for j in report.journeys if j.state == "at_risk")
    total = sum(j.mrr_usd or 0 for j in report.journeys)
    fields = [
        f"*First attempt / after retry*\n{words.fraction(rate.first_attempt)} / {words.fraction(rate.after_retry)}",
        f"*Critical*\n{protected} of {len(critical)}",
        f"*New / known*\n{sum(t.new for t in failing)} / {sum(not t.new for t in failing)}, oldest {oldest} nights",
        f"*Duration*\n{words.duration((report.ended - report.started).total_seconds())}",
        f"*Leaks*\n{ledger.leaked} of {ledger.created} resources, {ledger.unknown} unknown",
        f"*Flaky / quarantine*\n{report.totals.flaky} / {report.totals.quarantined} of {report.totals.declared}",
    ]
    if total:
        fields.append(f"*Money at risk*\n{words.money(risk)} of {words.money(total)} a month")
    if report.builds:
        fields.append(f"*Builds*\n{escape(', '.join(f'{k} {v}' for k, v in sorted(report.builds.items())))[:500]}")
    return fields


def _matrix(report: RunReport) -> str:
    width = max((len(f"{c.suite} {c.backend}") for c in report.cells[:CELLS]), default=4)
    lines = [f"{f'{cell.suite} {cell.backend}':<{min(width, 40)}.40}  {_counts(cell)}" for cell in report.cells[:CELLS]]
    more = [f"… +{len(report.cells) - CELLS} more in the report"] if len(report.cells) > CELLS else []
    return "\n".join([*lines, *more]) or "no cells"


def _counts(cell: Any) -> str:
    return " ".join(f"{words.SYMBOLS[v]}{getattr(cell, v.value)}" for v in words.SYMBOLS if getattr(cell, v.value))


def _top_cause(report: RunReport) -> list[dict[str, Any]]:
    found = clusters(report.tests)
    if not found:
        return []
    top = found[0]
    owners = ", ".join(sorted({test.owner or "unowned" for test in top.tests}))[:200]
    lead = f"*Top cause* ({len(top.tests)} of {sum(len(c.tests) for c in found)} failures, owner {escape(owners)})"
    again = f"\nAgain: `{escape(report.rerun[:300])}`" if report.rerun else ""
    return [_section(f"{lead}\n{_cut(escape(top.text), 800)}{again}")]


def _buttons(report_link: str) -> list[dict[str, Any]]:
    if not report_link.startswith(("http://", "https://")) or len(report_link) > limits.URL:
        return []
    return [
        {
            "type": "actions",
            "elements": [{"type": "button", "text": {"type": "plain_text", "text": "Report"}, "url": report_link}],
        }
    ]


def _context(report: RunReport, report_link: str) -> str:
    why = "interrupted" if report.interrupted else f"the night is {words.colour_word(report)}"
    place = f" · report {escape(report_link[:300])}" if report_link else ""
    return f"run {report.run_id} · suites {report.suite_hash[:12]} · seeds {report.seed_hash[:12]} · why: {why}{place}"


def _replies(report: RunReport) -> tuple[str, ...]:
    if report.colour is None or report.colour.value == "GREEN":
        return ()
    found = [f"{len(c.tests)} × {_cut(escape(c.text), 300)} `{c.id}`" for c in clusters(report.tests)]
    debt = [_line(t) for t in report.tests if t.verdict in (Verdict.FLAKY, Verdict.QUARANTINED)]
    leaks = [escape(entry[:200]) for entry in report.ledger.entries_leaked]
    checks = [
        f"✗ {escape(c.name)}: {escape(c.detail[:300])} {escape(c.remedy[:300])}" for c in report.checks if not c.ok
    ]
    sections = [
        ("Failed checks", checks),
        ("Failures by cause", found),
        ("Flaky and quarantine", debt),
        ("Left behind", leaks),
        ("Every test that did not pass", _listed(report)),
    ]
    return tuple(_reply(title, lines) for title, lines in sections if lines)[: limits.REPLIES]


def _reply(title: str, lines: Iterable[str]) -> str:
    return _cut("\n".join([f"*{title}*", *words.middle_cut(list(lines), LISTED)]), limits.TEXT)


def _recovery(report: RunReport, alarm: Night) -> str:
    rate = words.fraction(report.pass_rate.after_retry)
    return (
        f"✅ Recovered: {words.colour_word(report)} with {rate} after retry, run {report.run_id} after {alarm.run_id}."
    )
