"""Schedules in the five fields of cron, limited to the syntax that every cron implementation reads alike."""

from __future__ import annotations

import re
from typing import Final

MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
LONGEST_MONTH: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
FIELDS: Final[tuple[tuple[str, int, int, tuple[str, ...]], ...]] = (
    ("minute", 0, 59, ()), ("hour", 0, 23, ()), ("day", 1, 31, ()), ("month", 1, 12, MONTHS), ("weekday", 0, 7, DAYS),
)  # fmt: skip
PART: Final = re.compile(r"(?P<first>\*|\w{1,3})(?:-(?P<last>\w{1,3}))?(?:/(?P<step>\d{1,3}))?")


def require_cron(schedule: str) -> str:
    """Return the schedule, or raise ValueError naming the wrong field."""
    fields = schedule.split()
    if len(fields) != len(FIELDS):
        raise ValueError(
            f"a schedule has five fields (minute, hour, day, month, weekday) as `0 2 * * *`, not {len(fields)}"
        )
    _, _, days, months, _ = (_values(text, *field) for text, field in zip(fields, FIELDS, strict=True))
    # Cron joins day and weekday by "or": a weekday makes every day of a month possible.
    if fields[4] == "*" and min(days) > max(LONGEST_MONTH[month - 1] for month in months):
        raise ValueError("no month of it has such a day, so the night would never start")
    return schedule


def _values(text: str, name: str, low: int, high: int, words: tuple[str, ...]) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        if (match := PART.fullmatch(part)) is None:
            raise ValueError(f"its {name} `{text}` is no number, range or step")
        found |= _range(match, name, low, high, words)
    return found


def _range(match: re.Match[str], name: str, low: int, high: int, words: tuple[str, ...]) -> set[int]:
    first, last, step = match["first"], match["last"], match["step"]
    if first == "*" and last is None:
        start, stop = low, high
    else:
        start = _number(first, name, low, high, words)
        stop = _number(last, name, low, high, words) if last else high if step else start
    width = int(step or 1)
    if not 1 <= width <= high or start > stop:
        raise ValueError(f"its {name} `{match[0]}` is no range from low to high with a step of 1 to {high}")
    return set(range(start, stop + 1, width))


def _number(text: str, name: str, low: int, high: int, words: tuple[str, ...]) -> int:
    if text.lower() in words:
        return words.index(text.lower()) + low
    if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high:
        raise ValueError(f"its {name} `{text}` is not one of {low} to {high}")
    return int(text)
