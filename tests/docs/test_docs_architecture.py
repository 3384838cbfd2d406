"""The page about the rooms says of each what the room says of itself."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = sorted(path.parent for room in ("nightproof", "testbed") for path in (ROOT / room).glob("*/__init__.py"))


@pytest.mark.parametrize("room", ROOMS, ids=lambda path: path.name)
def test_every_room_is_named_with_its_own_sentence(room: Path) -> None:
    """The table has the first line of the room's docstring."""
    docstring = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert f"| `{room.relative_to(ROOT)}/` | {docstring.splitlines()[0]} |" in PAGE


def test_every_file_and_folder_that_it_names_is_there() -> None:
    """A path in backquotes leads somewhere from the project's root."""
    paths = [text for text in re.findall(r"`([\w./*]+/[\w./*]*)`", PAGE) if "*" not in text]
    assert len(paths) > len(ROOMS)
    assert [text for text in paths if not (ROOT / text).exists()] == []
