"""Publication of a night: render all, write all, read back and reconcile; a violated check makes it RED, written again.

The order is that of the run directory's contract. HTML, Markdown and JUnit carry no delivery result.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

from nightproof.records import CAUSE_LIMIT
from nightproof.records import REPORT
from nightproof.records import RunReport
from nightproof.records import SlackDelivery
from nightproof.report import html
from nightproof.report import junit
from nightproof.report import markdown
from nightproof.report import words
from nightproof.report.files import dump_report
from nightproof.report.files import read_report
from nightproof.report.files import write_atomic
from nightproof.verdict.assemble import violate
from nightproof.verdict.reconcile import reconcile
from nightproof.verdict.sentences import shorten

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from nightproof.history.nights import Night


def publish(
    report: RunReport,
    run_dir: Path,
    declared: Mapping[tuple[str, str], frozenset[str]],
    *,
    redact: Callable[[str], str] = str,
    nights: Sequence[Night] = (),
) -> RunReport:
    """Write report.json, report.html, report.md and junit.xml; return the report as published.

    `declared` holds the declared ids by (suite, backend), see `assemble.declared`. Safe to repeat.
    """
    clean = redacted(report, redact)
    write_all(clean, run_dir, redact=redact, nights=nights)
    violations = reconcile(run_dir, clean, declared, redact)
    if not violations:
        return clean
    red = redacted(violate(clean, (*clean.reconciliation.violations, *violations)), redact)
    write_all(red, run_dir, redact=redact, nights=nights)
    return red


def write_all(
    report: RunReport, run_dir: Path, *, redact: Callable[[str], str] = str, nights: Sequence[Night] = ()
) -> None:
    """Render every file before the first is written, so that a failing writer leaves no half-new directory."""
    files = {
        "report.html": html.render(report, nights, evidence_files(run_dir)),
        "report.md": markdown.render(report),
        "junit.xml": junit.render(report),
        "report.json": dump_report(report),
    }
    for name, text in files.items():
        write_atomic(run_dir / name, redact(text))


def evidence_files(run_dir: Path) -> dict[str, list[str]]:
    """Return the names of the files in each evidence folder of a run."""
    found: dict[str, list[str]] = {}
    for path in sorted(run_dir.glob("evidence/*/*")):
        found.setdefault(path.parent.name, []).append(path.name)
    return found


def redacted(report: RunReport, redact: Callable[[str], str]) -> RunReport:
    """Return the report with every text scrubbed and masked; a writer's escaping could hide a secret from masking."""
    data = _texts(REPORT.dump_python(report, mode="json"), redact)
    return REPORT.validate_python({**data, "cause": shorten(data["cause"], CAUSE_LIMIT)})


def patch_delivery(
    run_dir: Path,
    slack: SlackDelivery,
    stages: Mapping[str, float],
    ended: datetime,
    *,
    redact: Callable[[str], str] = str,
    nights: Sequence[Night] = (),
) -> RunReport:
    """Write `slack`, the stages publish, notify and stop, and `ended` into report.json, atomically.

    An undelivered message is shown on the pages too, which are then written again.
    """
    report = read_report(run_dir / "report.json")
    late = {name: stages[name] for name in ("publish", "notify", "stop") if name in stages}
    patched = redacted(replace(report, slack=slack, stages={**report.stages, **late}, ended=ended), redact)
    if patched.slack.trouble:
        write_atomic(run_dir / "report.html", redact(html.render(patched, nights)))
        write_atomic(run_dir / "report.md", redact(markdown.render(patched)))
    write_atomic(run_dir / "report.json", redact(dump_report(patched)))
    return patched


def _texts(value: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return redact(words.scrub(value))
    if isinstance(value, dict):
        return {key: _texts(inner, redact) for key, inner in value.items()}
    return [_texts(inner, redact) for inner in value] if isinstance(value, list) else value
