"""Sentences that fit a limit without a broken word or bracket, and counts with the right plural."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Sequence

_PAIRS: Final = {"(": ")", "[": "]", "{": "}", "`": "`"}


def plural(number: int, one: str, many: str = "") -> str:
    """Return `1 night`, `2 nights`; `many` is an irregular plural."""
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def fit(candidates: Iterable[str], limit: int) -> str:
    """Return the first candidate that fits, else the last one shortened."""
    text = ""
    for candidate in candidates:
        text = " ".join(candidate.split())
        if len(text) <= limit:
            return text
    return shorten(text, limit)


def listed(items: Sequence[str], limit: int) -> str:
    """Join as many whole items as fit, and count the others."""
    for kept in range(len(items), 0, -1):
        more = f" and {len(items) - kept} more" if kept < len(items) else ""
        text = ", ".join(items[:kept]) + more
        if len(text) <= limit:
            return text
    more = f" and {len(items) - 1} more" if len(items) > 1 else ""
    return f"{shorten(items[0], limit - len(more))}{more}" if items else ""


def shorten(text: str, limit: int) -> str:
    """Cut a text in its middle at whole words; a bracket cut open is closed after the cut."""
    words = text.split()
    flat = " ".join(words)
    if len(flat) <= limit:
        return flat
    head = _head(words, (limit - 3) * 2 // 3)
    if not head:  # one word longer than the limit: there is no better place to cut
        return _cut(words[0], limit)
    tail = _tail(words[len(head) :], limit - 3 - len(" ".join(head)) - len(_open(" ".join(head))))
    end = f" {' '.join(tail)}" if tail else ""
    begin = " ".join(_head(words[: len(words) - len(tail)], limit - 2 - len(end)))  # refill the room that the end left
    return f"{begin.rstrip(',;')} …{_open(begin)}{end}"


def _cut(word: str, limit: int) -> str:
    """Return as much of a word as fits, with its open brackets closed."""
    kept = word[: max(0, limit - 1)]
    while len(kept) + len(_open(kept)) > limit - 1 and kept:
        kept = kept[:-1]
    return f"{kept}…{_open(kept)}"


def _head(words: Sequence[str], room: int) -> list[str]:
    kept: list[str] = []
    for word in words:
        longer = " ".join([*kept, word])
        if len(longer) + len(_open(longer)) > room:
            break
        kept.append(word)
    return kept


def _tail(words: Sequence[str], room: int) -> list[str]:
    """Return the longest end that fits and has balanced brackets."""
    best: list[str] = []
    for start in range(len(words) - 1, -1, -1):
        end = " ".join(words[start:])
        if len(end) > room:
            break
        if not _open(end) and not _open(end[::-1].translate(str.maketrans("()[]{}", ")(][}{"))):
            best = list(words[start:])
    return best


def _open(text: str) -> str:
    """Return the closing brackets that a text lacks."""
    stack: list[str] = []
    for char in text:
        if stack and char == stack[-1]:
            stack.pop()
        elif char in _PAIRS:
            stack.append(_PAIRS[char])
    return "".join(reversed(stack))
