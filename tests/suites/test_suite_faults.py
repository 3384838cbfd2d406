"""Fault switches of a service are shared by all cells: a test holds the lock `faults` until it resets its faults."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest

from suites._support.control import Control
from suites._support.control import Faults
from suites._support.exclusive import alone

if TYPE_CHECKING:
    from pathlib import Path


class Written(Control):
    """A control surface that records requests and sends none."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str, str]] = []

    def request(self, method: str, service: str, path: str, **_: Any) -> None:
        """Record method, service and path of the request."""
        self.asked.append((method, service, path))


def test_faults_are_held_alone_until_they_are_reset(tmp_path: Path) -> None:
    """A test takes the lock once for all its faults. Another test gets the lock only after the reset."""
    control, placement = Written(), tmp_path / "placement.json"
    faults = Faults(control, placement)
    faults.set("catalog", "error", status=500)
    faults.set("aws", "latency", seconds=1)
    with pytest.raises(TimeoutError, match="`faults`"), alone(placement, "faults", deadline_s=0.2):
        pass
    faults.reset()
    with alone(placement, "faults", deadline_s=5):
        pass
    faults.reset()
    names = [("catalog", "faults/error"), ("aws", "faults/latency")]
    assert control.asked == [("PUT", *names[0]), ("PUT", *names[1]), ("DELETE", *names[1]), ("DELETE", *names[0])]


@pytest.mark.parametrize(
    ("parameters", "is_shared"),
    [
        ({"user": "np-run1-unlucky-q1a2b1-0", "status": 500}, False),
        ({"prefix": ".quilt/named_packages/np-run1/x/", "status": 500}, False),
        ({"token": "a.b.c"}, False),
        ({"user": "test-readonly", "seconds": 1}, True),
        ({"user": "catalog-service", "prefix": "west.txt", "status": 503}, True),
    ],
)
def test_only_what_a_test_made_for_itself_needs_no_hold(
    tmp_path: Path, parameters: dict[str, Any], *, is_shared: bool
) -> None:
    """A fault limited to a user, prefix or token that the test made needs no lock. One on a shared user does."""
    control, placement = Written(), tmp_path / "placement.json"
    faults = Faults(control, placement)
    faults.set("catalog", "error", **parameters)
    if is_shared:
        with pytest.raises(TimeoutError, match="`faults`"), alone(placement, "faults", deadline_s=0.2):
            pass
    else:
        with alone(placement, "faults", deadline_s=0.2):
            pass
    faults.reset()
    assert [method for method, *_ in control.asked] == ["PUT", "DELETE"]
