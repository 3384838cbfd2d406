"""What a running cell reports: its progress, in numbers that add up, and its output in chunks."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from nightproof.conclusion import cell_dir
from nightproof.progress import LISTENERS
from tasks import suites
from tasks.suites import Counter
from tasks.suites import Feed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nightproof.night import Night
    from nightproof.progress import News


def line(kind: str, test_id: str = "") -> str:
    """Return one line of an event log."""
    return json.dumps({"$report_type": kind, "id": test_id}) + "\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return the path of an event log that does not exist yet."""
    return tmp_path / "events.jsonl"


def test_a_cell_that_has_not_begun_counts_nothing(log: Path) -> None:
    """Without an event log, no test counts as ended."""
    assert Counter([log], 5).count() == (0, 5)


def test_what_does_not_run_by_design_is_not_waited_for(log: Path) -> None:
    """Unsupported tests are not counted as planned, and a restarted cell counts each test once."""
    counter = Counter([log], 5)
    log.write_text(line("Unsupported", "a") + line("Unsupported", "b") + line("TestStart", "c"))
    assert counter.count() == (0, 3)
    log.write_text(log.read_text() + line("TestEvidence", "c") + line("CellKilled", "d") + line("CellKilled"))
    assert counter.count() == (2, 3)
    log.write_text(log.read_text() + line("Unsupported", "a") + line("TestEvidence", "d") + line("TestEvidence", "e"))
    assert counter.count() == (3, 3)


def test_the_logs_of_all_workers_count(log: Path) -> None:
    """A cell's progress is the sum of its workers' progress."""
    other = log.with_name("other.jsonl")
    counter = Counter([log, other], 3)
    log.write_text(line("TestEvidence", "a"))
    assert counter.count() == (1, 3)
    other.write_text(line("TestEvidence", "b") + line("TestEvidence", "c"))
    assert counter.count() == (3, 3)


def test_a_test_that_nobody_declared_never_overflows(log: Path) -> None:
    """The number of ended tests never exceeds the number of planned tests."""
    log.write_text(line("TestEvidence", "a") + line("TestEvidence", "b"))
    assert Counter([log], 1).count() == (2, 2)


def test_a_half_written_line_counts_the_next_time(log: Path) -> None:
    """An unfinished last line is counted once it is whole; torn lines in the middle are skipped."""
    counter, whole = Counter([log], 3), line("TestEvidence", "a")
    log.write_text('{"TestEvidence": torn\n' + '{"output": "TestEvidence"}\n' + whole[:20])
    assert counter.count() == (0, 3)
    log.write_text('{"TestEvidence": torn\n' + '{"output": "TestEvidence"}\n' + whole)
    assert counter.count() == (1, 3)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[News]]:
    """Yield the list of announced news; Prefect's logger and artifact are replaced, because no run is active."""
    heard: list[News] = []
    monkeypatch.setattr(suites, "get_run_logger", lambda: logging.getLogger("cell"))
    monkeypatch.setattr(suites, "_progress_artifact", lambda _key, _tests: "artifact")
    monkeypatch.setattr(suites, "update_progress_artifact", lambda *_args, **_more: None)
    LISTENERS.append(heard.append)
    yield heard
    LISTENERS.remove(heard.append)


def test_output_goes_out_in_chunks_and_redacted(
    night: Night, told: list[News], caplog: pytest.LogCaptureFixture
) -> None:
    """A hundred lines become one log record, fewer wait for the flush, and secrets are redacted."""
    caplog.set_level(logging.INFO)
    night.redactor.register("planted-secret-0123")
    feed = Feed(night, night.plan.cells[0])
    feed.take(["a line"] * 99)
    assert caplog.messages == []
    feed.take(["with planted-secret-0123"])
    assert len(caplog.messages) == 1
    assert caplog.messages[0].count("\n") == 99
    assert "planted" not in caplog.messages[0]
    feed.flush()
    assert len(caplog.messages) == 1
    assert [(news.text, news.done, news.of) for news in told] == [("shop-default", 0, 1)] * 2


def test_after_an_interruption_a_cell_falls_silent(night: Night, told: list[News]) -> None:
    """After an interruption a cell announces no progress, because the night has gone on to its cleanup."""
    feed = Feed(night, night.plan.cells[0])
    log = cell_dir(night, night.plan.cells[0]) / "events.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text(line("TestEvidence", "a"))
    night.interrupt("SIGINT")
    feed.take(["last words"])
    feed.flush()
    assert [news.stage for news in told] == ["interrupted"]
