"""How a night is shown: a few plain lines in a log file, one progress bar per cell on a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console

from deployments import terminal
from nightproof.progress import LISTENERS
from nightproof.progress import announce

if TYPE_CHECKING:
    import pytest


def tell() -> None:
    """Announce the progress of one night: a stage, 40 tests of a cell, and a seed."""
    announce("start")
    announce("start", "aws is ready")
    for done in range(41):
        announce("suites", "shop-default", done, 40)
    announce("seed", "simple-csv", 1, 1)


def test_plain_lines_say_each_tenth_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Plain progress is one line per tenth of a cell's tests, on stderr only; afterwards the listener is removed."""
    with terminal.shown():
        tell()
    out, told = capsys.readouterr()
    lines = told.splitlines()
    assert out == ""
    assert lines[:3] == ["start", "start: aws is ready", "suites: shop-default 0/40"]
    assert lines[-2:] == ["suites: shop-default 40/40", "seed: simple-csv 1/1"]
    assert len(lines) == 14
    assert LISTENERS == []


def test_a_terminal_has_a_bar_per_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last picture shows how far each stage and cell came; news without a number moves no bar."""
    screen = io.StringIO()
    monkeypatch.setattr(terminal, "Console", lambda stderr: Console(file=screen, force_terminal=stderr, width=100))
    with terminal.shown():
        tell()
        announce("suites", "shop-default")
    last = [line for line in screen.getvalue().splitlines() if "0:00" in line][-3:]
    assert [name in line for name, line in zip(("start", "suites shop-default", "seed"), last, strict=True)] == [
        True
    ] * 3
    assert [("40/40" in line, "1/1" in line) for line in last] == [(False, False), (True, False), (False, True)]
    assert LISTENERS == []
