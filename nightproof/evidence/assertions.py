"""Counting of the checks that are not `assert` statements, in whichever library makes them.

pytest and unittest are wrapped when a session starts, every other library when the suite imports it. No library is
imported only to be wrapped.
"""

from __future__ import annotations

import ast
import importlib
import sys
import unittest
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest
from _pytest import recwarn

from nightproof.evidence.state import RECORDING

if TYPE_CHECKING:
    from collections.abc import Callable

MARK: Final = "__nightproof__"

_is_inside: ContextVar[bool] = ContextVar("nightproof_assertion", default=False)


def install() -> None:
    """Wrap the checking functions of pytest and unittest, once per process."""
    for manager in (*_raising_managers(), recwarn.WarningsChecker):
        wrap(manager, "__exit__", counting_exit)
    if not hasattr(pytest, "RaisesExc"):
        wrap(pytest, "raises", counting)  # before 8.4, its call form does not go through a context manager
    for name in dir(unittest.TestCase):
        if name.startswith("assert"):
            wrap(unittest.TestCase, name, counting)
    for manager in _unittest_managers():
        wrap(manager, "__exit__", counting_exit)


def _raising_managers() -> list[Any]:
    """Return the classes behind `pytest.raises`, which became public with pytest 8.4."""
    public = [getattr(pytest, name) for name in ("RaisesExc", "RaisesGroup") if hasattr(pytest, name)]
    if public:
        return public
    return [importlib.import_module("_pytest.python_api").RaisesContext]


def _unittest_managers() -> list[Any]:
    """Return the classes behind `assertRaises`, `assertWarns` and `assertLogs`."""
    module = unittest.case
    names = ("_AssertRaisesContext", "_AssertWarnsContext", "_AssertNotWarnsContext", "_AssertLogsContext")
    return [getattr(module, name) for name in names if hasattr(module, name)]


def wrap(owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
    """Replace an attribute by its counting form, unless it is one already."""
    original = getattr(owner, name)
    if not getattr(original, MARK, False):
        replacement = wrapper(original)
        setattr(replacement, MARK, True)
        setattr(owner, name, replacement)


def counting_exit(original: Any) -> Any:
    """Count a block that ended as its context manager demands; an error that passes through it is not a check."""

    @wraps(original)
    def leave(self: Any, *args: Any) -> Any:
        __tracebackhide__ = True
        held = original(self, *args)
        if (held or not args or args[0] is None) and not _is_inside.get():
            RECORDING.count_assertion()
        return held

    return leave


def counting(original: Any) -> Any:
    """Count a call that returns; the checks that it makes by other calls inside are not counted again.

    A context manager that is returned has not checked anything yet.
    """

    @wraps(original)
    def check(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        is_outermost = not _is_inside.get()
        token = _is_inside.set(True)
        try:
            result = original(*args, **kwargs)
        finally:
            _is_inside.reset(token)
        if is_outermost and not hasattr(type(result), "__exit__"):
            RECORDING.count_assertion()
        return result

    return check


def counting_where(is_ours: Callable[[Any], bool]) -> Callable[[Any], Any]:
    """Count a call that returns, if the suite's own code makes it; libraries call the same function for themselves."""

    def wrapper(original: Any) -> Any:
        @wraps(original)
        def check(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            result = original(*args, **kwargs)
            if is_ours(sys._getframe(1)):  # noqa: SLF001 - the documented way to the caller's frame
                RECORDING.count_assertion()
            return result

        return check

    return wrapper


def always_holds(node: ast.expr) -> bool:
    """Return whether an assertion holds whatever the system does: `assert True`, a tuple, `… or True`."""
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        return any(always_holds(value) for value in node.values)
    if isinstance(node, (ast.Tuple, ast.List, ast.Set, ast.Dict)):
        return True  # a container literal with elements is true, whatever they are
    variable = (ast.Name, ast.Attribute, ast.Call, ast.Await)
    return not any(isinstance(part, variable) for part in ast.walk(node))
