"""The environments of other teams' suites are separate from the project's own."""

from __future__ import annotations

import subprocess
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OWN_PLUGINS = {
    "anyio",
    "hypothesispytest",
    "nightproof",
    "platformdirs",
    "pytest_cov",
    "pytest_reportlog",
    "socket",
    "timeout",
    "xdist",
}


def test_no_strangers_plugin_loads_beside_our_tests() -> None:
    """The project's environment has only the pytest plugins that its own tests need."""
    names = {point.name.partition(".")[0] for point in entry_points(group="pytest11")}
    assert names <= OWN_PLUGINS


@pytest.mark.parametrize(
    ("group", "major"), [("strangers", "9"), ("oldest", "7"), ("reruns-flaky", "9"), ("reruns-retry", "9")]
)
def test_each_world_has_its_pytest_and_not_the_project(
    world: Callable[[str], Path], tmp_path: Path, group: str, major: str
) -> None:
    """Each foreign environment has its own pytest, and `nightproof` cannot be imported there."""
    script = "import importlib.util, pytest; print(pytest.version_tuple[0], importlib.util.find_spec('nightproof'))"
    result = subprocess.run([world(group), "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stdout.split() == [major, "None"]
