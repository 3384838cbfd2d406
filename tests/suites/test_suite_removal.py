"""Removal of what a test made: every step runs, a refused step is repeated once, and failures are raised."""

from __future__ import annotations

import pytest

from nightproof import quilt
from suites._support.removal import remove_all


class Step:
    """A step that raises the given errors in turn, then succeeds, and counts its calls."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self) -> None:
        """Raise the next error, or return if none is left."""
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)


def refusal() -> quilt.QuiltOpsError:
    """Return the error of a system that refuses a request."""
    return quilt.BackendError("refused", {})


def test_a_refused_step_is_taken_once_more() -> None:
    """A step that is refused once and then succeeds raises no error."""
    step = Step(refusal())
    remove_all([step])
    assert step.calls == 2


def test_a_step_that_fails_is_told_and_keeps_no_other_back() -> None:
    """All steps run although some fail, the errors are raised, and only a refused step is repeated."""
    steps = [Step(), Step(refusal(), refusal()), Step(), Step(LookupError("ours")), Step()]
    with pytest.raises(quilt.BackendError) as caught:
        remove_all(steps)
    assert [step.calls for step in steps] == [1, 2, 1, 1, 1]
    assert isinstance(caught.value.__context__, quilt.BackendError)
