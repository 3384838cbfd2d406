"""Progress of a night on stderr: a live row per cell on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING
from typing import Final

from rich.console import Console
from rich.progress import BarColumn
from rich.progress import Progress
from rich.progress import SpinnerColumn
from rich.progress import TextColumn
from rich.progress import TimeElapsedColumn

from nightproof.progress import LISTENERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from rich.progress import TaskID

    from nightproof.progress import News

BAR_WIDTH: Final = 24


@contextmanager
def shown() -> Iterator[None]:
    """Show progress on stderr while the block runs, so that stdout holds only the result."""
    console = Console(stderr=True)
    if console.is_terminal:
        with Bars(console) as bars:
            yield from _listening(bars)
    else:
        yield from _listening(Lines())


@contextmanager
def lines() -> Iterator[None]:
    """Show progress as plain lines, for a command that runs until stopped: its progress bar would never end."""
    yield from _listening(Lines())


def _listening(listener: Bars | Lines) -> Iterator[None]:
    LISTENERS.append(listener)
    try:
        yield
    finally:
        LISTENERS.remove(listener)


class Lines:
    """Plain lines: each stage once, and each cell at every tenth of its tests."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def __call__(self, news: News) -> None:
        """Write one line unless it repeats the last tenth."""
        with self._lock:
            if news.done is None or news.of is None:
                self._write(f"{news.stage}: {news.text}" if news.text else news.stage)
                return
            tenth = 10 * news.done // max(1, news.of)
            key = (news.stage, news.text)
            if self._last.get(key) != tenth:
                self._last[key] = tenth
                self._write(f"{news.stage}: {news.text} {news.done}/{news.of}")

    def _write(self, line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


class Bars:
    """A live display with a row per stage, or per cell of a stage. An uncounted row ends when the next stage starts."""

    def __init__(self, console: Console) -> None:
        columns = (
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}"),
            BarColumn(BAR_WIDTH),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=console)
        self._tasks: dict[str, TaskID] = {}
        self._uncounted: set[str] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: object, *_error: object) -> None:
        if kind is None:
            self._end_uncounted()
        self._progress.stop()

    def __call__(self, news: News) -> None:
        """Update the row of this stage or cell."""
        with self._lock:
            is_cell = news.stage == "suites" and bool(news.text)
            name = f"{news.stage} {news.text}" if is_cell else news.stage
            if name not in self._tasks:
                if not is_cell:
                    self._end_uncounted()
                self._tasks[name] = self._progress.add_task(name, total=None, told="")
                self._uncounted.add(name)
            told = "" if is_cell else news.text
            if news.done is not None and news.of is not None:
                self._uncounted.discard(name)
                told = f"{news.done}/{news.of}" + (f" {news.text}" if news.text and not is_cell else "")
            if told:
                self._progress.update(self._tasks[name], completed=news.done, total=news.of, told=told)

    def _end_uncounted(self) -> None:
        for name in self._uncounted:
            self._progress.update(self._tasks[name], completed=1, total=1, told="")
        self._uncounted.clear()
