"""The command `prove`: its output, and the exit code that CI reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from nightproof.prove.plan import Ask
from nightproof.prove.results import Result
from nightproof.prove.results import Results
from nightproof.prove.results import Status
from tests.nightproof.prove.conftest import Proving

if TYPE_CHECKING:
    from pathlib import Path

    from tests.deployments.conftest import Call

TABLE = """
[defect.client-breaks-all]
places = ["client"]
kills.platform = ["test_it::test_is_blind"]
[defect.late]
places = ["catalog"]
kills.platform = ["test_it::test_to_be_written"]
"""


@pytest.fixture
def profile_path(tmp_path: Path) -> str:
    """Write a profile over a suite with one earlier result, a killed defect; return its path."""
    proving = Proving(tmp_path)
    proving.write(TABLE)
    path = tmp_path / "embedded.toml"
    path.write_text(f'target = "embedded"\nstate_dir = "{tmp_path}/state"\n[[suite]]\npath = "shop"\n')
    killed = Result(
        Ask("shop", "client-breaks-all", "shop/test_it::test_is_blind", "platform"), Status.KILLED, "failed"
    )
    Results(tmp_path / "state" / "prove" / "results.jsonl", fresh=False).add(killed)
    return str(path)


def test_all_killed_is_exit_0(call: Call, profile_path: str) -> None:
    """If every defect is killed, `prove` exits 0 and prints the counts."""
    code, out, _ = call("prove", "--profile", profile_path, "--defect", "client-breaks-all")
    assert (code, out) == (0, "1 of 1 killed, 0 alive, 0 untested\n")


def test_a_missing_test_is_exit_1(call: Call, profile_path: str) -> None:
    """A test in the table that no suite has leads to exit 1 and is named before the counts."""
    code, out, _ = call("prove", "--profile", profile_path)
    assert (code, out.splitlines()) == (
        1,
        ["absent late shop/test_it::test_to_be_written platform: no suite has this test",
         "1 of 2 killed, 0 alive, 1 untested"],
    )  # fmt: skip


def test_a_machine_reads_the_same(call: Call, profile_path: str) -> None:
    """`--json` prints the counts, and how many results come from an earlier call."""
    code, out, _ = call("prove", "--profile", profile_path, "--json")
    assert (code, json.loads(out)["counts"]["absent"], json.loads(out)["earlier"]) == (1, 1, 1)
