"""Settings of which the target has one: held by one test at a time, and given back as they were."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from suites._support.exclusive import borrowed

if TYPE_CHECKING:
    from pathlib import Path


class Switch:
    """A setting that remembers what it was set to."""

    def __init__(self, *, value: bool) -> None:
        self.value = value
        self.written: list[bool] = []

    def read(self) -> bool:
        """Give the value."""
        return self.value

    def write(self, value: bool) -> None:  # noqa: FBT001 - the value of the switch
        """Set the value."""
        self.value = value
        self.written.append(value)


def test_a_setting_is_given_back_as_it_was(tmp_path: Path) -> None:
    """Also when the borrower fails."""
    switch = Switch(value=True)

    def fail() -> None:
        with borrowed(tmp_path / "placement.json", "s", switch.read, switch.write):
            switch.value = False
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (switch.value, switch.written) == (True, [True])


def test_what_a_killed_borrower_left_is_not_taken_for_the_setting(tmp_path: Path) -> None:
    """The value that it noted before it changed anything is the one that is given back."""
    (tmp_path / "borrowed").mkdir()
    (tmp_path / "borrowed" / "s").write_text(json.dumps({"value": True}), encoding="utf-8")
    switch = Switch(value=False)
    with borrowed(tmp_path / "placement.json", "s", switch.read, switch.write) as value:
        assert value is True
    assert switch.value is True
    assert (tmp_path / "borrowed" / "s").read_text(encoding="utf-8") == ""


def test_one_borrower_waits_for_the_other(tmp_path: Path) -> None:
    """And gives up at its deadline with the setting's name; other settings are free."""
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
