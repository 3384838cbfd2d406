"""Where and how a test failed, read from pytest's serialised report."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof.runner.failure import OUTPUT_LIMIT
from nightproof.runner.failure import TRACEBACK_LIMIT
from nightproof.runner.failure import Failure
from nightproof.runner.failure import failure_of

if TYPE_CHECKING:
    from pathlib import Path

SUITE = """
import json
import pytest

def helper(value):
    assert value == 3, "the price is wrong"

def test_helper():
    print("asked for the price")
    helper(4)

def test_library():
    json.loads("{")

def test_chain():
    try:
        {}["price"]
    except KeyError as error:
        raise ValueError("no price") from error

@pytest.fixture
def broken():
    raise RuntimeError("no shop")

def test_setup(broken):
    pass

def test_good():
    print("fine")

def test_long():
    print("x" * 9000)
    raise ValueError("y" * 9000)
"""


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Failure]:
    """Return the failure of each test of a small suite, read from pytest's report log."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "test_shop.py").write_text(SUITE)
    log = folder / "log.jsonl"
    command = [sys.executable, "-m", "pytest", "-p", "no:nightproof", f"--report-log={log}", "test_shop.py"]
    subprocess.run(command, cwd=folder, check=False, capture_output=True)
    return {name: failure_of(reports) for name, reports in _reports(log).items()}


def _reports(log: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in map(json.loads, log.read_text().splitlines()):
        if line["$report_type"] == "TestReport":
            found.setdefault(line["nodeid"].rpartition("::")[2], []).append(line)
    return found


@pytest.mark.parametrize(
    ("test", "where"),
    [
        ("test_helper", "test_shop.py:6"),
        ("test_library", "test_shop.py:13"),
        ("test_chain", "test_shop.py:19"),
        ("test_setup", "test_shop.py:23"),
        ("test_good", ""),
    ],
)
def test_place_is_the_innermost_line_of_the_suite(failures: dict[str, Failure], test: str, where: str) -> None:
    """A failure's place is the innermost line of the suite, not a library's."""
    assert failures[test].where == where


def test_traceback_holds_every_frame_and_cause(failures: dict[str, Failure]) -> None:
    """The traceback has every frame as pytest prints it, and chained causes come first."""
    assert "test_shop.py:10" in failures["test_helper"].traceback
    assert ">       assert value == 3" in failures["test_helper"].traceback
    chain = failures["test_chain"].traceback
    assert chain.index("KeyError: 'price'") < chain.index("direct cause") < chain.index("ValueError: no price")


def test_output_has_its_section(failures: dict[str, Failure]) -> None:
    """A failed test's output is kept under pytest's own title; a passed test keeps none."""
    assert failures["test_helper"].output == "--- Captured stdout call ---\nasked for the price"
    assert failures["test_good"] == Failure()


def test_long_texts_keep_their_ends(failures: dict[str, Failure]) -> None:
    """A text over its limit keeps its ends and states how much only the event log holds."""
    failure = failures["test_long"]
    assert len(failure.traceback) <= TRACEBACK_LIMIT + 100
    assert len(failure.output) <= OUTPUT_LIMIT + 100
    assert failure.output.startswith("… 6")
    assert failure.traceback.endswith("test_shop.py:33: ValueError")


@pytest.mark.parametrize(
    "shown", [None, "", [], {}, {"reprcrash": None}, {"chain": []}, {"reprtraceback": {"reprentries": [None, {}]}}]
)
def test_report_of_another_shape_has_no_place(shown: Any) -> None:
    """A plugin's report of another shape has empty fields, and nothing is raised."""
    assert failure_of([{"outcome": "failed", "longrepr": shown}]).where == ""


def test_plain_text_is_the_traceback() -> None:
    """A plain-text error is kept as the traceback."""
    assert failure_of([{"outcome": "failed", "longrepr": "fixture 'x' not found"}]).traceback == "fixture 'x' not found"
