"""The event log stays readable after any death of a writer, and reports every loss."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nightproof.evidence.eventlog import TEXT_LIMIT
from nightproof.evidence.eventlog import EventLog

TEXTS = st.lists(st.text(max_size=20), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(texts=TEXTS, lost=st.integers(0, 400))
def test_a_writer_that_died_at_any_byte_spoils_only_its_own_line(texts: list[str], lost: int) -> None:
    """A log cut at any byte keeps its whole lines, and the next writer's line is whole too."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cell" / "events.jsonl"
        for text in texts:
            EventLog(path).write("Said", text=text)
        whole = path.read_bytes()
        left = whole[: max(0, len(whole) - lost)]
        path.write_bytes(left)
        EventLog(path).write("Said", text="next")
        readable = [line["text"] for raw in path.read_bytes().splitlines() if (line := _parsed(raw))]
    complete = left.count(b"\n") + (left.count(b"\n") < len(texts) and whole[len(left) : len(left) + 1] == b"\n")
    assert readable == [*texts[:complete], "next"]


def _parsed(raw: bytes) -> dict[str, str]:
    try:
        return dict(json.loads(raw))
    except ValueError:
        return {}


@pytest.mark.parametrize("text", ["x" * 3 * TEXT_LIMIT, "line of text\n" * TEXT_LIMIT], ids=["one line", "lines"])
def test_what_nobody_could_read_is_shortened_in_the_middle(tmp_path: Path, text: str) -> None:
    """A very long text keeps beginning and end and states its length; other texts stay whole."""
    log = EventLog(tmp_path / "events.jsonl")
    log.write("Said", deep=[{"long": f"begin {text} end"}], short="x", number=7, other=Path("a"))
    (line,) = (json.loads(raw) for raw in log.path.read_text().splitlines())
    shown = line["deep"][0]["long"]
    assert len(shown) < TEXT_LIMIT + 100
    assert (shown.startswith("begin "), shown.endswith(" end")) == (True, True)
    assert f"({len(text) + 10} characters in all)" in shown
    assert (line["short"], line["number"], line["other"]) == ("x", 7, "a")


def test_a_log_that_is_gone_is_not_begun_again(tmp_path: Path) -> None:
    """A deleted log is not started again."""
    log = EventLog(tmp_path / "events.jsonl")
    log.path.unlink()
    with pytest.raises(FileNotFoundError):
        log.write("Said")
    assert not log.path.exists()


def test_a_secret_is_masked_before_the_line_is_written(tmp_path: Path) -> None:
    """A secret is masked before its line is written."""
    log = EventLog(tmp_path / "events.jsonl", lambda line: json.loads(json.dumps(line).replace("hush", "[redacted]")))
    log.write("Said", text="hush", tests=["hush"])
    assert json.loads(log.path.read_text()) == {"$report_type": "Said", "text": "[redacted]", "tests": ["[redacted]"]}
