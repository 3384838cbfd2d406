"""Run a proof: green without a defect, red with it, green again; on one or several isolated testbeds."""

from __future__ import annotations

import math
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from queue import Empty
from queue import SimpleQueue
from typing import TYPE_CHECKING
from typing import Final
from typing import TypeVar

from nightproof.errors import Interrupted
from nightproof.errors import NightproofError
from nightproof.errors import UsageError
from nightproof.housekeeping import opened
from nightproof.locking import environment_lock
from nightproof.plan import new_run_id
from nightproof.progress import announce
from nightproof.prove.bed import Bed
from nightproof.prove.plan import Ask
from nightproof.prove.plan import Proof
from nightproof.prove.plan import Selection
from nightproof.prove.plan import Unit
from nightproof.prove.plan import baselines
from nightproof.prove.plan import by_defect
from nightproof.prove.plan import plan_proof
from nightproof.prove.results import Result
from nightproof.prove.results import Results
from nightproof.prove.results import Status
from nightproof.prove.results import Summary
from nightproof.prove.results import write
from nightproof.records import Verdict
from nightproof.runner.cell import GroupRegistry
from nightproof.seeds import seed_target
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Collection

    from nightproof.profile import Profile
    from nightproof.profile import Secrets
    from nightproof.records import TestVerdict

RED: Final = frozenset({Verdict.FAILED, Verdict.ERROR, Verdict.TIMEOUT, Verdict.HOLLOW})
SEEN_AGAIN_AFTER: Final = 40  # units: an interrupted proof repeats about this many at most
STOP_GRACE_S: Final = 5.0
STOP_S: Final = 60.0
STORAGE: Final = "aws"
Work = TypeVar("Work")


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a proof; `time_factor` applies to latency defects."""

    jobs: int = 1
    time_factor: float = 0.25
    fresh: bool = False


def prove(profile: Profile, secrets: Secrets, selection: Selection, options: Options) -> Summary:
    """Prove the suites of an embedded profile; an interrupted proof resumes from its results file."""
    if profile.target != "embedded":
        raise UsageError(
            f"The profile `{profile.name}` is live: defects exist in the testbed only, use an embedded one."
        )
    started = time.monotonic()
    state_dir = profile.state_dir.absolute()
    folder = state_dir / "prove"
    proof = plan_proof(profile, selection, options.time_factor)
    with environment_lock(folder, "prove"):
        results = Results(folder / "results.jsonl", fresh=options.fresh)
        asks = [ask for unit in proof.units for ask in unit.asks]
        earlier = sum(results.is_killed(ask) for ask in asks)
        left = _left(proof, results)
        if left:
            _seed(profile, secrets)
            with environment_lock(state_dir, "prove"):
                groups = GroupRegistry()
                places = [folder / f"bed-{number}" for number in range(1, options.jobs + 1)]
                beds = [Bed(profile, secrets, state_dir, place, groups) for place in places]
                Prover(beds, groups, results, len(left)).run(left)
        absent = (Result(ask, Status.ABSENT, reason="no suite has this test") for ask in proof.absent)
        summary = Summary((*(results.found[ask] for ask in asks), *absent), earlier, time.monotonic() - started)
        write(summary, folder)
    return summary


def _left(proof: Proof, results: Results) -> tuple[Unit, ...]:
    """Return the units with only the tests that are not killed yet."""
    units = (unit.only([ask.test for ask in unit.asks if not results.is_killed(ask)]) for unit in proof.units)
    return tuple(unit for unit in units if unit.tests)


def _seed(profile: Profile, secrets: Secrets) -> None:
    with opened(profile, secrets, "prove") as target:
        seed_target(target, lambda name, done, of: announce("seed", name, done, of))


@dataclass(slots=True)
class Prover:
    """The testbeds working on shared queues of units; `red_before` holds reason and run of each baseline failure."""

    beds: list[Bed]
    groups: GroupRegistry
    results: Results
    total: int
    done: int = 0
    red_before: dict[tuple[str, str, float], tuple[str, str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, units: Collection[Unit]) -> None:
        """Run the baselines, then every defect; close every testbed, however it ends."""
        try:
            announce("testbed", f"{len(self.beds)} copies of the seeded state")
            self._each(lambda bed: bed.renew())
            self._share(baselines(units), self._baseline)
            self._share(by_defect(units), self._defect)
            self._each(self._see_again)
        finally:
            kept = {result.run_id for result in self.results.found.values() if result.status is not Status.KILLED}
            for bed in self.beds:
                bed.close(kept)

    def _each(self, act: Callable[[Bed], None]) -> None:
        """Run `act` on every testbed in its own thread; an error in one, or a signal, stops the others' processes.

        Not an executor: a signal that arrives while its future is waited for can leave that future locked for good.
        """
        faults: list[BaseException] = []

        def guarded(bed: Bed) -> None:
            try:
                act(bed)
            except BaseException as fault:  # noqa: BLE001 - raised again by the waiting thread
                faults.append(fault)

        threads = [threading.Thread(target=guarded, args=(bed,), daemon=True) for bed in self.beds]
        for thread in threads:
            thread.start()
        have_ended = False
        try:
            await_value(lambda: faults or not any(thread.is_alive() for thread in threads), math.inf)
            have_ended = not faults
        finally:
            if not have_ended:
                self.groups.stop_all(STOP_GRACE_S)
                with suppress(TimeoutError):
                    await_value(lambda: not any(thread.is_alive() for thread in threads), STOP_S)
        if faults:
            raise faults[0]

    def _share(self, work: Collection[Work], act: Callable[[Bed, Work], None]) -> None:
        queue: SimpleQueue[Work] = SimpleQueue()
        for piece in work:
            queue.put(piece)

        def serve(bed: Bed) -> None:
            with suppress(Empty):
                while True:
                    act(bed, queue.get_nowait())

        self._each(serve)

    def _baseline(self, bed: Bed, unit: Unit) -> None:
        announce("baseline", f"{unit.cell.key}, {len(unit.tests)} tests, time factor {unit.factor:g}")
        for test, (why, run_id) in _not_green(bed, unit).items():
            self.red_before[test, unit.cell.backend, unit.factor] = (f"without the defect too: {why}", run_id)

    def _defect(self, bed: Bed, units: list[Unit]) -> None:
        """Run the units of one defect; a red test counts only after it was green again."""
        for unit in units:
            self._ask(bed, unit)
        if any(unit.defect and STORAGE in unit.defect.services for unit in units):
            # What the storage misreported may live on in the catalog's memory and index.
            bed.refresh()
        if len(bed.pending) >= SEEN_AGAIN_AFTER:
            self._see_again(bed)

    def _ask(self, bed: Bed, unit: Unit) -> None:
        found = self._unproven(unit)
        asked = unit.only({ask.test for ask in unit.asks} - {result.ask.test for result in found})
        found += _under_defect(bed, asked) if asked.tests else []
        red = [result for result in found if result.status is Status.KILLED]
        for result in found:
            if result not in red:
                self.results.add(result)
        bed.pending.append((asked.only([result.ask.test for result in red]), red))
        self._tell(unit, found)

    def _unproven(self, unit: Unit) -> list[Result]:
        keys = {ask: (ask.test, ask.backend, unit.factor) for ask in unit.asks}
        known = {ask: self.red_before[key] for ask, key in keys.items() if key in self.red_before}
        return [Result(ask, Status.UNPROVEN, reason=why, run_id=run_id) for ask, (why, run_id) in known.items()]

    def _see_again(self, bed: Bed) -> None:
        """Run the red tests once more without defects; only those that are green now were killed by their defect."""
        pending, bed.pending = bed.pending, []
        for again in baselines([unit for unit, _ in pending if unit.tests]):
            announce("seen again", f"{again.cell.key}, {len(again.tests)} tests, time factor {again.factor:g}")
            still_red = _not_green(bed, again)
            for unit, red in pending:
                for result in red if (unit.cell.key, unit.factor) == (again.cell.key, again.factor) else ():
                    self.results.add(_confirmed(result, still_red))

    def _tell(self, unit: Unit, found: Collection[Result]) -> None:
        with self.lock:
            self.done += 1
            done = self.done
        red = sum(result.status is Status.KILLED for result in found)
        name = unit.defect.name if unit.defect else ""
        announce("prove", f"{name} {unit.cell.key}: {red} of {len(found)} red", done, self.total)


def _not_green(bed: Bed, unit: Unit) -> dict[str, tuple[str, str]]:
    """Run tests without a defect; return reason and run id of each that did not pass."""
    run_id = new_run_id()
    verdicts = bed.execute(unit, run_id)
    _mend(bed, run_id)
    bad = {test: verdict for test, verdict in verdicts.items() if verdict.verdict is not Verdict.PASSED}
    return {test: (f"{verdict.verdict.value}, {verdict.reason}", run_id) for test, verdict in bad.items()}


def _under_defect(bed: Bed, unit: Unit) -> list[Result]:
    """Switch a unit's defect on, run its tests, switch it off and leave the testbed sound."""
    run_id, verdicts, why = new_run_id(), {}, ""
    try:
        bed.switch_on(unit)
        verdicts = bed.execute(unit, run_id)
        bed.switch_off(unit)
    except Interrupted:
        raise
    except NightproofError as error:
        why = str(error)
    if deaths := bed.systems.deaths():
        why = f"the testbed's {', '.join(deaths)} died under it"
    _mend(bed, run_id)
    return [_answer(ask, verdicts.get(ask.test), run_id, why) for ask in unit.asks]


def _mend(bed: Bed, run_id: str) -> None:
    """Clean up after a process; copy the seeded state again if that fails."""
    try:
        is_sound = bed.is_sound(run_id)
    except NightproofError:
        is_sound = False
    if not is_sound:
        announce("testbed", "renewed, for what the last process left behind")
        bed.renew()


def _answer(ask: Ask, found: TestVerdict | None, run_id: str, why: str) -> Result:
    if why or found is None:
        return Result(ask, Status.UNTESTED, reason=why, run_id=run_id)
    if found.verdict in RED:
        return Result(ask, Status.KILLED, found.verdict.value, found.reason, run_id)
    is_alive = found.verdict is Verdict.PASSED
    return Result(ask, Status.ALIVE if is_alive else Status.UNTESTED, found.verdict.value, found.reason, run_id)


def _confirmed(result: Result, still_red: dict[str, tuple[str, str]]) -> Result:
    why, run_id = still_red.get(result.ask.test, ("", ""))
    if not why:
        return result
    return replace(result, status=Status.UNPROVEN, reason=f"after the defect too: {why}", run_id=run_id)
