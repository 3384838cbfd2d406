"""Tests that the suite itself deselects: by its options, or by its own code."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

HERE: Final = Path(__file__).parent
BY_CODE: Final = "code of the suite's own"


class Deselection:
    """The origin of each deselection. Plugins report deselected tests through `pytest_deselected`, but not all do."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._by: dict[pytest.Item, str] = {}

    def note(self, items: Iterable[pytest.Item]) -> None:
        """Record the tests that a hook is deselecting; the call stack shows whose hook it is."""
        by = self._origin()
        self._by.update(dict.fromkeys(items, by))

    def by(self, item: pytest.Item) -> str:
        """Return what deselected a test."""
        return self._by.get(item, BY_CODE)

    def _origin(self) -> str:
        for frame, _ in traceback.walk_stack(None):
            file, name = Path(frame.f_code.co_filename), frame.f_code.co_name
            if name == "deselect_by_mark":
                return f"-m '{self._config.option.markexpr}'"
            if name == "deselect_by_keyword":
                return f"-k '{self._config.option.keyword}'"
            if name == "pytest_collection_modifyitems" and file.parts[-2:] == ("_pytest", "main.py"):
                return "--deselect"
            if name == "pytest_collection_modifyitems" and HERE not in file.parents:
                return f"{name} in {self._shown(file)}"
        return BY_CODE

    def _shown(self, file: Path) -> str:
        root = self._config.rootpath
        return file.relative_to(root).as_posix() if root in file.parents else file.name
