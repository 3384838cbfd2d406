"""The reader of event logs, on a small real log cut at every byte."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from nightproof.records import Outcome
from nightproof.runner.cell import GroupRegistry
from nightproof.runner.cell import run_cell
from nightproof.runner.events import logs_of
from nightproof.runner.events import read_cell
from nightproof.runner.events import share_dir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from nightproof.runner.cell import CellPlan

SOURCE = """
    def test_good(): assert True
    def test_bad(): assert False
"""


def test_log_cut_at_every_byte_never_invents_a_pass(make_cell: Callable[..., CellPlan], tmp_path: Path) -> None:
    """A log cut at any byte is readable, and a test passes only with its complete evidence."""
    plan = make_cell(SOURCE, "test_good", "test_bad")
    run_cell(plan, lambda _lines: None, GroupRegistry())
    whole = (plan.cell_dir / "events.jsonl").read_bytes()
    complete = whole.index(b"\n", whole.index(b'"TestEvidence"'))
    cut_dir = tmp_path / "cut"
    cut_dir.mkdir()
    ends = [end for end, byte in enumerate(whole) if byte == ord("\n")]
    near_ends = {size for end in ends for size in range(end - 3, end + 4)}
    for size in sorted(near_ends | set(range(0, len(whole), 13))):  # 13 shares no period with the lines
        (cut_dir / "events.jsonl").write_bytes(whole[:size])
        events = read_cell(cut_dir)
        good = events.attempts.get("shop/test_it::test_good", ())
        assert [a.outcome is Outcome.PASSED for a in good] == ([size >= complete] if good else []), size
        assert all(a.outcome is not Outcome.PASSED for a in events.attempts.get("shop/test_it::test_bad", ())), size
        assert events.torn_lines <= 1


def test_missing_log_says_nothing(tmp_path: Path) -> None:
    """A missing log has no attempts and no exit code."""
    events = read_cell(tmp_path)
    assert (events.attempts, events.exit, events.started, events.torn_lines) == ({}, None, None, 0)


def test_a_cell_is_what_its_workers_wrote(make_cell: Callable[..., CellPlan]) -> None:
    """Workers' tests add up; the cell lasts from the first start to the last end and has the worst exit."""
    plan = make_cell(SOURCE, "test_good", "test_bad")
    good, bad = (f"shop/test_it::test_{name}" for name in ("good", "bad"))
    for share, test in enumerate((bad, good)):
        run_cell(
            replace(plan, test_ids=(test,), cell_dir=share_dir(plan.cell_dir, share)),
            lambda _lines: None,
            GroupRegistry(),
        )
    whole, first = read_cell(plan.cell_dir), read_cell(share_dir(plan.cell_dir, 1))
    assert set(whole.attempts) == {good, bad}
    assert (set(first.attempts), first.exit) == ({good}, 0)
    assert (whole.exit, whole.ended) == (1, first.ended)
    assert whole.started
    assert first.started
    assert whole.started < first.started
    assert [path.parent.name for _, path in logs_of(plan.cell_dir)] == [
        plan.cell_dir.name, f"{plan.cell_dir.name}.2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "junk", [b"[1, 2]", b"\xff\xfe", b'{"$report_type": "TestStart"}', b'{"$report_type": "CellEnd"}']
)
def test_damaged_line_is_counted_and_passed_over(junk: bytes, tmp_path: Path) -> None:
    """A damaged line is counted and skipped."""
    start = {"$report_type": "CellStart", "suite": "s", "backend": "b", "time": "2026-11-20T02:00:00+00:00"}
    (tmp_path / "events.jsonl").write_bytes(junk + b"\n" + json.dumps(start).encode() + b"\n")
    events = read_cell(tmp_path)
    assert (events.torn_lines, events.suite) == (1, "s")


def test_damaged_evidence_is_no_evidence(tmp_path: Path) -> None:
    """Evidence with a negative count is refused, and its test is an error."""
    lines = [
        {"$report_type": "TestStart", "id": "s/t::x", "nodeid": "t.py::x", "time": "2026-11-20T02:00:00+00:00"},
        {
            "$report_type": "TestEvidence",
            "id": "s/t::x",
            "exchanges": {"http": -1},
            "time": "2026-11-20T02:00:01+00:00",
        },
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    events = read_cell(tmp_path)
    assert events.torn_lines == 1
    assert [attempt.outcome for attempt in events.attempts["s/t::x"]] == [Outcome.ERROR]


@pytest.mark.parametrize(
    ("declared", "takes_any"), [({"endpoints": []}, True), ({"endpoints": ["shop.test:443"]}, False), ({}, False)]
)
def test_a_process_without_a_declared_endpoint_takes_any_peer(
    declared: dict[str, list[str]], tmp_path: Path, *, takes_any: bool
) -> None:
    """Any peer counts only if the log has an empty list of endpoints; a log without the list is an older one."""
    start = {"$report_type": "CellStart", "suite": "s", "backend": "b", "time": "2026-11-20T02:00:00+00:00"}
    (tmp_path / "events.jsonl").write_text(json.dumps(start | declared) + "\n")
    assert read_cell(tmp_path).takes_any_peer is takes_any
