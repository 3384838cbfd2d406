"""Settings that exist once per target: one test at a time holds a setting, and its value is restored afterwards."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from suites._support.exclusive import borrowed

if TYPE_CHECKING:
    from pathlib import Path


class Switch:
    """A boolean setting that records every value written to it."""

    def __init__(self, *, value: bool) -> None:
        self.value = value
        self.written: list[bool] = []

    def read(self) -> bool:
        """Return the value."""
        return self.value

    def write(self, value: bool) -> None:  # noqa: FBT001 - the value of the switch
        """Set the value."""
        self.value = value
        self.written.append(value)


def test_a_setting_is_given_back_as_it_was(tmp_path: Path) -> None:
    """A setting gets its original value back, even if the test that borrowed it fails."""
    switch = Switch(value=True)

    def fail() -> None:
        with borrowed(tmp_path / "placement.json", "s", switch.read, switch.write):
            switch.value = False
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (switch.value, switch.written) == (True, [True])


def test_what_a_killed_borrower_left_is_not_taken_for_the_setting(tmp_path: Path) -> None:
    """After a borrower was killed, the next one restores the value that the killed one recorded before its change."""
    (tmp_path / "borrowed").mkdir()
    (tmp_path / "borrowed" / "s").write_text(json.dumps({"value": True}), encoding="utf-8")
    switch = Switch(value=False)
    with borrowed(tmp_path / "placement.json", "s", switch.read, switch.write) as value:
        assert value is True
    assert switch.value is True
    assert (tmp_path / "borrowed" / "s").read_text(encoding="utf-8") == ""


def test_one_borrower_waits_for_the_other(tmp_path: Path) -> None:
    """A second borrower waits and raises `TimeoutError` with the setting's name at its deadline.

    Other settings stay free.
    """
    switch, beside = Switch(value=True), tmp_path / "placement.json"
    with borrowed(beside, "s", switch.read, switch.write):
        with pytest.raises(TimeoutError, match="the setting `s`, which another test holds"):
            borrowed(beside, "s", switch.read, switch.write, deadline_s=0.01).__enter__()
        with borrowed(beside, "other", switch.read, switch.write):
            pass
        took: list[bool] = []

        def wait() -> None:
            with borrowed(beside, "s", switch.read, switch.write) as value:
                took.append(value)

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert took == []
    waiting.join(30)
    assert took == [True]
