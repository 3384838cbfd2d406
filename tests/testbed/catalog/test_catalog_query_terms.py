"""The parser of query strings: how terms are joined and compared, and which queries it refuses."""

from __future__ import annotations

import re

import pytest

from testbed.catalog import query_language
from testbed.catalog.search_fields import QueryError


@pytest.mark.parametrize(
    ("text", "matching"),
    [
        ("", "xyz"),
        ("*", "xyz"),
        ("x y", "xy"),
        ("X", "x"),
        ("x AND y", ""),
        ("ax AND x", "x"),
        ("ax AND y OR z", "z"),
        ("a*", "xyz"),
        (r"a\*", ""),
        ('"b c"', "z"),
        (r"b\ c", "z"),
        ("AND", "xyz"),
        ("a?", "xyz"),
        ("a?x", ""),
        (r"a\?", ""),
        ("NOT x", "yz"),
        ("-x -y", "z"),
        ("a NOT x", "yz"),
        ("a AND NOT x", "yz"),
        ("!x", "yz"),
        ("+a +b", "z"),
        ("(x OR y) AND a", "xy"),
        ("(ax && x) || b", "xz"),
        ("NOT (x OR y)", "z"),
        ("ax^2 y", "xy"),
        ("a-b", ""),
    ],
)
def test_terms_join_and_compare_as_documented(text: str, matching: str) -> None:
    """Terms join by OR unless another operator is given. Wildcards match any text, and quotes or backslashes escape."""
    texts = {"x": "ax", "y": "ay", "z": "az b c"}
    assert "".join(name for name, value in texts.items() if query_language.parse(text).matches(value)) == matching


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("\\", "is no term"),
        ('"', "is no term"),
        ("(", "not closed"),
        ("(a", "not closed"),
        ("a)", "closes nothing"),
        ("NOT", "nothing stands behind `NOT`"),
        ("size:", "nothing stands behind `size:`"),
        ("nofield:x", "`nofield` is not indexed"),
        ("content:x", "`content` is not indexed"),
        ("_exists_:nofield", "`nofield` is not indexed"),
        ("*:x", "`*` is not indexed"),
        ("size:many", "no number"),
        ("size:>nan", "no number"),
        ("size:[1 2]", "no range"),
        ("[1 TO 2]", "names no field"),
        ("ext:>a", "no order"),
        ("last_modified:soon", "no time"),
        ("last_modified:>now-1d", "no time"),
        ("roam~", "like it"),
        ('"a b"~2', "like it"),
        ("/jo.n/", "regular expression"),
        ("key:/jo.n/", "regular expression"),
        ("(" * 100 + "a" + ")" * 100, "levels"),
        ("a " * 2_000, "2000 terms"),
    ],
)
def test_what_is_no_query_is_refused_by_name(text: str, why: str) -> None:
    """An invalid or unsupported query raises `QueryError` with the reason, instead of finding nothing."""
    with pytest.raises(QueryError, match=re.escape(why)):
        query_language.parse(text)
