"""Facts that an exception holds and a report does not: a time limit, a cause outside the test, the kind of failure."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

LEFT_BEHIND: Final = frozenset({"PytestUnraisableExceptionWarning", "PytestUnhandledThreadExceptionWarning"})
XUNIT: Final = (  # pytest runs these through fixtures of its own, whose names nobody wrote
    ("_xunit_setup_module_", "teardown_module"),
    ("_xunit_setup_class_", "teardown_class"),
    ("_unittest_setUpClass_", "tearDownClass"),
    ("_unittest_setUpModule_", "tearDownModule"),
)


def text_of(value: object) -> str:
    """Return a value's text, or a placeholder if its own method raises, as pytest does."""
    try:
        return str(value)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - a suite's `__str__` may raise anything
        return f"<{type(value).__name__} whose text raises {type(error).__name__}>"


def is_time_limit(error: BaseException) -> bool:
    """Return whether pytest-timeout raised it, judged by its frame: any test may write the same message."""
    return any(
        frame.f_code.co_name == "timeout_sigalrm"
        for part in _parts(error)
        for frame, _ in traceback.walk_tb(part.__traceback__)
    )


def outside_cause(error: BaseException, when: str) -> str:
    """Return a cause outside the blamed test, or an empty text; running that test alone cannot repeat it."""
    if type(error).__name__ in LEFT_BEHIND:
        return "an exception that nothing handled, which an earlier test may have left behind"
    if when != "teardown":
        return ""
    return next((cause for part in _parts(error) if (cause := _shared_fixture(part))), "")


def kind_of(error: BaseException) -> str:
    """Return the `kind` in an error's context, or an empty text: it tells a slow system from a broken one."""
    try:
        context: Any = getattr(error, "context", None)
        return text_of(context.get("kind", "")) if isinstance(context, dict) else ""
    except Exception:  # noqa: BLE001 - a suite's attributes may raise anything
        return ""


def _parts(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and, for a group, every error in it."""
    yield error
    members = getattr(error, "exceptions", ()) if type(error).__name__.endswith("ExceptionGroup") else ()
    for member in members:
        yield from _parts(member)


def _shared_fixture(error: BaseException) -> str:
    """Return the shared fixture that was being torn down, found in pytest's own frames, or an empty text."""
    finishing = [
        frame.f_locals["self"]
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_name == "finish" and hasattr(frame.f_locals.get("self"), "argname")
    ]
    if not finishing or finishing[-1].scope == "function":
        return ""
    name = next((word for start, word in XUNIT if finishing[-1].argname.startswith(start)), finishing[-1].argname)
    return f"the tear-down of the {finishing[-1].scope} fixture `{name}`"


def why_not_collected(report: pytest.CollectReport) -> str:
    """Return in one line why nothing was collected; of a traceback, the line of the error."""
    if isinstance(report.longrepr, tuple):
        return f"skip: {report.longrepr[2]}"
    text = text_of(report.longrepr)
    said = [line[2:].strip() for line in text.splitlines() if line.startswith("E  ")]
    return f"`{report.nodeid}` could not be imported: {said[-1] if said else text}"
