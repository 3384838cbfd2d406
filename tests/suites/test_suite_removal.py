"""Taking away: every step runs, what is refused runs once more, and what failed is told."""

from __future__ import annotations

import pytest

from nightproof import quilt
from suites._support.removal import remove_all


class Step:
    """Fails as often as it was told, and counts."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self) -> None:
        """Fail, or not any more."""
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)


def refusal() -> quilt.QuiltOpsError:
    """Make what a system says that refuses."""
    return quilt.BackendError("refused", {})


def test_a_refused_step_is_taken_once_more() -> None:
    """Once refused is no failure."""
    step = Step(refusal())
    remove_all([step])
    assert step.calls == 2


def test_a_step_that_fails_is_told_and_keeps_no_other_back() -> None:
    """The steps before and after it run; an error that is no refusal is not tried again."""
    steps = [Step(), Step(refusal(), refusal()), Step(), Step(LookupError("ours")), Step()]
    with pytest.raises(quilt.BackendError) as caught:
        remove_all(steps)
    assert [step.calls for step in steps] == [1, 2, 1, 1, 1]
    assert isinstance(caught.value.__context__, quilt.BackendError)
