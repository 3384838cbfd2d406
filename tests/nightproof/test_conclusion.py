"""Whole small nights of another team's suite as plain functions: their ends and their files."""

from __future__ import annotations

import html
import json
import shutil
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof import conclusion
from nightproof.history.address import default_url
from nightproof.history.index import History
from nightproof.night import close_night
from nightproof.night import open_night
from nightproof.plan import Choice
from nightproof.profile import Secrets
from nightproof.records import Colour
from nightproof.records import Verdict
from nightproof.report import text
from nightproof.report.files import read_report
from nightproof.target import Target
from tests.nightproof.foreign import RUN_ID
from tests.nightproof.foreign import whole_night
from tests.nightproof.report.answers import ANSWERS
from tests.nightproof.report.answers import answering

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nightproof.night import Night
    from nightproof.records import RunReport
    from tests.nightproof.evidence.wire import Server
    from tests.nightproof.foreign import Foreign

LATER = "20261121T020000Z-bcdefg"
FAILING = """
import os, requests
def test_front(): assert requests.get(os.environ["NIGHTPROOF_URL_SHOP"]).status_code == 404
"""
LEAKY = """
import os, pathlib, requests
URL, TOKEN = os.environ["NIGHTPROOF_URL_SHOP"], os.environ["QUILT_TEST_REFRESH_TOKEN"]
def test_front():
    (pathlib.Path.home() / "session.json").write_text(TOKEN)
    print(TOKEN)
    answer = requests.get(URL, params={"access": TOKEN}, headers={"X-Shop": TOKEN})
    assert answer.status_code == 404, f"refused <{TOKEN}>"
"""
TOKEN = "planted&refresh<token>of+tonight=1"


def opened(foreign: Foreign, run_id: str = RUN_ID, **choice: Any) -> Night:
    """Open a night over the foreign suite."""
    return open_night(str(foreign.profile_path), Choice(**choice), run_id)


def verdicts(report: RunReport) -> dict[str, str]:
    """Return each test's verdict by its name."""
    return {test.id.rpartition("::")[2]: test.verdict.value for test in report.tests}


def test_an_honest_night_is_green(foreign: Foreign) -> None:
    """An honest night is GREEN in report, companion files, message and history."""
    report = whole_night(opened(foreign))

    run_dir = foreign.state / "runs" / RUN_ID
    assert (report.colour, report.exit_code, report.cause) == (Colour.GREEN, 0, "")
    assert verdicts(report) == {"test_front": "passed"}
    assert read_report(run_dir / "report.json") == report
    assert {"report.html", "report.md", "junit.xml", "slack.json"} <= {path.name for path in run_dir.iterdir()}
    assert report.slack.error == "no Slack configured; kept in slack.json"
    assert report.stages["cleanup"] > 0
    assert report.cells[0].log == "cells/shop-default/output.log"
    with History(default_url(foreign.state)) as history:
        assert [night.run_id for night in history.nights("shop", "live")] == [RUN_ID]


def test_a_second_night_knows_the_first(foreign: Foreign) -> None:
    """A failure is new if the test passed the night before."""
    whole_night(opened(foreign))
    foreign.write(FAILING)

    report = whole_night(opened(foreign, LATER))

    assert (report.colour, report.exit_code) == (Colour.RED, 1)
    assert report.tests[0].new
    assert "1 of 1 tests failed: test_front" in report.cause


def test_no_secret_is_left_anywhere(foreign: Foreign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run directory, copy, history and message do not hold the token, and no home is left."""
    monkeypatch.setenv("NIGHTPROOF_REFRESH_TOKEN", TOKEN)
    store = tmp_path / "store"
    foreign.write(LEAKY, more=f'artifact_store = "{store}"\n[endpoints]\ncatalog = "{foreign.url}"')

    report = whole_night(opened(foreign))

    files = [path for folder in (store, foreign.state) for path in folder.rglob("*") if path.is_file()]
    spellings = {TOKEN, TOKEN[:14], TOKEN[-9:], "planted%26refresh", "planted&amp;refresh", "planted\\u0026refresh"}
    assert [str(path) for path in files for form in spellings if form.encode() in path.read_bytes()] == []
    assert not list(foreign.state.rglob("home"))
    assert "[redacted]" in (store / RUN_ID / "report.json").read_text()
    assert verdicts(report) == {"test_front": "failed"}


def test_homes_and_room_of_a_night_that_was_killed_are_dropped_by_the_next(foreign: Foreign) -> None:
    """The next night deletes the homes and the reserved space of a killed night."""
    home = foreign.state / "runs" / RUN_ID / "cells" / "shop-default" / "home"
    home.mkdir(parents=True)
    (home / "credentials.json").write_text("a session")
    held = foreign.state / "runs" / RUN_ID / ".reserved"
    held.write_bytes(bytes(9))

    whole_night(opened(foreign, LATER))

    assert not home.exists()
    assert not held.exists()


def test_a_home_that_cannot_be_deleted_turns_the_night_red(foreign: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home that cannot be deleted turns the night RED."""
    remove = shutil.rmtree

    def refuse(path: Path, *, ignore_errors: bool = False) -> None:
        if path.name == "home":
            raise PermissionError(13, "Permission denied", str(path))
        remove(path, ignore_errors=ignore_errors)

    night = opened(foreign)
    monkeypatch.setattr(shutil, "rmtree", refuse)

    report = whole_night(night)

    assert report.colour is Colour.RED
    assert "may hold sign-in sessions" in report.reconciliation.violations[0]


def test_a_module_that_cannot_be_imported_is_red_and_not_run(foreign: Foreign) -> None:
    """The declared tests of a module that cannot be imported are `not_run`, and the night is RED."""
    (foreign.suite / "test_it.py").write_text("import module_that_is_gone\n")

    report = whole_night(opened(foreign))

    assert (report.colour, report.exit_code) == (Colour.RED, 1)
    assert verdicts(report) == {"test_front": "not_run"}


def test_an_unreachable_endpoint_blocks_the_night(foreign: Foreign) -> None:
    """An unreachable endpoint is one cause with address and remedy; every test is blocked, none failed."""
    foreign.write(more='checks = [{kind = "http", url = "http://127.0.0.1:9/health"}]')

    report = whole_night(opened(foreign))

    assert (report.colour, report.exit_code) == (Colour.BLOCKED, 2)
    assert verdicts(report) == {"test_front": "blocked"}
    assert "http://127.0.0.1:9/health" in report.cause
    assert report.checks[0].remedy == "Start the system, or correct its address in the profile."


@pytest.mark.parametrize(
    ("lost", "named"),
    [("events.jsonl", "shop-default/events.jsonl`"), ("output.log", "shop-default`")],
    ids=["events", "output"],
)
def test_a_full_disk_is_one_sentence_and_loses_nothing_else(foreign: Foreign, lost: str, named: str) -> None:
    """A cell file that cannot be written makes the night RED; one violation names the file and the remedy."""
    night = opened(foreign)
    cell = conclusion.cell_dir(night, night.plan.cells[0])
    cell.mkdir(parents=True)
    (cell / lost).symlink_to("/dev/full")

    report = whole_night(night)

    assert (report.colour, report.exit_code) == (Colour.RED, 1)
    (violation,) = report.reconciliation.violations
    assert violation.startswith("The harness failed: ")
    assert f"{named} could not be written" in violation
    assert "free space or correct permissions there" in violation
    assert (night.run_dir / "report.html").is_file()


def test_an_interrupted_night_reports_what_it_knows(foreign: Foreign) -> None:
    """An interrupted night has no colour, exits by its signal, and its cause counts the tests that ran."""
    night = opened(foreign)
    night.interrupt("SIGTERM")

    report = whole_night(night)

    assert (report.colour, report.interrupted, report.exit_code) == (None, "SIGTERM", 143)
    assert "interrupted by SIGTERM after 0 of 1 tests" in report.cause


def test_slack_is_told_through_the_bot(foreign: Foreign, shop: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message goes to the profile's channel, and the report holds the delivery."""
    monkeypatch.setenv("NIGHTPROOF_SLACK_TOKEN", "xoxb-planted-token")
    foreign.write(more=f'slack = {{channel = "#nights", base_url = "{foreign.url}"}}')

    report = whole_night(opened(foreign))

    assert report.slack.delivered
    assert report.slack.channel == "#nights"
    assert "/chat.postMessage" in shop.paths


def test_an_outage_of_slack_keeps_message_and_verdict(foreign: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an outage of Slack the message is kept as a file, and GREEN stays GREEN."""
    monkeypatch.setenv("NIGHTPROOF_SLACK_TOKEN", "xoxb-planted-token")
    foreign.write(more='slack = {channel = "#nights", base_url = "http://127.0.0.1:9/", budget_s = 0.5}')

    report = whole_night(opened(foreign))

    assert report.colour is Colour.GREEN
    assert not report.slack.delivered
    assert report.slack.error
    kept = json.loads((foreign.state / "runs" / RUN_ID / "slack.json").read_text())
    assert kept["channel"] == "#nights"


def test_no_answer_of_slack_changes_a_verdict(foreign: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer of Slack changes colour or exit code, and the pages show an undelivered message."""
    monkeypatch.setenv("NIGHTPROOF_SLACK_TOKEN", "xoxb-planted-token")
    with answering() as server:
        foreign.write(more=f'slack = {{channel = "#nights", base_url = "{server.url}", budget_s = 0.3}}')
        night = opened(foreign)
        before = whole_night(night)
        assert (before.colour, before.slack.delivered) == (Colour.GREEN, True)
        for name, plan in ANSWERS.items():
            server.plan = plan
            conclusion.notify(night)
            conclusion.finish(night)
            report = read_report(night.run_dir / "report.json")
            assert (name, report.colour, report.exit_code, report.slack.delivered) == (name, Colour.GREEN, 0, False)
            for page in ("report.html", "report.md"):
                shown = html.unescape((night.run_dir / page).read_text().replace("\\", ""))
                assert f"The Slack message was not delivered: {report.slack.error}." in shown
            assert f"The Slack message was not delivered: {report.slack.error}." in text.render(report)
            (night.run_dir / "slack.json").unlink()


def test_a_store_that_cannot_be_written_is_a_warning(
    foreign: Foreign, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An unwritable store leaves the verdict unchanged, and the log names it."""
    foreign.write(more=f'artifact_store = "{tmp_path / "taken"}"')
    night = opened(foreign)
    (tmp_path / "taken").write_text("a file, not a folder")

    report = whole_night(night)

    assert report.colour is Colour.GREEN
    assert f"not copied to `{tmp_path / 'taken'}`" in caplog.text


def test_a_damaged_history_costs_no_report(foreign: Foreign, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged history does not prevent the report."""
    night = opened(foreign)
    (foreign.state / "history.sqlite").write_bytes(b"this is no database" * 100)

    report = whole_night(night)

    assert report.colour is Colour.GREEN
    assert "history.sqlite` cannot be used" in caplog.text
    assert "nightproof history --rebuild" in caplog.text


@pytest.mark.parametrize("step", [conclusion.notify, conclusion.finish])
def test_without_a_report_nobody_is_told(foreign: Foreign, step: Callable[[Night], None]) -> None:
    """Without a report no message is sent."""
    night = opened(foreign)

    step(night)
    close_night(night)

    assert not (night.run_dir / "slack.json").exists()
    assert not (night.run_dir / "report.json").exists()


def test_a_quarantined_test_does_not_gate(foreign: Foreign) -> None:
    """A test in the suite folder's quarantine file does not gate."""
    foreign.write(FAILING)
    (foreign.suite / "quarantine.toml").write_text(
        '[[test]]\nid = "shop/test_it::test_front"\nowner = "shop"\nreason = "known"\nexpires = 2099-01-01\n'
    )

    report = whole_night(opened(foreign))

    assert report.tests[0].verdict is Verdict.QUARANTINED


def test_a_write_target_is_audited(foreign: Foreign, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A night on a writable target ends with an audit by listing."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    names = 'bucket_scratch = "audit-scratch"\nbucket_work = "audit-work"'
    foreign.write(more=f'needs = ["write"]\n[endpoints]\naws = "{s3_url}"\n[names]\n{names}')
    night = opened(foreign)
    s3 = Target(night.plan.profile, Secrets(), foreign.state).seeder_s3()
    for bucket in ("audit-scratch", "audit-work"):
        s3.create_bucket(Bucket=bucket)

    report = whole_night(night)

    assert report.colour is Colour.GREEN
    assert report.ledger.unknown == 0
    assert conclusion.judge(night).totals == report.totals
