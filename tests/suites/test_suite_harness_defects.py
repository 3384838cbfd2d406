"""The two injected cleanup defects really suppress finalizers, or the errors that finalizers raise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = """
import pytest


@pytest.fixture(scope="session")
def session():
    yield


@pytest.fixture
def made(session, request):
    yield request.node.name
    print("finalized", request.node.name)
    if request.node.name == "test_passes":
        raise OSError("injected")


def test_fails(made):
    assert made == ""


def test_passes(made):
    assert made != ""
"""


@pytest.mark.parametrize(
    ("defect", "finalized", "summary"),
    [
        ("", 2, "1 failed, 1 passed, 1 error"),
        ("cleanup-skips-on-failure", 1, "1 failed, 1 passed, 1 error"),
        ("cleanup-swallows-errors", 2, "1 failed, 1 passed"),
    ],
)
def test_a_defect_of_the_cleanup(defect: str, finalized: int, summary: str, tmp_path: Path) -> None:
    """One defect skips the finalizers of a failed test. The other hides the errors that finalizers raise."""
    (tmp_path / "test_made.py").write_text(SOURCE, encoding="utf-8")
    plugin = ["-p", "suites._defects.client"] if defect else []
    command = [sys.executable, "-m", "pytest", str(tmp_path), *plugin, "-q", "-s", "-c", os.devnull]
    env = os.environ | {"NIGHTPROOF_CLIENT_DEFECT": defect}
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout.count("finalized test_") == finalized
    assert ended.stdout.splitlines()[-1].startswith(f"{summary} in ")
