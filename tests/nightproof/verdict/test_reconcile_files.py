"""Reconciliation reads the written files back and compares each with the report."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING
from typing import Final

import pytest

from nightproof.evidence.eventlog import EventLog
from nightproof.report.publish import write_all
from nightproof.verdict.assemble import build_report
from nightproof.verdict.assemble import declared
from nightproof.verdict.reconcile import reconcile
from tests.golden import samples
from tests.golden.logs import write_logs

if TYPE_CHECKING:
    from pathlib import Path

# file, what it says, what somebody makes of it, the sentence
EDITS: Final = {
    "count in HTML": (
        "report.html",
        'data-total="hollow">1<',
        'data-total="hollow">0<',
        "report.html carries other totals than the report: hollow.",
    ),
    "row of HTML": (
        "report.html",
        'class="verdict-word">hollow<',
        'class="verdict-word">passed<',
        "The tests listed in report.html are not those that its totals count.",
    ),
    "colour of HTML": ("report.html", ">RED<", ">GREEN<", "report.html carries the colour GREEN, the report RED."),
    "cause of HTML": (
        "report.html",
        "did not pass (",
        "passed (",
        "report.html carries another cause than the report.",
    ),
    "count in Markdown": (
        "report.md",
        "total: failed | 2 |",
        "total: failed | 0 |",
        "report.md carries other totals than the report: failed.",
    ),
    "count left out of Markdown": (
        "report.md",
        "| total: failed | 2 |\n",
        "",
        "report.md carries other totals than the report: failed.",
    ),
    "colour of Markdown": ("report.md", " RED: ", " AMBER: ", "report.md carries the colour AMBER, the report RED."),
    "heading of Markdown": ("report.md", "# ", "", "report.md carries the colour none, the report RED."),
    "cause of Markdown": (
        "report.md",
        "did not pass (",
        "passed (",
        "report.md carries another cause than the report.",
    ),
    "count in JUnit": (
        "junit.xml",
        'name="timeout" value="1"',
        'name="timeout" value="0"',
        "junit.xml carries other totals than the report: timeout.",
    ),
    "case of JUnit": (
        "junit.xml",
        'name="verdict" value="timeout"',
        'name="verdict" value="passed"',
        "The tests listed in junit.xml are not those that its totals count.",
    ),
    "colour of JUnit": (
        "junit.xml",
        'value="RED"',
        'value="GREEN"',
        "junit.xml carries the colour GREEN, the report RED.",
    ),
    "cause of JUnit": ("junit.xml", "did not pass (", "passed (", "junit.xml carries another cause than the report."),
    "equal answers in HTML": (
        "report.html",
        'data-total="quilt_ops_quilt3_platform_differs">1<',
        'data-total="quilt_ops_quilt3_platform_differs">0<',
        "report.html carries other totals than the report: quilt_ops_quilt3_platform_differs.",
    ),
    "status in HTML": (
        "report.html",
        'class="status-word">timing out<',
        'class="status-word">pass<',
        "The support matrix of report.html shows other statuses than the report.",
    ),
    "equal answers in Markdown": (
        "report.md",
        "total: quilt_ops_quilt3_platform_differs | 1 |",
        "total: quilt_ops_quilt3_platform_differs | 0 |",
        "report.md carries other totals than the report: quilt_ops_quilt3_platform_differs.",
    ),
    "report.json": (
        "report.json",
        '"declared": 24',
        '"declared": 23',
        "report.json carries other facts than the report: totals.",
    ),
}


@pytest.fixture
def red_night(tmp_path: Path) -> Path:
    """Return the run directory of the red sample night, consistent in all its files."""
    facts = samples.red()
    write_logs(tmp_path, facts)
    write_all(build_report(facts), tmp_path, nights=facts.nights)
    return tmp_path


def violations(run_dir: Path) -> tuple[str, ...]:
    """Reconcile the red night with the current files of its directory."""
    facts = samples.red()
    return reconcile(run_dir, build_report(facts), declared(facts))


@pytest.mark.parametrize("edit", EDITS)
def test_edited_file_is_named(red_night: Path, edit: str) -> None:
    """A file with another number, colour or cause is one violation that names it."""
    name, old, new, sentence = EDITS[edit]
    path = red_night / name
    text = path.read_text(encoding="utf-8")
    assert old in text, "the golden night no longer holds what this case edits"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert sentence in violations(red_night)


@pytest.mark.parametrize("name", ["report.html", "report.md", "junit.xml"])
def test_missing_file_is_named(red_night: Path, name: str) -> None:
    """A missing file is a violation that names it."""
    (red_night / name).unlink()
    assert violations(red_night) == (f"{name} was not written.",)


def test_damaged_report_json_is_named(red_night: Path) -> None:
    """A torn report.json is a violation, not a traceback."""
    path = red_night / "report.json"
    path.write_text(path.read_text(encoding="utf-8")[:500], encoding="utf-8")
    (sentence,) = violations(red_night)
    assert f"The report `{path}` cannot be read" in sentence


def test_undeclared_test_in_the_log_is_named(red_night: Path) -> None:
    """An undeclared test in an event log is a violation."""
    log = EventLog(red_night / "cells" / "quilt_ops-quilt3" / "events.jsonl")
    log.write("CellStart", suite="quilt_ops", backend="quilt3", time="2026-11-20T02:01:00+00:00")
    log.write("TestStart", id="quilt_ops/test_x::test_y", nodeid="x", time="2026-11-20T02:01:00+00:00")
    assert violations(red_night) == (
        "The event log of quilt_ops-quilt3 holds quilt_ops/test_x::test_y, which is not declared.",
        "The event log of quilt_ops-quilt3 reports 12 tests, the report 11.",
    )


def test_lost_event_log_is_named(red_night: Path) -> None:
    """A lost event log is a violation; the log of the second pass still accounts for its own tests."""
    (red_night / "cells" / "quilt_ops-platform" / "events.jsonl").unlink()
    found = violations(red_night)
    assert "The event log of quilt_ops-platform reports 3 tests, the report 11." in found
    held = [told[1] for sentence in found if (told := re.match(r"The log holds (\d+) attempts of", sentence))]
    assert Counter(held) == {"0": 8, "1": 3}
