"""The night as one self-contained page, answers before data; also reads its numbers back."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from jinja2 import Environment
from jinja2 import PackageLoader
from jinja2 import StrictUndefined

from nightproof.records import RunReport
from nightproof.records import Verdict
from nightproof.records import utc_text
from nightproof.report import charts
from nightproof.report import matrix
from nightproof.report import sections
from nightproof.report import words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Sequence

    from nightproof.history.nights import Night

_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("nightproof.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters.update(
    duration=words.duration,
    size=words.size,
    money=words.money,
    fraction=words.fraction,
    quantity=words.quantity,
    utc=utc_text,
    symbol=words.SYMBOLS.__getitem__,
    plain=words.scrub,
)


def render(report: RunReport, nights: Sequence[Night] = (), evidence: Mapping[str, Sequence[str]] | None = None) -> str:
    """Return the page.

    `nights` are earlier ones, for the history grid and the changes since. `evidence` holds the existing files by
    evidence folder: the page links to nothing else.
    """
    past = sorted((night for night in nights if night.run_id != report.run_id), key=lambda night: night.started)
    return _ENVIRONMENT.get_template("report.html.j2").render(
        r=report,
        colour=words.colour_word(report),
        headline=words.scrub(words.headline(report)),
        undelivered=words.scrub(words.undelivered(report)),
        totals=words.totals_pairs(report.totals),
        counts=dict(words.counts(report)),
        wall_s=(report.ended - report.started).total_seconds(),
        changes=sections.changes(report, past),
        matrices=matrix.tables(report),
        matrix=matrix,
        reasons=matrix.reasons(report),
        causes=sections.causes(report),
        revenue=sections.revenue(report),
        debt=sections.with_verdicts(report, Verdict.FLAKY, Verdict.QUARANTINED),
        unsupported=sections.unsupported(report),
        stages=sections.stage_bars(report),
        slowest=sections.slowest(report),
        grid=charts.history_grid(report, past),
        spark=charts.sparkline([night.duration_s for night in past if night.is_counted]),
        tests=words.worst_first(report.tests),
        verdicts=list(Verdict),
        evidence=lambda test: sections.evidence_links(test, evidence or {}),
        anchor=sections.anchor,
        failed_attempts=sections.failed_attempts,
    )


class _Reader(HTMLParser):
    """Reads the visible numbers: text inside elements that carry `data-total`, `id=colour`, `id=headline`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.verdicts: list[str] = []
        self.statuses: list[str] = []
        self._key: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the key of the text that follows."""
        del tag
        given = dict(attrs)
        self._key = given.get("data-total") or ({"colour": "#colour", "headline": "#headline"}).get(
            given.get("id") or ""
        )
        self._key = {"verdict-word": "#verdict", "status-word": "#status"}.get(given.get("class") or "", self._key)

    def handle_data(self, data: str) -> None:
        """Store the text under the remembered key."""
        if self._key == "#verdict":
            self.verdicts.append(data.strip())
        elif self._key == "#status":
            self.statuses.append(data.strip())
        elif self._key:
            self.found[self._key] = data
        self._key = None


def parse(page: str) -> tuple[dict[str, int], str, str]:
    """Return totals, colour and headline as the page shows them."""
    reader = _Reader()
    reader.feed(page)
    totals = {key: int(text) for key, text in reader.found.items() if not key.startswith("#") and _is_number(text)}
    return totals, reader.found.get("#colour", "").strip(), reader.found.get("#headline", "").strip()


def recount(page: str) -> dict[str, int]:
    """Return the number of test-table rows per verdict."""
    reader = _Reader()
    reader.feed(page)
    return {verdict.value: reader.verdicts.count(verdict.value) for verdict in Verdict}


def restatuses(page: str) -> Counter[str]:
    """Return the number of categories per status in the support matrix."""
    reader = _Reader()
    reader.feed(page)
    return Counter(reader.statuses)


def _is_number(text: Any) -> bool:
    return re.fullmatch(r"\s*\d+\s*", str(text)) is not None
