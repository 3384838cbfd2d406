"""Sentences that fit: whole words, whole items, closed brackets, and the right plural."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightproof.verdict.sentences import fit
from nightproof.verdict.sentences import listed
from nightproof.verdict.sentences import plural
from nightproof.verdict.sentences import shorten

PLAIN: Final = st.lists(st.text("abc:.'", min_size=1, max_size=9), max_size=40).map(" ".join)
NESTED: Final = st.recursive(
    PLAIN, lambda inner: st.tuples(inner, st.sampled_from(("()", "[]", "{}", "``")), inner).map(
        lambda parts: f"{parts[0]} {parts[1][0]}{parts[2].strip()}{parts[1][1]}"
    ), max_leaves=6,
)  # fmt: skip


@pytest.mark.parametrize(
    ("number", "one", "many", "told"),
    [
        (0, "night", "", "0 nights"),
        (1, "night", "", "1 night"),
        (2, "night", "", "2 nights"),
        (1, "entry", "entries", "1 entry"),
        (2, "entry", "entries", "2 entries"),
    ],
)
def test_number_agrees_with_its_noun(number: int, one: str, many: str, told: str) -> None:
    """One is singular, none and several are plural."""
    assert plural(number, one, many) == told


@given(st.lists(st.text(), max_size=3))
def test_sentence_always_fits(candidates: list[str]) -> None:
    """The result is one line within the limit, and the first candidate that fits."""
    told = fit(candidates, 40)
    assert len(told) <= 40
    assert "\n" not in told
    flat = [" ".join(candidate.split()) for candidate in candidates]
    assert told == next((text for text in flat if len(text) <= 40), told)


@given(NESTED, st.integers(20, 200))
def test_cut_keeps_whole_words_and_closed_brackets(text: str, limit: int) -> None:
    """A shortened text has only whole words of the original, and every open bracket is closed."""
    told = shorten(text, limit)
    assert len(told) <= limit
    bare = str.maketrans("", "", "()[]{}`,;…")
    assert {word.translate(bare) for word in told.split()} <= {word.translate(bare) for word in [*text.split(), ""]}
    assert [told.count(one) - told.count(other) for one, other in ("()", "[]", "{}")] == [0, 0, 0]
    assert told.count("`") % 2 == 0


@pytest.mark.parametrize(
    ("text", "limit", "told"),
    [
        ("one two three four five six", 15, "one two … six"),
        ("((one-word-only: two)) three", 20, "((one-word-only:…))"),
        ("((one-word-that-is-too-long two))", 12, "((one-wor…))"),
        ("5 did not pass (2 failed, 1 timeout, 1 hollow), 4 new", 40, "5 did not pass (2 failed, 1 …) 4 new"),
        ("5 did not pass (2 failed, 1 timeout, 1 hollow)", 35, "5 did not pass (2 failed, 1 …)"),
        ("x" * 50, 20, "x" * 19 + "…"),
        ("fits", 4, "fits"),
    ],
)
def test_cut_by_example(text: str, limit: int, told: str) -> None:
    """Beginning and end are kept and the middle is cut; a single long word is cut at the limit."""
    assert shorten(text, limit) == told


@given(st.lists(st.text("ab", min_size=1, max_size=30), max_size=9), st.integers(20, 120))
def test_items_are_whole_or_counted(items: list[str], limit: int) -> None:
    """Items are whole or counted by `and n more`; shown and counted ones add up to all."""
    told = listed(items, limit)
    assert len(told) <= limit
    shown, _, more = told.partition(" and ")
    kept = [item for item in shown.split(", ") if item]
    assert len(kept) + int(more.split()[0] if more else 0) == len(items)
    assert all(item in items or item.endswith("…") for item in kept)
