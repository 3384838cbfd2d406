"""Nights from the command line: run, shown again, listed and pruned; and the commands that run no night."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from deployments import commands
from nightproof.ledger import Ledger
from nightproof.locking import environment_lock
from nightproof.night import open_night
from nightproof.plan import Choice
from nightproof.profile import Names
from nightproof.records import SeedResult
from nightproof.waiting import await_value
from tests.nightproof.foreign import RUN_ID
from tests.nightproof.foreign import whole_night

if TYPE_CHECKING:
    from pathlib import Path

    from types_boto3_s3 import S3Client

    from tests.deployments.conftest import Call
    from tests.nightproof.foreign import Foreign

LATER = "20261121T020000Z-bcdefg"
RUN = [sys.executable, "-m", "deployments.cli"]


@pytest.fixture
def profile(foreign: Foreign) -> str:
    """Run one night over the foreign suite; return the profile's path."""
    path = str(foreign.profile_path)
    whole_night(open_night(path, Choice(), RUN_ID))
    return path


@pytest.mark.timeout(240)  # a new database's migrations take a while on a busy machine
def test_a_night_brings_its_own_server(foreign: Foreign) -> None:
    """Stdout holds only the report and stderr the stages; the server ends with the command."""
    command = [*RUN, "run", "--json", "--profile", str(foreign.profile_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
    report = json.loads(done.stdout)
    assert (report["colour"], report["totals"]["passed"]) == ("GREEN", 1)
    told = done.stderr.splitlines()
    assert told[0] == "prefect: starting the Prefect server"
    assert "suites: shop-default 1/1" in told
    assert b"Uvicorn" not in (foreign.state / "prefect" / "server.log").read_bytes()
    assert not (foreign.state / "environment.holder.json").exists()


def test_a_report_is_shown_again(call: Call, profile: str) -> None:
    """A report is shown by its id or as the latest, as text or as JSON."""
    code, out, _ = call("report", "-p", profile)
    assert (code, out.startswith("GREEN: ")) == (0, True)
    assert json.loads(call("report", RUN_ID, "-p", profile, "--json")[1])["run_id"] == RUN_ID


def test_a_killed_night_is_told_from_one_that_goes_on(call: Call, foreign: Foreign) -> None:
    """A night without a report is described as still running or as killed, whichever is true."""
    path = str(foreign.profile_path)
    night = open_night(path, Choice(), LATER)  # never closed
    code, _, told = call("report", "-p", path)
    assert (code, f"The run `{LATER}` has no report yet, for it is still running" in told) == (3, True)
    holder = (foreign.state / "environment.holder.json").read_text()
    night.held.close()
    (foreign.state / "environment.holder.json").write_text(holder)  # as kill -9 leaves it
    for given in ("latest", LATER):
        code, _, told = call("report", given, "-p", path)
        assert (code, f"The run `{LATER}` was killed before any test began" in told) == (3, True)
    assert call("report", RUN_ID, "-p", path)[2].startswith(
        f"There is no run `{RUN_ID}` in `{foreign.state}/runs`: list "
    )


def test_nights_are_listed(call: Call, foreign: Foreign, profile: str) -> None:
    """Nights are listed with colour and counts; without any, a hint says how to start one."""
    out = call("history", "-p", profile)[1]
    assert out.startswith(f"{RUN_ID} GREEN 1 passed, 0 flaky of 1, ")
    assert json.loads(call("history", "-p", profile, "--rebuild", "--json")[1])[0]["run_id"] == RUN_ID
    other = foreign.folder / "other.toml"
    other.write_text('target = "live"\nstate_dir = "' + str(foreign.folder / "nothing") + '"\n')
    assert call("history", "-p", str(other))[1].startswith("There is no night of `other` yet: start one with ")


def test_old_nights_are_pruned_on_request(call: Call, foreign: Foreign, profile: str) -> None:
    """`prune` changes nothing without `--apply`; with it, the report of an old night stays."""
    run_dir = foreign.state / "runs" / RUN_ID
    old = run_dir.rename(run_dir.with_name("20200101T020000Z-abcdef"))
    run_dir.mkdir()  # the newest night is always spared
    before = len(list(old.rglob("*")))
    planned = call("prune", "-p", profile)[1]
    assert planned.startswith("Would delete ")
    assert len(list(old.rglob("*"))) == before
    assert json.loads(call("prune", "-p", profile, "--json")[1])["applied"] is False
    assert call("prune", "-p", profile, "--apply")[1] == planned.replace("Would delete", "Deleted")
    assert (old / "report.json").is_file()
    assert not (old / "report.html").exists()


def test_a_cleanup_shows_its_plan(
    call: Call, tmp_path: Path, s3_url: str, s3: S3Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `--apply` the cleanup deletes nothing and says so, as text and as JSON."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    for bucket in (Names().bucket_work, Names().bucket_scratch, Names().bucket_data):
        s3.create_bucket(Bucket=bucket)
    path = tmp_path / "store.toml"
    path.write_text(f'target = "live"\nneeds = ["write"]\nstate_dir = "{tmp_path}"\nendpoints.aws = "{s3_url}"\n')
    assert call("cleanup", "-p", str(path))[:2] == (
        0, "Would delete 0 resources of 0 runs; 0 refused. Nothing was changed.\n"
    )  # fmt: skip
    assert json.loads(call("cleanup", "-p", str(path), "--apply", "--json")[1])["dry_run"] is False
    run_id = "20240101T000000Z-abcdef"
    foreign = Ledger(tmp_path / "runs" / run_id / "ledger.jsonl", run_id)
    foreign.intent("object", {"bucket": Names().bucket_data, "key": "somebody's"})
    status, text = call("cleanup", "-p", str(path), "--apply")[:2]
    assert (status, f"leaked object {Names().bucket_data}/somebody's: not touched" in text) == (1, True)
    assert call("cleanup", "-p", str(path), "--apply", "--run-id", "")[0] == 3  # as from an unset shell variable


def test_seeds_are_told_one_per_line(call: Call, foreign: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each seed gets one line with its contents and uploads; a read-only profile exits 3."""
    path = str(foreign.profile_path)
    code, _, told = call("seed", "-p", path)
    assert (code, told.startswith("The profile `shop` is read-only: add `write`")) == (3, True)
    done = SeedResult("a", "dataset", 3, 20, "0" * 64, generated_bytes=20, uploaded_bytes=5, repaired=1, duration_s=0)
    monkeypatch.setattr(commands, "seed_target", lambda _target, tell: (tell("a", 1, 1), (done,))[1])
    _, out, told = call("seed", "-p", path)
    assert (out, told) == ("a: 3 files, 20 bytes, 5 bytes uploaded, 1 repaired\n", "seed: a 1/1\n")
    assert json.loads(call("seed", "-p", path, "--json")[1])[0]["uploaded_bytes"] == 5


def test_the_testbed_gives_its_environment_until_a_signal(tmp_path: Path) -> None:
    """`testbed` prints only exports for a shell; SIGTERM ends it with 143 and frees the environment."""
    path = tmp_path / "own.toml"
    path.write_text(f'target = "embedded"\nstate_dir = "{tmp_path / "state"}"\n')
    log = tmp_path / "out"
    with log.open("wb") as out:
        bed = subprocess.Popen([*RUN, "testbed", "-p", str(path)], stdout=out, stderr=subprocess.DEVNULL)
    try:
        await_value(lambda: "export QUILT_TEST_WORK_REGISTRY_URL=" in log.read_text(), 100)
        bed.send_signal(signal.SIGTERM)
        assert bed.wait(30) == 143
    finally:
        bed.kill()
    given = dict(line.removeprefix("export ").split("=", 1) for line in log.read_text().splitlines())
    assert given["QUILT_TEST_CATALOG_URL"].startswith("http://127.0.0.1:")
    endpoints = given["NIGHTPROOF_ENDPOINTS"].strip("'").split()
    assert given["QUILT_TEST_CATALOG_URL"].removeprefix("http://") in endpoints
    with environment_lock(tmp_path / "state", "free again"):
        assert given["NIGHTPROOF_TARGET"] == "embedded"
