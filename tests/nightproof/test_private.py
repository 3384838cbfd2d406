"""File modes: what a night leaves is its owner's alone, copies in the artifact store are readable for everybody."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from nightproof.config.places import make_state_dir
from nightproof.evidence.private import OTHERS
from nightproof.evidence.private import private_file
from nightproof.night import open_night
from nightproof.plan import Choice
from nightproof.report.store import copy_run
from tests.nightproof.evidence.wire import serve
from tests.nightproof.foreign import RUN_ID
from tests.nightproof.foreign import Foreign
from tests.nightproof.foreign import open_to_others
from tests.nightproof.foreign import whole_night

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


MIXED = """
import os, requests
def test_front(): assert requests.get(os.environ["NIGHTPROOF_URL_SHOP"]).status_code == 200
def test_back(tmp_path, ledger):
    ledger.intent("object", {"bucket": "b", "key": "np-20abcdef/x"})
    (tmp_path / "made").touch()
    mode = (tmp_path / "made").stat().st_mode & 0o777
    assert requests.get(os.environ["NIGHTPROOF_URL_SHOP"] + "?mode=%o" % mode).status_code == 418
"""


@pytest.fixture(scope="module", autouse=True)
def usual_umask() -> Iterator[None]:
    """Set the usual umask, under which new files are readable for everybody."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    """Return the permissions of a path."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(scope="module")
def finished(usual_umask: None, tmp_path_factory: pytest.TempPathFactory) -> Foreign:
    """Run a night with a failing test in a state directory that an older version left open to everybody."""
    del usual_umask
    with serve() as shop:
        foreign = Foreign(tmp_path_factory.mktemp("finished"), shop.url)
        foreign.write(MIXED, "test_front", "test_back")
        (foreign.state / "runs").mkdir(parents=True)
        (foreign.state / "placement.json").write_text("{}")
        whole_night(open_night(str(foreign.profile_path), Choice(), RUN_ID))
    return foreign


def test_a_finished_night_is_its_owners_alone(finished: Foreign) -> None:
    """All files of a night are their owner's alone, those of an earlier version included."""
    made = {path.name for path in finished.state.rglob("*")}
    parts = {"events.jsonl", "output.log", "exchanges.json", "rerun.txt", "ledger.jsonl", "report.html", "slack.json"}
    assert parts | {"history.sqlite", "environment.lock", "placement.json", "runs"} <= made
    assert open_to_others(finished.state) == []


def test_a_suites_own_files_are_as_in_plain_pytest(finished: Foreign) -> None:
    """A file that a test creates has the same mode as in plain pytest."""
    exchanges = finished.state.glob(f"runs/{RUN_ID}/evidence/*/exchanges.json")
    assert ["?mode=644" in path.read_text() for path in exchanges] == [True]


def test_a_served_copy_is_everybodys(finished: Foreign, tmp_path: Path) -> None:
    """A copy in the artifact store is readable for everybody, whatever the mode of the run directory."""
    copy_run(finished.state / "runs" / RUN_ID, str(tmp_path / "store"))
    copy = tmp_path / "store" / RUN_ID
    assert {mode_of(path) for path in copy.rglob("*") if path.is_file()} == {0o644}
    assert {mode_of(path) for path in (copy, *copy.rglob("*")) if path.is_dir()} == {0o755}


def test_a_folder_of_others_keeps_its_mode(tmp_path: Path) -> None:
    """In a state directory with other entries only our own entries are restricted."""
    for name in ("runs", "theirs"):
        (tmp_path / name).mkdir()
    tmp_path.chmod(0o755)
    make_state_dir(tmp_path)
    assert (mode_of(tmp_path), mode_of(tmp_path / "theirs"), mode_of(tmp_path / "runs")) == (0o755, 0o755, 0o700)


def test_a_folder_that_all_share_stays_theirs(tmp_path: Path) -> None:
    """A sticky folder such as /tmp keeps its mode, even when it is empty."""
    tmp_path.chmod(0o1777)
    make_state_dir(tmp_path)
    assert mode_of(tmp_path) == 0o1777


def test_a_file_keeps_its_content(tmp_path: Path) -> None:
    """Restricting a log keeps its content."""
    (tmp_path / "log").write_text("earlier\n")
    with private_file(tmp_path / "log").open("a") as log:
        log.write("later\n")
    assert ((tmp_path / "log").read_text(), mode_of(tmp_path / "log") & OTHERS) == ("earlier\nlater\n", 0)
