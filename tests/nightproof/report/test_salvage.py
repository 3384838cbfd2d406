"""A night killed before its report: judged from the files that it left, or refused in one sentence."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from nightproof.errors import UsageError
from nightproof.ledger import Ledger
from nightproof.locking import environment_lock
from nightproof.night import open_night
from nightproof.plan import Choice
from nightproof.records import Verdict
from nightproof.report import html
from nightproof.report import text
from nightproof.report.files import read_report
from nightproof.salvage import salvage
from tests.nightproof.foreign import RUN_ID
from tests.nightproof.foreign import whole_night

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nightproof.foreign import Foreign

COMPANIONS = ("report.json", "report.html", "report.md", "junit.xml", "slack.json")


@pytest.fixture
def killed(foreign: Foreign) -> Path:
    """Return the directory of a killed night with only logs and ledger left, cut in mid-line."""
    foreign.lock("test_front", "test_back")
    whole_night(open_night(str(foreign.profile_path), Choice(), RUN_ID))
    run_dir = foreign.state / "runs" / RUN_ID
    for name in COMPANIONS:
        (run_dir / name).unlink()
    log = run_dir / "cells" / "shop-default" / "events.jsonl"
    lines = [line for line in log.read_bytes().splitlines(keepends=True) if b"CellEnd" not in line]
    log.write_bytes(b"".join(line for line in lines if b"ProcessExit" not in line) + b'{"$report_type": "Test')
    Ledger(run_dir / "ledger.jsonl", RUN_ID).intent("object", {"bucket": "b", "key": "np-x/a"})
    return run_dir


@pytest.mark.parametrize("name", [RUN_ID, "latest"])
def test_killed_night_is_reported_from_its_logs(foreign: Foreign, killed: Path, name: str) -> None:
    """Tests that passed before the kill are passed, the others not_run; the night is interrupted and exits 137."""
    report = salvage(str(foreign.profile_path), name)

    assert {test.id.rpartition("::")[2]: test.verdict for test in report.tests} == {
        "test_front": Verdict.PASSED,
        "test_back": Verdict.NOT_RUN,
    }
    assert (report.interrupted, report.colour, report.exit_code) == ("killed", None, 137)
    assert report.cause == "The night was killed after 1 of 2 tests had run."
    assert (report.ledger.created, report.ledger.leaked) == (1, 1)
    assert report.reconciliation.ok, report.reconciliation.violations
    assert read_report(killed / "report.json") == report
    assert html.parse((killed / "report.html").read_text())[1] == "INTERRUPTED"
    assert text.render(report).startswith("INTERRUPTED: The night was killed after 1 of 2 tests had run.\n")


def test_changed_catalogue_is_a_violation_of_the_salvaged_report(foreign: Foreign, killed: Path) -> None:
    """A test that the lock no longer declares is named as a violation, not dropped."""
    assert killed.is_dir()
    foreign.lock("test_back")
    report = salvage(str(foreign.profile_path), RUN_ID)
    assert "holds shop/test_it::test_front, which is not declared." in report.reconciliation.violations[0]


@pytest.mark.parametrize("name", ["20261120T020000Z-zzzzzz", "latest", "../x"])
def test_unknown_run_is_refused(foreign: Foreign, name: str) -> None:
    """An unknown run is one sentence with the command that lists runs."""
    with pytest.raises(UsageError, match=r"There is no run `.*`: list runs with `nightproof history`\."):
        salvage(str(foreign.profile_path), name)


def test_running_night_is_left_alone(foreign: Foreign, killed: Path) -> None:
    """A run that still holds its environment is refused; another running night does not matter."""
    assert killed.is_dir()
    with environment_lock(foreign.state, RUN_ID), pytest.raises(UsageError, match="is still running: wait for its end"):
        salvage(str(foreign.profile_path), RUN_ID)
    with environment_lock(foreign.state, "20261121T020000Z-abcdef"):
        assert salvage(str(foreign.profile_path), RUN_ID).interrupted == "killed"


def test_night_killed_before_its_first_test_cannot_be_reported(foreign: Foreign, killed: Path) -> None:
    """Without an event log the night is refused in a sentence with the command that runs it again."""
    shutil.rmtree(killed / "cells")
    with pytest.raises(UsageError, match=r"killed before any test began, .* run it again with `nightproof run"):
        salvage(str(foreign.profile_path), RUN_ID)
