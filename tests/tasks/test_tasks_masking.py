"""What Prefect receives is masked at the boundary of a task and before each of its log handlers."""

from __future__ import annotations

import ast
import logging
from pathlib import Path

import pytest

import tasks
from nightproof.errors import Blocked
from nightproof.errors import NightproofError
from nightproof.redact import MASK
from nightproof.redact import Redactor
from tasks.masking import Mask

SECRET = "planted-secret-4711"


class OwnWordsError(Exception):
    """An error whose text does not come from its arguments."""

    def __str__(self) -> str:
        return f"in own words {SECRET}"


@pytest.fixture
def mask() -> Mask:
    """Return a mask that knows the secret."""
    made = Mask()
    made.redactor = Redactor([SECRET])
    return made


def test_an_error_keeps_its_kind(mask: Mask) -> None:
    """An error is masked in place, together with its causes and grouped errors, and keeps its class."""
    error = Blocked(f"refused {SECRET}", 7)
    error.__cause__ = ExceptionGroup("all", [ValueError(SECRET)])
    assert mask.error(error) is error
    assert error.args == (f"refused {MASK}", 7)
    assert error.__cause__.exceptions[0].args == (MASK,)


@pytest.mark.parametrize(
    "error", [OwnWordsError(), OSError(2, "gone", SECRET), UnicodeDecodeError("utf-8", b"", 0, 1, SECRET)]
)
def test_an_error_with_its_own_words_is_replaced(mask: Mask, error: Exception) -> None:
    """An error whose text does not come from its arguments is replaced, for it cannot be masked in place."""
    safe = mask.error(error)
    assert type(safe) is NightproofError
    assert str(safe).startswith(type(error).__name__)
    assert MASK in str(safe)
    assert SECRET not in str(safe)


def test_a_record_is_masked_with_its_traceback(mask: Mask) -> None:
    """A log record is masked with its traceback, because Prefect logs what tasks and flows raise."""
    error = ValueError(SECRET)
    record = logging.LogRecord(
        "prefect", logging.ERROR, __file__, 1, "failed: %s", (SECRET,), (ValueError, error, None)
    )
    assert mask.filter(record)
    assert logging.Formatter().format(record) == f"failed: {MASK}\nValueError: {MASK}"


def test_every_task_is_made_by_ours() -> None:
    """Every task uses our decorator, because Prefect's own decorator masks nothing."""
    files = [path for path in Path(tasks.__path__[0]).glob("*.py") if path.name != "masking.py"]
    imports = [
        node for path in files for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)
    ]
    assert [
        node.lineno for node in imports if node.module == "prefect" and "task" in [name.name for name in node.names]
    ] == []
    assert sum(node.module == "tasks.masking" for node in imports) > 5
