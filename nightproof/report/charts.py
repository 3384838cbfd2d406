"""The small pictures of the page as hand-written SVG: half a kilobyte each, no library, no script."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from typing import Final

from markupsafe import Markup

from nightproof.history.nights import Night
from nightproof.history.nights import night_of
from nightproof.records import RunReport
from nightproof.records import Verdict
from nightproof.report import words

if TYPE_CHECKING:
    from collections.abc import Sequence

NIGHTS: Final = 30
ROWS: Final = 40
STEP: Final = 18
LABEL: Final = 380


def sparkline(values: Sequence[float], width: int = 160, height: int = 28) -> Markup:
    """Return a line over the last 30 nights at most; empty for fewer than two."""
    shown = list(values)[-NIGHTS:]
    if len(shown) < 2:  # noqa: PLR2004 - one point is no line
        return Markup("")
    low, high = min(shown), max(shown)
    spread = (high - low) or 1.0
    points = " ".join(
        f"{2 + i * (width - 4) / (len(shown) - 1):.1f},{height - 3 - (value - low) / spread * (height - 6):.1f}"
        for i, value in enumerate(shown)
    )
    title = f"{len(shown)} nights, {words.duration(low)} to {words.duration(high)}"
    return Markup(  # noqa: S704 - numbers only
        f'<svg class="spark" role="img" aria-label="{title}" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}"><title>{title}</title><polyline points="{points}"/></svg>'
    )


def history_grid(report: RunReport, past: Sequence[Night]) -> Markup:
    """Return a grid of nights (columns) and the tests that ever failed in them (rows), with a symbol in each square."""
    nights = [*past[-NIGHTS + 1 :], night_of(report)]
    if len(nights) < 2:  # noqa: PLR2004 - tonight alone is no history
        return Markup("")
    quiet = (None, Verdict.PASSED, Verdict.UNSUPPORTED, Verdict.BLOCKED)
    keys = [(test.id, test.backend) for test in words.worst_first(report.tests)]
    rows = [key for key in keys if any(night.verdicts.get(key) not in quiet for night in nights)][:ROWS]
    width, height = LABEL + STEP * len(nights), STEP * (len(rows) + 1)
    marks = [_label("the night", 0), *[_night(column, night) for column, night in enumerate(nights)]]
    for row, key in enumerate(rows, start=1):
        marks.append(_label(f"{key[0].rpartition('::')[2]} ({key[1]})", row))
        marks += [_square(column, row, night, key) for column, night in enumerate(nights)]
    label = f"{len(nights)} nights, {len(rows)} tests that did not always pass"
    return Markup(  # noqa: S704 - every text is escaped where it enters
        f'<svg class="grid" role="img" aria-label="{label}" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}"><title>{label}</title>{"".join(marks)}</svg>'
    )


def _label(text: str, row: int) -> str:
    short = words.scrub(text)
    short = short if len(short) <= 56 else f"{short[:55]}…"  # noqa: PLR2004 - characters that fit beside the squares
    return f'<text class="label" x="{LABEL - 8}" y="{row * STEP + 13}">{escape(short)}</text>'


def _night(column: int, night: Night) -> str:
    word = night.colour.value if night.colour else words.INTERRUPTED
    title = f"{night.run_id}: {word}"
    return _box(column, 0, f"c-{word.lower()}", word[0] if night.colour else "–", title)


def _square(column: int, row: int, night: Night, key: tuple[str, str]) -> str:
    verdict = night.verdicts.get(key)
    if verdict is None:
        return ""
    title = f"{night.run_id}: {verdict.value}"
    return _box(column, row, f"v-{verdict.value}", words.SYMBOLS[verdict], title)


def _box(column: int, row: int, style: str, symbol: str, title: str) -> str:
    x, y = LABEL + column * STEP, row * STEP
    return (
        f'<g class="box {style}"><title>{escape(title)}</title><rect x="{x + 1}" y="{y + 1}" width="{STEP - 2}" '
        f'height="{STEP - 2}" rx="3"/><text x="{x + STEP / 2}" y="{y + 13}">{symbol}</text></g>'
    )
