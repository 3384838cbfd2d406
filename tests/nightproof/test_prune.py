"""Pruning keeps the files that history and cleanup need, and never touches a running night."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nightproof.ledger import Ledger
from nightproof.ledger import read_entries
from nightproof.locking import environment_lock
from nightproof.prune import plan_prune
from nightproof.prune import prune

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OLD, OLDER, NEW = "20261010T020000Z-aaaaaa", "20261009T020000Z-bbbbbb", "20261120T020000Z-cccccc"
MONTH = timedelta(days=30)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Write three runs with everything that a night leaves, two of them old, and things that are no runs."""
    folder = tmp_path / "state" / "runs"
    for run in (OLD, OLDER, NEW):
        for name in ("report.json", "report.html", "cells/shop-default/events.jsonl", "evidence/ab/rerun.txt"):
            (folder / run / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / run / name).write_text("12345")
        (folder / run / "cells" / "shop-default" / "home" / ".config").mkdir(parents=True)
    (folder / "latest").symlink_to(NEW)
    (folder / "notes").mkdir()
    (folder / "notes" / "mine.txt").write_text("mine")
    return folder


def files(folder: Path) -> set[str]:
    """List what is there, empty folders and links included."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not any(_inside(path))}


def _inside(path: Path) -> list[Path]:
    return list(path.iterdir()) if path.is_dir() else []


def test_an_old_run_keeps_its_report_and_nothing_else(runs: Path) -> None:
    """An old run keeps its report only; young runs and foreign entries stay whole, and the plan's counts are right."""
    before = files(runs / NEW)
    plan = plan_prune(runs, MONTH, NOW)
    assert (plan.runs, len(plan.files), plan.size_bytes) == (2, 6, 30)
    prune(plan)
    assert files(runs / OLD) == files(runs / OLDER) == {"report.json"}
    assert files(runs / NEW) == before
    assert {"latest", "notes/mine.txt"} <= files(runs)
    assert plan_prune(runs, MONTH, NOW).files == ()


def test_a_run_without_a_report_goes_as_a_whole(runs: Path) -> None:
    """An old run without a report is deleted completely."""
    (runs / OLD / "report.json").unlink()
    prune(plan_prune(runs, MONTH, NOW))
    assert not (runs / OLD).exists()


def test_open_ledgers_stay_for_the_next_sweep(runs: Path) -> None:
    """All journals of a run stay while one of its resources may still exist."""
    cell = runs / OLD / "cells" / "shop-default" / "ledger.jsonl"
    Ledger(cell, OLD).intent("object", {"bucket": "b", "key": "np-10aaaaaa/x"})
    Ledger(runs / OLD / "ledger.jsonl", OLD).intent("object", {"bucket": "b", "key": "np-10aaaaaa/y"})
    closed = Ledger(runs / OLDER / "ledger.jsonl", OLDER)
    closed.intent("object", {"bucket": "b", "key": "np-09bbbbbb/z"})
    closed.adopt(read_entries([closed.path])[0], "absent")
    prune(plan_prune(runs, MONTH, NOW))
    assert files(runs / OLD) == {"report.json", "ledger.jsonl", "cells/shop-default/ledger.jsonl"}
    assert files(runs / OLDER) == {"report.json"}


def test_a_night_under_way_is_not_touched(runs: Path) -> None:
    """The run that holds the environment stays whole, however old its name looks."""
    before = files(runs / OLDER)
    with environment_lock(runs.parent, OLDER):
        prune(plan_prune(runs, MONTH, NOW))
    assert files(runs / OLDER) == before
    assert files(runs / OLD) == {"report.json"}


def test_the_newest_run_stays_whole_however_old_it_is(runs: Path) -> None:
    """The newest run stays whole, however old it is."""
    before = files(runs / NEW)
    prune(plan_prune(runs, MONTH, NOW + timedelta(days=400)))
    assert files(runs / NEW) == before


def test_links_are_deleted_and_never_followed(runs: Path, tmp_path: Path) -> None:
    """Links, broken ones included, are deleted and never followed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious.txt").write_text("precious")
    (runs / OLD / "cells" / "to-outside").symlink_to(outside)
    (runs / OLD / "cells" / "to-nowhere").symlink_to(tmp_path / "nowhere")
    prune(plan_prune(runs, MONTH, NOW))
    assert files(runs / OLD) == {"report.json"}
    assert (outside / "precious.txt").read_text() == "precious"
