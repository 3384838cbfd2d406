"""Suggestions for misspelled names: the nearest known one."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(given: str, known: Iterable[str]) -> str:
    """Return ` Did you mean …?` with the nearest known name, or "" if none is near."""
    by_folded = {name.casefold(): name for name in known}
    near = difflib.get_close_matches(given.casefold(), by_folded, n=1)
    return f" Did you mean `{by_folded[near[0]]}`?" if near else ""
