"""The search fields by name, and the conditions on each kind: text, keyword, number or time."""

from __future__ import annotations

import re
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from testbed.catalog import terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from testbed.catalog.terms import Rules

    Test = Callable[[Any], bool]  # field value -> match

KEYWORDS: Final = frozenset(
    {"ext", "handle", "hash", "key", "pointer_file", "ptr_name", "ptr_tag", "mnfst_name", "top_hash", "version_id"}
    | {"content_type", "workflow.id", "entry_lk", "entry_pk"}
)
TEXTS: Final = frozenset({"comment", "description", "tags", "metadata", "key_text", "entry_metadata"})
NUMBERS: Final = frozenset({"size", "entry_size", "package_stats.total_files", "package_stats.total_bytes"})
TIMES: Final = frozenset({"last_modified", "ptr_last_modified"})
KNOWN: Final = KEYWORDS | TEXTS | NUMBERS | TIMES
ALIASES: Final = {"handle": "ptr_name", "hash": "top_hash", "pointer_file": "ptr_tag", "key_text": "key"}
COMPARED: Final = re.compile(r"(>=|<=|>|<)(.+)", re.DOTALL)
BETWEEN: Final = re.compile(r"([\[{])\s*(\S+)\s+TO\s+(\S+)\s*([\]}])")
MOMENTS: Final = {4: "%Y", 7: "%Y-%m", 10: "%Y-%m-%d"}


class QueryError(Exception):
    """A query string that is invalid, or that the embedded search does not support."""

    def __str__(self) -> str:
        """Return the reason as a sentence."""
        return f"The query cannot be used: {super().__str__()}."


def condition(name: str, asked: str, rules: Rules) -> Test:
    """Return the test for a field condition; raise QueryError for an unknown field or a wrong kind."""
    if name not in KNOWN:
        raise QueryError(f"the field `{name}` is not indexed, use one of {', '.join(sorted(KNOWN))}")
    if asked == "*":
        return lambda value: value is not None
    bounds = _bounds(asked)
    if name in NUMBERS:
        return _compared(name, asked, bounds, _number)
    if name in TIMES:
        return _compared(name, asked, bounds, _moment)
    if bounds:
        raise QueryError(f"the field `{name}` has no order for `{asked}`")
    return _text(asked, rules) if name in TEXTS else _keyword(name, asked)


def _bounds(asked: str) -> list[tuple[str, str]]:
    """Split a range into comparisons; `*` is an open bound."""
    if found := COMPARED.fullmatch(asked):
        return [(found[1], found[2])]
    if asked[:1] not in {"[", "{"}:
        return []
    found = BETWEEN.fullmatch(asked)
    if found is None:
        raise QueryError(f"`{asked}` is no range such as [1 TO 5]")
    low, high = (">=" if found[1] == "[" else ">"), ("<=" if found[4] == "]" else "<")
    return [(sign, value) for sign, value in ((low, found[2]), (high, found[3])) if value != "*"] or [(">=", "")]


def _compared(
    name: str, asked: str, bounds: list[tuple[str, str]], read: Callable[[str, Any], tuple[Any, Any]]
) -> Test:
    """Return a test against spans; a day, month or year is a span, a number is a point."""
    if bounds == [(">=", "")]:
        return lambda value: value is not None
    spans = [(sign, *read(name, value)) for sign, value in bounds or [("", asked)]]

    def test(value: Any) -> bool:
        if value is None:
            return False
        start, _ = read(name, value)
        return all(_lies(sign, start, low, high) for sign, low, high in spans)

    return test


def _lies(sign: str, value: Any, low: Any, high: Any) -> bool:
    if sign in {">", "<"}:
        return bool(value > high if sign == ">" else value < low)
    return bool((sign == "<=" or value >= low) and (sign == ">=" or value <= high))


def _number(name: str, value: Any) -> tuple[float, float]:
    try:
        found = float(value)
    except ValueError:
        found = float("nan")
    if found != found:  # noqa: PLR0124 - what is no number
        raise QueryError(f"`{value}` of `{name}` is no number")
    return found, found


def _moment(name: str, value: Any) -> tuple[datetime, datetime]:
    """Return first and last moment of a day, month or year; a full time is returned twice."""
    text = str(value).strip('"').replace("\\", "")
    try:
        if form := MOMENTS.get(len(text)):
            found = datetime.strptime(text, form).replace(tzinfo=UTC)
        else:
            found = datetime.fromisoformat(text)
    except ValueError as error:
        raise QueryError(f"`{value}` of `{name}` is no time such as 2024-02-20") from error
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    days = {4: 366, 7: 31, 10: 1}.get(len(text), 0)
    if not days:
        return found, found
    after = found + timedelta(days=days)
    after = after.replace(day=1) if days > 1 else after
    after = after.replace(month=1) if days > 31 else after  # noqa: PLR2004 - a year's first month
    return found, after - timedelta(microseconds=1)


def _text(asked: str, rules: Rules) -> Test:
    pattern = terms.pattern(asked, rules)

    def test(value: Any) -> bool:
        listed = value if isinstance(value, list) else [value]
        return any(pattern.search(str(one)) for one in listed if one is not None)

    return test


def _keyword(name: str, asked: str) -> Test:
    pattern = terms.pattern(asked, terms.Rules(is_case_sensitive=name != "ext"))
    return lambda value: value is not None and bool(pattern.fullmatch(str(value)))
