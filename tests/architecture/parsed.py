"""The syntax tree of each source file, read once for all tests of a process."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a file; raise SyntaxError if it is no Python."""
    return ast.parse(path.read_text(encoding="utf-8"))
