"""The plan of a proof: tests per defect and backend, each unit one process of pytest."""

from __future__ import annotations

import difflib
import random
import re
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import TYPE_CHECKING

from nightproof.errors import UsageError
from nightproof.plan import CellSpec
from nightproof.plan import Choice
from nightproof.plan import make_plan
from nightproof.plan import new_run_id
from nightproof.prove.table import EVERY
from nightproof.prove.table import Defect
from nightproof.prove.table import Table
from nightproof.prove.table import read_table
from nightproof.verdict import catalogue
from nightproof.verdict.outcomes import unsupported_reason

if TYPE_CHECKING:
    from collections.abc import Collection
    from collections.abc import Iterable
    from collections.abc import Mapping
    from pathlib import Path

    from nightproof.profile import Profile


@dataclass(frozen=True, slots=True)
class Selection:
    """The caller's limits of a proof; `test` is a regular expression, `seed` draws `sample` defects (0: all)."""

    defects: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    test: str = ""
    sample: int = 0
    seed: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Ask:
    """One question of the proof: does this defect kill this test on this backend?"""

    suite: str
    defect: str
    test: str
    backend: str


@dataclass(frozen=True, slots=True)
class Unit:
    """One process of pytest: tests of a cell at one time factor, under a defect or none."""

    cell: CellSpec
    tests: tuple[str, ...]
    factor: float
    defect: Defect | None = None
    plugin: str = field(default="", repr=False)

    @property
    def asks(self) -> tuple[Ask, ...]:
        """The questions that its verdicts answer."""
        name = self.defect.name if self.defect else ""
        return tuple(Ask(self.cell.suite, name, test, self.cell.backend) for test in self.tests)

    def only(self, tests: Collection[str]) -> Unit:
        """Return the unit with only these tests."""
        kept = tuple(test for test in self.tests if test in tests)
        return Unit(self.cell, kept, self.factor, self.defect, self.plugin)


@dataclass(frozen=True, slots=True)
class Proof:
    """All units of a proof; `absent` are tests that a table names and no suite has."""

    units: tuple[Unit, ...]
    absent: tuple[Ask, ...]


def plan_proof(profile: Profile, selection: Selection, factor: float) -> Proof:
    """Read tables and suites and apply the selection; latency defects get the small time factor."""
    cells = make_plan(profile, Choice(selection.backends, selection.suites), new_run_id()).cells
    tables = {cell.path: read_table(cell.path) for cell in cells}
    worlds = {cell.path: cell.world for cell in cells}
    tests = {path: catalogue.collect(path, profile.collecting(path), worlds[path]).tests for path in tables}
    cells = tuple(replace(cell, tests=tests[cell.path]) for cell in cells)  # the lock may be behind
    chosen = _chosen(tables, selection)
    units: list[Unit] = []
    absent: list[Ask] = []
    for cell in cells:
        for defect in tables[cell.path].defects:
            if defect.name in chosen:
                found, missing = _split(cell, _named(cell, defect, selection), profile)
                absent += [Ask(cell.suite, defect.name, test, cell.backend) for test in missing]
                speed = factor if defect.seconds else profile.time_factor
                units += [Unit(cell, found, speed, defect, tables[cell.path].plugin)] if found else []
    return Proof(tuple(units), tuple(absent))


def by_defect(units: Iterable[Unit]) -> list[list[Unit]]:
    """Return the units grouped by defect, across suites and backends."""
    found: dict[str, list[Unit]] = {}
    for unit in units:
        found.setdefault(unit.defect.name if unit.defect else "", []).append(unit)
    return list(found.values())


def baselines(units: Collection[Unit]) -> tuple[Unit, ...]:
    """Return the units without a defect: every named test once per cell and time factor."""
    found: dict[tuple[str, float], tuple[CellSpec, set[str]]] = {}
    for unit in units:
        found.setdefault((unit.cell.key, unit.factor), (unit.cell, set()))[1].update(unit.tests)
    return tuple(Unit(cell, tuple(sorted(tests)), factor) for (_, factor), (cell, tests) in found.items())


def _chosen(tables: Mapping[Path, Table], selection: Selection) -> frozenset[str]:
    known = sorted({name for table in tables.values() for name in table.defect})
    for wanted in selection.defects:
        if wanted not in known:
            near = difflib.get_close_matches(wanted, known, n=1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise UsageError(f"No table names the defect `{wanted}`.{hint} Read {', '.join(map(str, tables))}.")
    names = [name for name in known if name in selection.defects or not selection.defects]
    return draw(names, selection.sample, selection.seed) if selection.sample else frozenset(names)


def draw(names: list[str], sample: int, seed: int) -> frozenset[str]:
    """Return a sample of the names; the same seed draws the same sample."""
    return frozenset(random.Random(seed).sample(names, min(sample, len(names))))  # noqa: S311 - nothing is kept secret


def _named(cell: CellSpec, defect: Defect, selection: Selection) -> list[str]:
    given = defect.tests(cell.backend)
    full = [f"{cell.suite}/{test}" for test in given if test != EVERY]
    if EVERY in given:
        full += [test for test, declared in cell.tests.items() if declared.wire == "subject" and test not in full]
    return [test for test in full if re.search(selection.test, test)]


def _split(cell: CellSpec, named: list[str], profile: Profile) -> tuple[tuple[str, ...], list[str]]:
    """Return the tests to run, without those unsupported here by design, and the named tests that no suite has."""
    present = [test for test in named if test in cell.tests]
    asked = [test for test in present if not unsupported_reason(cell.tests[test], cell.backend, profile.offers)]
    return tuple(asked), [test for test in named if test not in cell.tests]
