"""The page and the shared words: first nights, second attempts and failures read the same in every writer."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nightproof.records import Outcome
from nightproof.report import html
from nightproof.report import markdown
from nightproof.report import slack
from nightproof.report import text
from nightproof.report import words
from nightproof.report.publish import evidence_files
from nightproof.report.sections import anchor
from nightproof.verdict.assemble import build_report
from tests.golden import samples

if TYPE_CHECKING:
    from pathlib import Path

    from nightproof.records import Proof
    from nightproof.records import RunReport
    from nightproof.records import TestVerdict

PUSH = "quilt_ops/test_packages::test_push_then_browse"


def red(*, first: bool = False) -> RunReport:
    """Return the report of the red sample night; as the first counted one when asked."""
    facts = samples.red()
    return build_report(replace(facts, nights=()) if first else facts)


def failing(report: RunReport) -> TestVerdict:
    """Return the failing test whose sample has a place, a traceback and output."""
    return next(test for test in report.tests if test.id == PUSH and test.backend == "platform")


def row(page: str, test: TestVerdict) -> str:
    """Return the table row of a test."""
    found = re.search(rf'<tr id="{anchor(test)}".*?</tr>', page, re.DOTALL)
    assert found
    return found[0]


def test_first_night_tells_one_story() -> None:
    """Without an earlier night no writer calls a failure new, known or still failing."""
    report = red(first=True)
    for page in (html.render(report), markdown.render(report), text.render(report), slack.render(report).text):
        assert not re.search(r"\bnew\b(?! or known yet)|[Ss]till failing|Changed since", visible(page))
    assert "first counted night" in html.render(report)


def visible(page: str) -> str:
    """Return what a person reads of a page."""
    return re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]*>", " ", page, flags=re.DOTALL)


def test_later_night_compares() -> None:
    """With an earlier night the page names it and splits the failures into new and known."""
    facts = samples.red()
    page = html.render(build_report(facts), facts.nights)
    assert "Changed since last night" in page
    assert "failures: new / known" in page


def test_green_night_names_the_second_attempts() -> None:
    """A GREEN with second attempts names their tests in the first line of every output."""
    facts = samples.green()
    first = facts.cells[0]
    assert first.events
    failed = samples.attempt(1, Outcome.FAILED, "RuntimeError: slow")
    attempts = {**first.events.attempts, PUSH: (failed, samples.attempt(2))}
    events = replace(first.events, attempts=attempts)
    report = build_report(replace(facts, cells=(replace(first, events=events), *facts.cells[1:])))
    assert report.colour == "GREEN"
    named = "1 of them in a second attempt: test_push_then_browse (quilt3)"
    told = f"23 of 23 tests passed, {named} (24 declared, 1 unsupported)."
    assert words.headline(report) == told
    assert told in visible(html.render(report))


def test_row_of_a_failure_explains_it() -> None:
    """A failure's row holds place, exchange, traceback and output of every attempt, and the cause links to it."""
    report = red()
    page = html.render(report)
    mine = row(page, failing(report))
    for told in (
        "suites/quilt_ops/test_packages.py:41",
        "PUT /work/data.csv answered 403",
        "s3.put_object(**given)",
        "put",
    ):
        assert told in mine
    assert f'href="#{anchor(failing(report))}"' in page


def test_page_links_to_the_evidence_that_is_there(tmp_path: Path) -> None:
    """Every file of an evidence folder has a link; a missing folder has none."""
    report = red()
    folder = tmp_path / "evidence" / anchor(failing(report))
    folder.mkdir(parents=True)
    for name in ("exchanges.json", "rerun.txt"):
        (folder / name).touch()
    page = html.render(report, (), evidence_files(tmp_path))
    assert sorted(set(re.findall(r'href="(evidence/[^"]*)"', page))) == [
        f"evidence/{folder.name}/exchanges.json",
        f"evidence/{folder.name}/rerun.txt",
    ]


@pytest.mark.parametrize("proof", ["call", "fixture", "relay", "vouched"])
def test_row_says_how_a_test_is_proven(proof: Proof) -> None:
    """Each row shows its proof, and the reason of a vouched test."""
    facts = samples.foreign()
    (cell,) = facts.cells
    assert cell.events
    test, (attempt, *_) = next((test, found) for test, found in cell.events.attempts.items() if found)
    why = "the till prints on paper" if proof == "vouched" else ""
    events = replace(cell.events, attempts={test: (replace(attempt, proof=proof, vouched=why),)})
    report = build_report(replace(facts, cells=(replace(cell, events=events),)))
    shown = visible(row(html.render(report), next(found for found in report.tests if found.id == test)))
    assert proof in shown
    assert (f"vouched: {why}" in shown) == (proof == "vouched")
