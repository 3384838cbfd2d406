"""A proof over a real testbed, and its result for every way in which a proof can go wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

import pytest

from nightproof.errors import Interrupted
from nightproof.errors import NightproofError
from nightproof.errors import UsageError
from nightproof.profile import Secrets
from nightproof.prove import run
from nightproof.prove.bed import Bed
from nightproof.prove.plan import Ask
from nightproof.prove.plan import Selection
from nightproof.prove.plan import Unit
from nightproof.prove.results import Result
from nightproof.prove.results import Results
from nightproof.prove.results import Status
from nightproof.prove.run import Options
from nightproof.prove.run import Prover
from nightproof.prove.run import prove
from nightproof.records import TestVerdict
from nightproof.records import Tier
from nightproof.records import Verdict
from nightproof.runner.cell import GroupRegistry

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nightproof.prove.conftest import Proving

NAMES_BUCKET = "config-drops-analytics-bucket"
BLIND = "shop/test_it::test_is_blind"


def prover(beds: list[Bed], path: Path) -> Prover:
    """Return a prover with an empty results file."""
    return Prover(beds, beds[0].groups, Results(path / "results.jsonl", fresh=True), 0)


def test_a_real_proof_tells_killed_from_alive(proving: Proving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Green, red, green is killed; always green is alive; always red is unproven; without a switch it is untested."""
    monkeypatch.setattr(run, "seed_target", lambda *_: ())  # this suite reads none, and seeding takes a minute
    summary = prove(proving.profile, Secrets(), Selection(backends=("platform",)), Options())
    found = {(result.ask.defect, result.ask.test.rpartition("_")[2]): result for result in summary.results}
    assert {name: (result.status.value, result.verdict) for name, result in found.items()} == {
        (NAMES_BUCKET, "bucket"): ("killed", "failed"),
        (NAMES_BUCKET, "blind"): ("alive", "passed"),
        (NAMES_BUCKET, "anyway"): ("unproven", ""),
        ("client-breaks-all", "blind"): ("killed", "failed"),
        ("no-server-knows-this", "blind"): ("untested", ""),
        (NAMES_BUCKET, "written"): ("absent", ""),
    }
    assert summary.sentence == "2 of 6 killed, 1 alive, 3 untested"
    assert found[NAMES_BUCKET, "anyway"].reason.startswith("without the defect too: failed, KeyError: 'no_such_key'")
    assert found["no-server-knows-this", "blind"].reason == (
        "The service `aws` has no defect `no-server-knows-this`: correct `places` in the table."
    )
    kept = {result.run_id for result in found.values() if result.run_id and result.status is not Status.KILLED}
    left = {path.name for path in (proving.profile.state_dir / "prove" / "bed-1" / "runs").iterdir()}
    assert found[NAMES_BUCKET, "blind"].run_id in left <= kept


class Scripted(Bed):
    """A testbed whose tests have the verdicts of a script, by what is switched on."""

    def __init__(self, proving: Proving, folder: Path, script: dict[str, list[Verdict]]) -> None:
        super().__init__(proving.profile, Secrets(), folder, folder, GroupRegistry())
        self.script = script
        self.on = ""
        self.renewed = 0
        self.story: list[str] = []
        self.dead: tuple[str, ...] = ()
        self.sound = True

    @property
    def systems(self) -> Any:
        """Stand for the target."""
        return self

    def deaths(self) -> tuple[str, ...]:
        """Return the dead services."""
        return self.dead

    def renew(self) -> None:
        """Count."""
        self.renewed += 1

    def refresh(self) -> None:
        """Note it."""
        self.story.append("refreshed")

    def close(self, kept_runs: Any) -> None:
        """Note what is kept."""
        self.on = f"closed, {len(set(kept_runs))} kept"

    def switch_on(self, unit: Unit) -> None:
        """Note the defect."""
        self.on = unit.defect.name if unit.defect else ""

    def switch_off(self, unit: Unit) -> None:
        """Note its end."""
        assert unit.defect
        self.on = ""

    def is_sound(self, run_id: str) -> bool:
        """Return the script's answer."""
        assert run_id
        return self.sound

    def execute(self, unit: Unit, run_id: str) -> dict[str, TestVerdict]:
        """Take the next verdict of the script."""
        assert run_id
        self.story.append(self.on or "sound")
        verdict = self.script[self.on].pop(0)
        return {test: _verdict(test, verdict) for test in unit.tests}


def _verdict(test: str, verdict: Verdict) -> TestVerdict:
    return TestVerdict(
        id=test, suite="shop", backend="platform", verdict=verdict, reason="so it was", wire="subject",
        tier=Tier.NORMAL, category="general", type="e2e", journey=None, owner="",
    )  # fmt: skip


@pytest.fixture
def one(proving: Proving) -> tuple[Unit, ...]:
    """One defect over one test."""
    return (proving.unit("client-breaks-all"),)


def run_one(bed: Scripted, one: tuple[Unit, ...], path: Path) -> Result:
    """Run a proof of one question and give its answer."""
    work = prover([bed], path)
    work.run(one)
    (result,) = work.results.found.values()
    return result


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.ERROR, Verdict.TIMEOUT, Verdict.HOLLOW])
def test_every_red_verdict_kills(proving: Proving, one: tuple[Unit, ...], tmp_path: Path, verdict: Verdict) -> None:
    """Every red verdict kills, and the result keeps it."""
    bed = Scripted(proving, tmp_path, {"": [Verdict.PASSED, Verdict.PASSED], "client-breaks-all": [verdict]})
    result = run_one(bed, one, tmp_path)
    assert (result.status, result.verdict, bed.on) == (Status.KILLED, verdict.value, "closed, 0 kept")


def test_what_is_red_afterwards_too_is_not_killed(proving: Proving, one: tuple[Unit, ...], tmp_path: Path) -> None:
    """A test that stays red after the defect is unproven."""
    script = {"": [Verdict.PASSED, Verdict.FAILED], "client-breaks-all": [Verdict.FAILED]}
    result = run_one(Scripted(proving, tmp_path, script), one, tmp_path)
    assert (result.status, result.reason) == (Status.UNPROVEN, "after the defect too: failed, so it was")


def test_a_flaky_baseline_proves_nothing(proving: Proving, one: tuple[Unit, ...], tmp_path: Path) -> None:
    """A test that is not passed in the baseline is unproven, and its defect is not tried."""
    script: dict[str, list[Verdict]] = {"": [Verdict.TIMEOUT], "client-breaks-all": []}
    result = run_one(Scripted(proving, tmp_path, script), one, tmp_path)
    assert (result.status, result.reason) == (Status.UNPROVEN, "without the defect too: timeout, so it was")


def test_a_test_that_did_not_run_is_not_killed(proving: Proving, one: tuple[Unit, ...], tmp_path: Path) -> None:
    """A test that did not run under the defect is untested, not killed."""
    script = {"": [Verdict.PASSED], "client-breaks-all": [Verdict.NOT_RUN]}
    result = run_one(Scripted(proving, tmp_path, script), one, tmp_path)
    assert (result.status, result.verdict) == (Status.UNTESTED, "not_run")


def test_a_testbed_that_dies_kills_no_test(proving: Proving, one: tuple[Unit, ...], tmp_path: Path) -> None:
    """A testbed that dies kills no test: the dead service is named, and the testbed replaced."""
    bed = Scripted(proving, tmp_path, {"": [Verdict.PASSED], "client-breaks-all": [Verdict.FAILED]})
    bed.dead, bed.sound = ("catalog",), False
    result = run_one(bed, one, tmp_path)
    assert (result.status, result.reason) == (Status.UNTESTED, "the testbed's catalog died under it")
    assert bed.renewed == 1 + 2  # the start, then after the baseline and after the defect


def test_a_control_surface_that_does_not_answer_is_told(
    proving: Proving, one: tuple[Unit, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unreachable control interface leaves the tests untested, and a fresh testbed takes over."""
    bed = Scripted(proving, tmp_path, {"": [Verdict.PASSED], "client-breaks-all": [Verdict.FAILED]})

    def refuse(*_: Any) -> None:
        raise NightproofError("no answer")

    monkeypatch.setattr(Scripted, "switch_off", refuse)
    monkeypatch.setattr(Scripted, "is_sound", refuse)
    result = run_one(bed, one, tmp_path)
    assert (result.status, result.reason, bed.renewed) == (Status.UNTESTED, "no answer", 3)


def test_an_interruption_closes_the_testbeds_and_records_nothing_unconfirmed(
    proving: Proving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interruption closes the testbeds and records no red result that was not confirmed."""
    script = {"": [Verdict.PASSED], NAMES_BUCKET: [Verdict.FAILED], "client-breaks-all": [Verdict.FAILED]}
    bed = Scripted(proving, tmp_path, script)
    execute = Scripted.execute

    def until_cancelled(self: Scripted, unit: Unit, run_id: str) -> dict[str, TestVerdict]:
        if self.on == "client-breaks-all":
            raise Interrupted("cancelled")
        return execute(self, unit, run_id)

    monkeypatch.setattr(Scripted, "execute", until_cancelled)
    work = prover([bed], tmp_path)
    with pytest.raises(Interrupted):
        work.run((proving.unit(NAMES_BUCKET), proving.unit("client-breaks-all")))
    assert (work.results.found, bed.on, bed.groups.is_stopping) == ({}, "closed, 0 kept", True)


def test_what_was_seen_green_again_survives_an_interruption(
    proving: Proving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Red tests are confirmed at intervals, so that an interruption keeps the earlier ones."""
    monkeypatch.setattr(run, "SEEN_AGAIN_AFTER", 1)
    bed = Scripted(
        proving, tmp_path, {"": [Verdict.PASSED] * 2, NAMES_BUCKET: [Verdict.FAILED], "client-breaks-all": []}
    )
    work = prover([bed], tmp_path)
    with pytest.raises(IndexError):  # the script ends, as abruptly as a signal
        work.run((proving.unit(NAMES_BUCKET), proving.unit("client-breaks-all")))
    assert {ask.defect for ask in work.results.found} == {NAMES_BUCKET}


def test_after_a_defect_of_the_storage_the_catalog_starts_over(
    proving: Proving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a defect of the storage the catalog is reset, as it may have cached or indexed wrong answers."""
    monkeypatch.setattr(run, "SEEN_AGAIN_AFTER", 1)
    defect = "no-server-knows-this"
    bed = Scripted(proving, tmp_path, {"": [Verdict.PASSED] * 2, defect: [Verdict.FAILED]})
    prover([bed], tmp_path).run([proving.unit(defect)])
    assert (bed.renewed, bed.story) == (1, ["sound", defect, "refreshed", "sound"])


def test_two_testbeds_share_the_units(proving: Proving, tmp_path: Path) -> None:
    """Two testbeds share the units, and each unit runs once."""
    many = {"": [Verdict.PASSED] * 9, NAMES_BUCKET: [Verdict.FAILED], "client-breaks-all": [Verdict.FAILED]}
    beds: list[Bed] = [Scripted(proving, tmp_path / name, many) for name in ("a", "b")]
    work = prover(beds, tmp_path)
    work.run((proving.unit(NAMES_BUCKET), proving.unit("client-breaks-all")))
    assert work.done == 2
    assert {result.status for result in work.results.found.values()} == {Status.KILLED}
    assert len(work.results.found) == 4


def test_a_live_profile_is_refused(proving: Proving) -> None:
    """A live profile is refused: defects exist only in the testbed."""
    live = proving.profile.model_copy(update={"target": "live", "name": "stage"})
    with pytest.raises(UsageError, match="The profile `stage` is live: defects exist in the testbed only"):
        prove(live, Secrets(), Selection(), Options())


def test_a_finished_proof_starts_nothing(proving: Proving) -> None:
    """A finished proof starts no process and reports the earlier results again."""
    profile = proving.profile
    folder = profile.state_dir / "prove"
    earlier = Results(folder / "results.jsonl", fresh=True)
    earlier.add(Result(Ask("shop", "client-breaks-all", BLIND, "platform"), Status.KILLED, "failed"))
    summary = prove(profile, Secrets(), Selection(defects=("client-breaks-all",)), Options())
    assert (summary.sentence, summary.earlier, summary.is_proven) == ("1 of 1 killed, 0 alive, 0 untested", 1, True)
    assert (
        "| client-breaks-all | shop/test_it::test_is_blind | platform | killed |" in (folder / "prove.md").read_text()
    )
    assert not (profile.state_dir / "testbed").exists()
