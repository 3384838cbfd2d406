"""The script that repeats one test: it works in a fresh shell and holds secrets by name only."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from nightproof.evidence import folder
from nightproof.evidence import rerun
from nightproof.evidence.exchange import Exchange
from nightproof.evidence.state import TestState

if TYPE_CHECKING:
    from pathlib import Path

TEST = """
import os

def test_asks():
    assert os.environ["SHOP_URL"] == "http://shop/?a='b c'"
    assert os.environ["SHOP_TOKEN"] == "given by the person"
"""
ENV = {"SHOP_URL": "http://shop/?a='b c'", "SHOP_TOKEN": "planted", "PLAIN": "unused"}


def written(folder: Path, **env: str) -> str:
    """Return the script for the test of a small suite."""
    (folder / "test_shop.py").write_text(TEST)
    given = ["-v", str(folder), "-p", "no:nightproof"]
    arguments = rerun.arguments_of(given, [str(folder)], "test_shop.py::test_asks")
    return rerun.script(arguments, str(folder), ENV | env, lambda name, _value: name == "SHOP_TOKEN")


def run(script: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a shell that has only these variables."""
    return subprocess.run(["/bin/sh", "-c", script], env=env, cwd="/", capture_output=True, text=True, check=False)


def test_script_runs_the_test_as_it_stands(tmp_path: Path) -> None:
    """The script holds folder, interpreter, variables and test; the reader supplies the secret."""
    script = written(tmp_path, NIGHTPROOF_RERUN_ENV="SHOP_TOKEN,SHOP_URL")
    ended = run(script, SHOP_TOKEN="given by the person", PATH="/usr/bin:/bin")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout


def test_missing_secret_is_named(tmp_path: Path) -> None:
    """Without the secret the script ends at once and names the variable; its value is not in the file."""
    script = written(tmp_path, NIGHTPROOF_RERUN_ENV="SHOP_TOKEN,SHOP_URL")
    ended = run(script, PATH="/usr/bin:/bin")
    assert ended.returncode != 0
    assert "SHOP_TOKEN: is a secret that this test reads: export it first" in ended.stderr
    assert "planted" not in script


def test_only_what_the_runner_gave_is_exported(tmp_path: Path) -> None:
    """Other variables of the night's machine are not in the script."""
    assert "PLAIN" not in written(tmp_path, NIGHTPROOF_RERUN_ENV="SHOP_URL")


@pytest.mark.parametrize("word", ["ready", "late"])
def test_testbed_is_started_for_the_test_and_ended_with_it(tmp_path: Path, word: str) -> None:
    """The script starts a testbed, waits for it, reads its environment, and stops it afterwards."""
    marker = tmp_path / "ended"
    facts = f"export SHOP_URL=\\\"http://shop/?a='b c'\\\"; export NIGHTPROOF_CONTROL_TOKEN={word}"
    delay = "0.5" if word == "late" else "0"
    body = f"trap 'touch {marker}; exit' TERM; sleep {delay}; echo \"{facts}\"; while :; do sleep 0.1; done"
    (tmp_path / "testbed").write_text(body)
    command = f"sh {tmp_path / 'testbed'}"
    script = written(tmp_path, NIGHTPROOF_RERUN_ENV="SHOP_URL", NIGHTPROOF_TESTBED_COMMAND=command)
    ended = run(script, SHOP_TOKEN="given by the person", PATH="/usr/bin:/bin")
    assert "1 passed" in ended.stdout, ended.stdout + ended.stderr
    subprocess.run([sys.executable, "-c", WAIT, marker], check=True, timeout=10)


WAIT = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.05)"


def test_testbed_that_ends_ends_the_script(tmp_path: Path) -> None:
    """A testbed that cannot start ends the script at once."""
    script = written(tmp_path, NIGHTPROOF_TESTBED_COMMAND="false")
    ended = run(script, SHOP_TOKEN="x", PATH="/usr/bin:/bin")
    assert ended.returncode != 0
    assert "passed" not in ended.stdout


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        (200, "", ""),
        (503, "", "GET /price answered 503"),
        (None, "ReadTimeout: 3 s", "GET /price got no answer: ReadTimeout"),
    ],
)
def test_last_exchange_is_told_when_it_failed(status: int | None, error: str, told: str) -> None:
    """The last exchange is shown unless it was answered well."""
    state = TestState("s/t::a", "run:1:0", tag="run", properties=[])
    for place, channel in (("/before", "subject"), ("/price", "subject"), ("/log", "observer")):
        exchange = Exchange("GET", f"http://shop{place}?page=1", "http")
        exchange.channel, exchange.status, exchange.error = channel, status, error
        state.log.append(exchange)
    assert folder.failed_exchange(state) == told
