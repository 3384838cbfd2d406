"""The nested pytest run: how its ledger is read, and that its run id has the format of a night's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nightproof.ledger import Ledger
from nightproof.plan import RUN_ID
from suites._support.inner import Inner

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("run_id", ["adhoc-20261121T112633Z-0189af", "20261120T020000Z-k3f9qa"])
def test_the_run_id_is_one_of_a_night(run_id: str, tmp_path: Path) -> None:
    """An ad-hoc run id is converted to a night's format. A night's id without the digits 0, 1, 8 and 9 is kept."""
    inner = Inner(tmp_path, run_id.replace("9qa", "2qa"), "quilt3", None, {})  # type: ignore[arg-type]  # no target is asked
    assert RUN_ID.fullmatch(inner.run_id)
    assert inner.run_id in {"20261121T112633Z-ghijaf", "20261120T020000Z-k3f2qa"}


def test_resources_are_what_their_last_line_says(tmp_path: Path) -> None:
    """A case's ledger lists what it made, and the sweeper's journal updates the state of those resources."""
    inner = Inner(tmp_path, "20261120T020000Z-k3f2qa", "quilt3", None, {})  # type: ignore[arg-type]  # as above
    run = tmp_path / "runs" / inner.run_id
    own, swept = Ledger(run / "one" / "ledger.jsonl", inner.run_id), Ledger(run / "ledger.jsonl", inner.run_id)
    own.confirmed(own.intent("object", {"bucket": "b", "key": "k"}))
    swept.deleted(swept.intent("object", {"bucket": "b", "key": "k"}))
    swept.confirmed(swept.intent("manifest", {"registry": "b", "hash": "h"}))
    (made,) = inner.resources("one")
    assert (made.title, made.place, made.state) == ("object b/k", ("b", "k"), "deleted")
    assert {found.place[1] for found in inner.resources()} == {"k", ".quilt/packages/h"}
    assert made.intended_s < own_time(run)


def own_time(run: Path) -> float:
    """Return one second after the last write to the run's ledger, in seconds since the epoch."""
    return (run / "ledger.jsonl").stat().st_mtime + 1
