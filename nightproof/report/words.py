"""Words and symbols that all writers share, so that terminal, Slack, Markdown and HTML say the same."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING
from typing import Final

from nightproof.records import Colour
from nightproof.records import Rate
from nightproof.records import RunReport
from nightproof.records import TestVerdict
from nightproof.records import Verdict
from nightproof.verdict.assemble import COUNTS
from nightproof.verdict.cause import short_name
from nightproof.verdict.sentences import listed
from nightproof.verdict.sentences import plural

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Sequence

    from nightproof.records import Totals

# One symbol per state, no reuse: a matrix must tell failing, timing out, unsupported and not run apart.
SYMBOLS: Final = {
    Verdict.PASSED: "✓",
    Verdict.FLAKY: "≈",
    Verdict.FAILED: "✗",
    Verdict.ERROR: "!",
    Verdict.TIMEOUT: "⧖",
    Verdict.HOLLOW: "○",
    Verdict.BLOCKED: "■",
    Verdict.UNSUPPORTED: "–",
    Verdict.QUARANTINED: "◐",
    Verdict.NOT_RUN: "?",
}
# Verdicts that need action come first.
WORST_FIRST: Final = (
    Verdict.HOLLOW,
    Verdict.NOT_RUN,
    Verdict.FAILED,
    Verdict.ERROR,
    Verdict.TIMEOUT,
    Verdict.BLOCKED,
    Verdict.FLAKY,
    Verdict.QUARANTINED,
    Verdict.UNSUPPORTED,
    Verdict.PASSED,
)
NAMES_LIMIT: Final = 120  # characters of test names in the first line
INTERRUPTED: Final = "INTERRUPTED"
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def scrub(text: str) -> str:
    """Return the text without control characters and lone surrogates, which some outputs cannot carry."""
    return _UNPRINTABLE.sub("", text)


def colour_word(report: RunReport) -> str:
    """Return the colour as a word, `INTERRUPTED` for an interrupted night."""
    return report.colour.value if report.colour else INTERRUPTED


def fraction(rate: Rate) -> str:
    """Return a rate with its denominator, never a bare percentage."""
    return f"{rate.n} of {rate.of}"


def headline(report: RunReport) -> str:
    """Return the first line of every output: the cause, or for GREEN the number of tests that passed."""
    if report.cause:
        return report.cause
    rate = report.pass_rate.after_retry
    left_out = [f"{report.totals.declared} declared", f"{report.totals.unsupported} unsupported"]
    where = " on this live target" if report.target == "live" else ""
    return f"{fraction(rate)} tests passed{where}{_second_attempts(report)} ({', '.join(left_out)})."


def _second_attempts(report: RunReport) -> str:
    """Return the tests that needed a second attempt: without them a GREEN would claim more than was seen."""
    flaky = [short_name(test) for test in report.tests if test.verdict is Verdict.FLAKY]
    if not flaky:
        return ""
    names = listed(flaky, NAMES_LIMIT)
    return f", {len(flaky)} of them in a second attempt: {names}"


def totals_pairs(totals: Totals) -> list[tuple[str, int]]:
    """Return declared, reported and the ten counts, in the order of the contract."""
    return [(name, int(getattr(totals, name))) for name in COUNTS]


def counts(report: RunReport) -> list[tuple[str, int]]:
    """Return the totals and the counts of each comparison: all numbers that are read back from a page."""
    pairs = totals_pairs(report.totals)
    for one in report.consistency:
        name = f"{one.suite}_{'_'.join(one.backends)}"
        pairs += [(f"{name}_{key}", int(getattr(one, key))) for key in ("tests", "equal", "differs", "one_side")]
    return pairs


def totals_line(totals: Totals) -> str:
    """Return all counts as one line that people read and `parse_totals` parses."""
    return " · ".join(f"{name} {number}" for name, number in totals_pairs(totals))


def parse_totals(text: str) -> dict[str, int]:
    """Parse the counts from the first line that `totals_line` made."""
    match = re.search(r"declared \d+ · .*", text)
    found = re.findall(r"(\w+) (\d+)", match[0]) if match else []
    return {name: int(number) for name, number in found}


def worst_first(tests: Iterable[TestVerdict]) -> list[TestVerdict]:
    """Return the tests sorted by urgency, then by name."""
    return sorted(tests, key=lambda test: (WORST_FIRST.index(test.verdict), test.id, test.backend))


def unpassed(report: RunReport) -> list[TestVerdict]:
    """Return the tests that ask for action: neither passed, unsupported nor quarantined, nor explained by the cause."""
    quiet = {Verdict.PASSED, Verdict.UNSUPPORTED, Verdict.QUARANTINED}
    if report.colour is Colour.BLOCKED:
        quiet.add(Verdict.BLOCKED)
    if report.interrupted:
        quiet.add(Verdict.NOT_RUN)
    return worst_first(test for test in report.tests if test.verdict not in quiet)


def duration(seconds: float) -> str:
    """Return a duration for people: `5.0 s`, `3 min 07 s` or `1 h 02 min`."""
    if seconds < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def size(number: float) -> str:
    """Return bytes with a decimal unit."""
    for unit in ("B", "kB", "MB"):
        if number < 1000:  # noqa: PLR2004 - decimal units
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def money(usd: float | None) -> str:
    """Return an amount in USD, or `not measured`."""
    return "not measured" if usd is None else f"{usd:,.2f} USD"


def first_lines(lines: Sequence[str], number: int, characters: int = sys.maxsize) -> list[str]:
    """Return at most `number` whole lines within `characters`; a last line counts the others."""
    kept = list(lines[:number])
    while True:
        more = [f"… and {len(lines) - len(kept)} more in the report"] if len(kept) < len(lines) else []
        if not kept or len("\n".join([*kept, *more])) <= characters:
            return [*kept, *more]
        kept.pop()


def repairs(report: RunReport) -> list[str]:
    """Return the objects that seeding found damaged and repaired."""
    return [repair for seed in report.seeds for repair in seed.repairs]


def undelivered(report: RunReport) -> str:
    """Return a sentence about an undelivered or incomplete Slack message, or ""."""
    return f"The Slack message was not delivered: {report.slack.trouble}." if report.slack.trouble else ""


def standing(report: RunReport) -> str:
    """Return for how many nights GREEN has been missing; "" on the first of them."""
    nights = report.not_green_nights
    return f"not green for {plural(nights, 'night')}" if nights > 1 else ""


def is_bad(colour: Colour | None) -> bool:
    """Return whether a night of this colour raises an alarm."""
    return colour in (Colour.RED, Colour.BLOCKED)


def quantity(value: Rate | float | None) -> str:
    """Return a gate's value or limit as text."""
    if value is None:
        return "not measured"
    return fraction(value) if isinstance(value, Rate) else f"{value:g}"
