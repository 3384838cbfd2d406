"""The night as a Slack message: pure, one parent of at most 12 blocks and at most 5 thread replies."""

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
from nightproof.verdict.sentences import listed
from nightproof.verdict.sentences import plural
from nightproof.verdict.sentences import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Sequence

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


def render(
    report: RunReport, report_link: str = "", *, mention: str = "", alarm: Night | None = None, run_link: str = ""
) -> SlackMessage:
    """Return the message; `mention` is the user group of the default owner, called only for new failures.

    `run_link` leads to the run in Prefect, and is empty if that server will not outlive the run.
    """
    text = _text(report)
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": _header(report), "emoji": True}},
        _section(f"*{words.colour_word(report)}*: {escape(words.headline(report))}{_call(report, mention)}"),
        {"type": "section", "fields": [{"type": "mrkdwn", "text": text} for text in _fields(report)]},
        _section(f"```{_code(escape(_matrix(report)))}```"),
        *_top_cause(report),
        _section(f"`{escape(words.totals_line(report.totals))}`"),
        *_buttons(("Report", report_link), ("Run", run_link)),
        {"type": "context", "elements": [{"type": "mrkdwn", "text": _context(report, report_link, run_link)}]},
    ]
    recovery = _recovery(report, alarm) if alarm and report.colour and not words.is_bad(report.colour) else ""
    return SlackMessage(text, tuple(blocks), _replies(report), recovery)


def parse(text: str) -> tuple[dict[str, int], str, str]:
    """Return totals, colour and headline from the message's text."""
    plain = html.unescape(text)
    first = re.match(r"\S+ (\S+): (.*)", plain)
    return words.parse_totals(plain), first[1] if first else "", first[2] if first else ""


def escape(text: str) -> str:
    """Return the text with Slack's markup escaped; mentions in test output must not call anybody."""
    return words.scrub(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escaped(text: str, limit: int) -> str:
    """Return the text shortened and escaped so that the result fits the limit and no entity is cut."""
    room = limit
    while len(told := escape(shorten(text, room))) > limit:
        room = room * 4 // 5
    return told


def _code(text: str) -> str:
    """Return escaped text without backticks, safe inside a code block."""
    return text.replace("`", "'")


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _header(report: RunReport) -> str:
    """Return the first clause of the headline; the next block holds all of it."""
    start = f"{_ICONS[words.colour_word(report)]} {shorten(words.scrub(report.profile), 40)}: "
    clause = re.split(r"[:,;] | \(", words.scrub(words.headline(report)))[0].rstrip(".,:;")
    return start + shorten(clause, limits.HEADER - len(start))


def _text(report: RunReport) -> str:
    first = f"{_ICONS[words.colour_word(report)]} {words.colour_word(report)}: {escape(words.headline(report))}"
    lines = [first, escape(words.totals_line(report.totals))]
    room = limits.TEXT - len("\n".join(lines)) - 1
    return "\n".join([*lines, *words.first_lines(_tests(words.unpassed(report)), LISTED, room)])


def _tests(tests: Iterable[TestVerdict]) -> list[str]:
    return [_line(test) for test in tests]


def _line(test: TestVerdict) -> str:
    known = f", for {plural(test.age_nights, 'night')}" if test.age_nights > 1 else ""
    name = _escaped(f"{test.id} ({test.backend})", 200)
    return (
        f"{words.SYMBOLS[test.verdict]} {test.verdict.value.replace('_', ' ')}: {name}{', new' if test.new else known}"
    )


def _call(report: RunReport, mention: str) -> str:
    # On the first night nothing counts as new, but nobody knows its failures yet.
    new = any((test.new or test.age_nights == 1) and test.verdict in FAILURES for test in report.tests)
    if not (mention and words.is_bad(report.colour) and new):
        return ""
    return f" <!subteam^{mention}>" if mention.startswith("S") else f" <@{mention}>"


def _fields(report: RunReport) -> list[str]:
    critical = [t for t in report.tests if t.tier == "critical" and t.verdict is not Verdict.UNSUPPORTED]
    protected = sum(test.verdict in (Verdict.PASSED, Verdict.FLAKY) for test in critical)
    rate = report.pass_rate
    ledger = report.ledger
    risk = sum(j.mrr_usd or 0 for j in report.journeys if j.state == "at_risk")
    total = sum(j.mrr_usd or 0 for j in report.journeys)
    fields = [
        f"*First attempt / after retry*\n{words.fraction(rate.first_attempt)} / {words.fraction(rate.after_retry)}",
        f"*Critical*\n{protected} of {len(critical)}",
        f"*To act on*\n{_news(words.unpassed(report))}",
        f"*Duration*\n{words.duration((report.ended - report.started).total_seconds())}",
        f"*Leaks*\n{ledger.leaked} of {ledger.created} resources, {ledger.unknown} unknown",
        f"*Flaky / quarantine*\n{report.totals.flaky} / {report.totals.quarantined} of {report.totals.declared}",
    ]
    if total:
        fields.append(f"*Money at risk*\n{words.money(risk)} of {words.money(total)} a month")
    if report.builds:
        builds = listed([f"{name} {build}" for name, build in sorted(report.builds.items())], 500)
        fields.append(f"*Builds*\n{_escaped(builds, 500)}")
    return fields


def _news(failing: list[TestVerdict]) -> str:
    """Return the number of tests that need action, split into new and known if an earlier night allows it."""
    new = sum(test.new for test in failing)
    ages = [test.age_nights for test in failing if test.age_nights > 1]
    parts = [f"{new} new"] if new else []
    parts += [f"{len(ages)} known, the oldest for {plural(max(ages), 'night')}"] if ages else []
    return f"{plural(len(failing), 'test')}{': ' if parts else ''}{', '.join(parts)}"


def _matrix(report: RunReport) -> str:
    width = max((len(f"{c.suite} {c.backend}") for c in report.cells[:CELLS]), default=4)
    lines = [f"{f'{cell.suite} {cell.backend}':<{min(width, 40)}.40}  {_counts(cell)}" for cell in report.cells[:CELLS]]
    more = [f"… and {len(report.cells) - CELLS} more in the report"] if len(report.cells) > CELLS else []
    return "\n".join([*lines, *more]) or "no cells"


def _counts(cell: Any) -> str:
    return " ".join(f"{words.SYMBOLS[v]}{getattr(cell, v.value)}" for v in words.SYMBOLS if getattr(cell, v.value))


def _top_cause(report: RunReport) -> list[dict[str, Any]]:
    found = clusters(report.tests)
    if not found:
        return []
    top = found[0]
    owners = _escaped(listed(sorted({test.owner or "unowned" for test in top.tests}), 200), 200)
    lead = f"*Top cause* ({len(top.tests)} of {plural(sum(len(c.tests) for c in found), 'failure')}, owner {owners})"
    again = f"\nAgain: `{_code(_escaped(report.rerun, 500))}`" if report.rerun else ""
    return [_section(f"{lead}\n{_escaped(top.message, 800)}{again}")]


def _buttons(*links: tuple[str, str]) -> list[dict[str, Any]]:
    found = [
        {"type": "button", "text": {"type": "plain_text", "text": title}, "url": link}
        for title, link in links
        if link.startswith(("http://", "https://")) and len(link) <= limits.URL
    ]
    return [{"type": "actions", "elements": found}] if found else []


def _context(report: RunReport, report_link: str, run_link: str) -> str:
    standing = f", {words.standing(report)}" if words.standing(report) else ""
    why = f"{'interrupted' if report.interrupted else f'the night is {words.colour_word(report)}'}{standing}"
    links = (("report", report_link), ("Prefect", run_link))
    place = [f"{name} {escape(link)}" for name, link in links if 0 < len(escape(link)) <= limits.LINK]
    hashes = [f"{name} {value[:12]}" for name, value in (("suites", report.suite_hash), ("seeds", report.seed_hash))]
    named = [text for text in hashes if not text.endswith(" ")]
    return " · ".join([f"run {report.run_id}", *named, f"why: {why}", *place])


def _replies(report: RunReport) -> tuple[str, ...]:
    if report.colour is None or report.colour.value == "GREEN":
        return ()
    found = [f"{len(c.tests)} × {_escaped(c.message, 400)} `{c.id}`" for c in clusters(report.tests)]
    debt = _tests(test for test in report.tests if test.verdict in (Verdict.FLAKY, Verdict.QUARANTINED))
    leaks = [_escaped(entry, 300) for entry in report.ledger.entries_leaked]
    checks = [
        f"✗ {_escaped(c.name, 100)}: {_escaped(c.detail.rstrip(' .'), 400)}. {_escaped(c.remedy, 400)}"
        for c in report.checks
        if not c.ok
    ]
    sections = [
        ("Failed checks", checks),
        ("Failures by cause", found),
        ("Flaky and quarantine", debt),
        ("Left behind", leaks),
        ("Every test that did not pass", _tests(words.unpassed(report))),
    ]
    return tuple(_reply(title, lines) for title, lines in sections if lines)[: limits.REPLIES]


def _reply(title: str, lines: Sequence[str]) -> str:
    head = f"*{title}*"
    return "\n".join([head, *words.first_lines(lines, LISTED, limits.TEXT - len(head) - 1)])


def _recovery(report: RunReport, alarm: Night) -> str:
    rate = words.fraction(report.pass_rate.after_retry)
    return (
        f"✅ Recovered: {words.colour_word(report)} with {rate} after retry, run {report.run_id} after {alarm.run_id}."
    )
