"""Counting of the `assert` statements that hold, without touching their values.

pytest's hook for them needs the text of each. Building it calls the `repr` of every value and keeps the values alive in
the frame. A suite may notice both, and it costs more than most tests. Before pytest builds the text, it checks whether
anybody wants it: once for each assertion that held, called from that assertion's frame. That check is where we count.
"""

from __future__ import annotations

import ast
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Final

from _pytest.assertion import rewrite

from nightproof.evidence.assertions import MARK
from nightproof.evidence.assertions import always_holds
from nightproof.evidence.state import RECORDING

if TYPE_CHECKING:
    from collections.abc import Callable

FILES: Final = 10_000  # modules whose constant assertions are remembered


def install() -> None:
    """Count from here on, once per process; a suite that has a hook of its own still gets the text."""
    original = rewrite._check_if_assertion_pass_impl  # noqa: SLF001 - the rewritten modules ask nothing else
    if not hasattr(original, MARK):
        check = _counting(original)
        setattr(check, MARK, True)
        rewrite._check_if_assertion_pass_impl = check  # noqa: SLF001 - as above


def _counting(original: Callable[[], bool]) -> Callable[[], bool]:
    def check() -> bool:
        if RECORDING.test is not None:
            frame = sys._getframe(1)  # noqa: SLF001 - the documented way to the caller's frame
            file = frame.f_globals.get("__file__") or frame.f_code.co_filename
            if frame.f_lineno not in constant_lines(str(file)):
                RECORDING.count_assertion()
        return original()

    return check


@lru_cache(FILES)
def constant_lines(file: str) -> frozenset[int]:
    """Return the lines of a module on which no assertion can fail."""
    try:
        nodes = list(ast.walk(ast.parse(Path(file).read_bytes())))
    except (OSError, SyntaxError, ValueError):
        return frozenset()  # generated in memory, or the file is gone
    checks = [node for node in nodes if isinstance(node, ast.Assert)]
    return frozenset(node.lineno for node in checks) - {node.lineno for node in checks if not always_holds(node.test)}
