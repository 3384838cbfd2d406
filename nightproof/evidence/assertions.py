"""Count the assertions that are no `assert` statement: pytest.raises and the methods of unittest.TestCase."""

from __future__ import annotations

import unittest
from contextvars import ContextVar
from functools import wraps
from typing import Any

import pytest

from nightproof.evidence.recorders import MARK
from nightproof.evidence.state import RECORDING

_is_inside: ContextVar[bool] = ContextVar("nightproof_assertion", default=False)


def install() -> None:
    """Wrap both ways of asserting, once per process."""
    for manager in (pytest.RaisesExc, pytest.RaisesGroup):
        _wrap(manager, "__exit__", _counting_exit)
    for name in dir(unittest.TestCase):
        if name.startswith("assert"):
            _wrap(unittest.TestCase, name, _counting_method)


def _wrap(owner: Any, name: str, wrapper: Any) -> None:
    original = getattr(owner, name)
    if not getattr(original, MARK, False):
        counting = wrapper(original)
        setattr(counting, MARK, True)
        setattr(owner, name, counting)


def _counting_exit(original: Any) -> Any:
    @wraps(original)
    def leave(self: Any, *args: Any) -> bool:
        __tracebackhide__ = True
        held: bool = original(self, *args)
        if held:
            RECORDING.count_assertion()
        return held

    return leave


def _counting_method(original: Any) -> Any:
    """Count a method that returns; what it asserts by other methods inside is one assertion."""

    @wraps(original)
    def asserted(self: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        is_outermost = not _is_inside.get()
        token = _is_inside.set(True)
        try:
            found = original(self, *args, **kwargs)
        finally:
            _is_inside.reset(token)
        if is_outermost:
            RECORDING.count_assertion()
        return found

    return asserted
