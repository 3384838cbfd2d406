"""Parsers of untrusted JSON and YAML; invalid input, or input that would fill the memory, raises ValueError."""

from __future__ import annotations

import json
import math
from typing import Any
from typing import Final

import yaml

LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
MOST_DEEP: Final = 50
MOST_NODES: Final = 20_000  # aliases count as often as they are used


def json_of(text: str | bytes) -> Any:
    """Return parsed JSON; raise ValueError for NaN, infinities, lone surrogates and too deep nesting."""
    try:
        found = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("it is nested too deeply.") from error
    if (b"\\u" if isinstance(text, bytes) else "\\u") in text:  # type: ignore[operator]  # the one that fits
        json.dumps(found, ensure_ascii=False).encode()  # raises UnicodeEncodeError, a ValueError, for a lone surrogate
    return found


def yaml_of(text: str) -> Any:
    """Return parsed YAML; raise ValueError if it is invalid, too deep, or too large with its aliases expanded."""
    try:
        _check_events(text)
        node = yaml.compose(text, LOADER)
        if node is not None:
            _measure(node, {})
        return yaml.load(text, LOADER)  # noqa: S506 - a safe one, in C where there is one
    except yaml.YAMLError as error:
        raise ValueError("it is not YAML") from error
    except RecursionError as error:
        raise ValueError("it is nested within itself") from error


def _check_events(text: str) -> None:
    """Raise ValueError for deep nesting before anything is built: each level slows the parser down."""
    depth = 0
    for event in yaml.parse(text, LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEEP:
            raise ValueError(f"it is nested in more than {MOST_DEEP} levels")


def _measure(node: yaml.Node, known: dict[int, int]) -> int:
    """Return the number of nodes in a tree; a shared node is measured once and counted at each use.

    Raise ValueError above MOST_NODES.
    """
    if id(node) not in known:
        known[id(node)] = 1 + sum(_measure(below, known) for below in _below(node))
    if known[id(node)] > MOST_NODES:
        raise ValueError(f"it has more than {MOST_NODES} values, as its aliases repeat them")
    return known[id(node)]


def _below(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [one for pair in node.value for one in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:40]} is too large.")
    return value


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number.")
