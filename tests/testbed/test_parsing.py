"""JSON and YAML from outside: read unchanged, or refused before it can exhaust memory."""

from __future__ import annotations

import time

import pytest

from testbed.parsing import MOST_NODES
from testbed.parsing import json_of
from testbed.parsing import yaml_of


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", "-Infinity", "1e999", '"\\ud800"', "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    """Invalid JSON, as text or bytes, raises `ValueError`: non-finite numbers, lone surrogates and deep nesting too."""
    for given in (text, text.encode()):
        with pytest.raises(ValueError, match=r"."):
            json_of(given)


def test_json_is_read() -> None:
    """Valid JSON is read, including surrogate pairs and large finite numbers."""
    assert json_of(b'{"a": ["\\ud83d\\ude00", 1.5, -0, 1e300]}') == {"a": ["\U0001f600", 1.5, 0, 1e300]}


def test_yaml_is_read_with_its_aliases() -> None:
    """YAML with aliases, merge keys and timestamps is read."""
    text = "base: &b {x: 1, at: 2026-01-02}\nagain: *b\nmore: {<<: *b, y: 2}\n"
    found = yaml_of(text)
    assert found["again"] == found["base"]
    assert found["more"] == found["base"] | {"y": 2}
    assert yaml_of("") is None


def bomb(levels: int) -> str:
    """Return YAML whose aliases double in size with each level."""
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, levels))]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (bomb(60), "aliases repeat"),
        (bomb(13), "aliases repeat"),
        ("&a [*a]", "within itself"),
        ("&a {b: *a}", "within itself"),
        ("[" * 60 + "]" * 60, "levels"),
        ("[" * 99_999, "levels"),
        ("- " * 5_000, "levels"),
        ("x: [" + "1," * MOST_NODES + "1]", "values"),
        ("{a: b", "not YAML"),
        ("!!python/object/apply:os.getcwd []", "not YAML"),
        ("*nowhere", "not YAML"),
        ("{[a]: b}", "not YAML"),
        ("2026-99-99", "month"),
        ("a: 1\n---\nb: 2", "not YAML"),
    ],
)
def test_yaml_that_is_none_or_too_large_is_refused(text: str, why: str) -> None:
    """Invalid or too large YAML raises `ValueError` at once, before aliases are expanded."""
    started = time.monotonic()
    with pytest.raises(ValueError, match=why):
        yaml_of(text)
    assert time.monotonic() - started < 5
