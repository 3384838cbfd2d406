"""Progress of a night, sent to listeners such as the terminal. The domain announces and never prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class News:
    """One step of a stage; `done` of `of` if it can be counted."""

    stage: str
    text: str = ""
    done: int | None = None
    of: int | None = None


LISTENERS: Final[list[Callable[[News], None]]] = []


def announce(stage: str, text: str = "", done: int | None = None, of: int | None = None) -> None:
    """Send one piece of news to every listener; safe from any thread."""
    for listener in tuple(LISTENERS):
        listener(News(stage, text, done, of))
