"""The journal's guarantees hold when processes die and lines tear."""

from __future__ import annotations

from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING

from nightproof.ledger import Ledger
from nightproof.ledger import read_entries
from nightproof.ledger import run_tag

if TYPE_CHECKING:
    from pathlib import Path

RUN = "20261120T020000Z-k3f9qa"


def clock() -> datetime:
    """Return the start of the run, always the same moment."""
    return datetime(2026, 11, 20, 2, tzinfo=UTC)


def test_intent_is_on_disk_before_it_returns(tmp_path: Path) -> None:
    """An intent is readable on disk before the writer may create the resource."""
    path = tmp_path / "ledger.jsonl"
    Ledger(path, RUN, clock).intent("object", {"bucket": "b", "key": "np-20k3f9qa/x"}, "suite/a::t")
    (entry,) = read_entries([path])
    assert (entry.state, entry.kind, entry.intended, entry.is_open) == ("intent", "object", clock(), True)
    assert entry.title == "object b/np-20k3f9qa/x"


def test_entry_folds_to_its_last_event(tmp_path: Path) -> None:
    """Intent, confirmation and deletion of one resource fold into one entry."""
    ledger = Ledger(tmp_path / "ledger.jsonl", RUN, clock)
    made = ledger.intent("prefix", {"bucket": "b", "prefix": "np-20k3f9qa/"})
    ledger.confirmed(made)
    ledger.deleted(made)
    (entry,) = read_entries([ledger.path])
    assert (entry.state, entry.was_confirmed, entry.is_open) == ("deleted", True, False)


def test_same_resource_has_one_id_in_every_process(tmp_path: Path) -> None:
    """Two writers of the same resource make one entry."""
    path = tmp_path / "ledger.jsonl"
    locator = {"registry": "s3://w", "name": "np-20k3f9qa/p"}
    assert Ledger(path, RUN).intent("package", locator) == Ledger(path, RUN).intent("package", locator)
    assert len(read_entries([path])) == 1


def test_every_truncation_keeps_the_lines_before_it(tmp_path: Path) -> None:
    """A writer killed at any byte loses at most its last line, and the next writer's lines are readable."""
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path, RUN, clock)
    for name in ("one", "two"):
        ledger.intent("package", {"registry": "s3://w", "name": name})
    whole = path.read_bytes()
    first_line = whole.index(b"\n")
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        Ledger(path, RUN, clock).intent("package", {"registry": "s3://w", "name": "next"})
        names = [entry.locator["name"] for entry in read_entries([path])]
        complete = ["one", "two"][: (size >= first_line) + (size >= len(whole) - 1)]
        assert names == [*complete, "next"]


def test_tag_is_day_and_random_part() -> None:
    """The tag in names is the day and the random part of the run id."""
    assert run_tag(RUN) == "20k3f9qa"


def test_journals_fold_by_time_whatever_their_order(tmp_path: Path) -> None:
    """Journals fold by time, whatever the order in which their files are read."""
    own, cell = tmp_path / "ledger.jsonl", tmp_path / "cells" / "ledger.jsonl"
    locator = {"registry": "s3://w", "name": "np-20k3f9qa/p"}
    made = Ledger(cell, RUN, lambda: clock() + timedelta(seconds=1))
    made.deleted(made.intent("package", locator))
    (entry,) = read_entries([cell])
    Ledger(own, RUN, lambda: clock() + timedelta(seconds=2)).adopt(entry, "kept", "by request")
    assert [(entry.state, entry.detail) for entry in read_entries([own, cell])] == [("kept", "by request")]
