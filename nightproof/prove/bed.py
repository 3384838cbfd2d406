"""One isolated testbed of a proof: a copy of the seeded state whose defects affect nothing else."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import httpx

from nightproof import ledger
from nightproof.environment import cell_environment
from nightproof.errors import Interrupted
from nightproof.errors import NightproofError
from nightproof.errors import UsageError
from nightproof.evidence.private import private_folder
from nightproof.night import clean_context
from nightproof.redact import Redactor
from nightproof.runner.cell import CellPlan
from nightproof.runner.cell import GroupRegistry
from nightproof.runner.cell import run_cell
from nightproof.runner.events import read_cell
from nightproof.target import Target
from nightproof.target import open_target
from nightproof.verdict.outcomes import judge

if TYPE_CHECKING:
    from collections.abc import Collection

    from nightproof.profile import Profile
    from nightproof.profile import Secrets
    from nightproof.prove.plan import Unit
    from nightproof.prove.results import Result
    from nightproof.prove.table import Defect
    from nightproof.records import TestVerdict

TIMEOUT_S: Final = 30.0
CLIENT_DEFECT: Final = "NIGHTPROOF_CLIENT_DEFECT"
TESTBED: Final = "testbed"
CATALOG_FILES: Final = "catalog.*"  # the database and its journal
PARTS: Final = (TESTBED, "placement.json")  # the files of the seeded state


@dataclass(slots=True)
class Bed:
    """A testbed below `folder`, copied from the seeded state directory.

    `pending` holds the red results, by unit, that still have to be seen green again.
    """

    profile: Profile
    secrets: Secrets
    seeded: Path
    folder: Path
    groups: GroupRegistry
    target: Target | None = None
    pending: list[tuple[Unit, list[Result]]] = field(default_factory=list)

    @property
    def systems(self) -> Target:
        """The running testbed; started on first use."""
        if self.target is None:
            self.target = open_target(self._own_profile(), self.secrets)
        return self.target

    def renew(self) -> None:
        """Copy the seeded state again, without anything that a defect left behind."""
        self.stop()
        for part in PARTS:
            _copy(self.seeded / part, self.folder / part)

    def refresh(self) -> None:
        """Reset the catalog's database to the seeded one and keep the storage, which its audit found clean."""
        self.stop()
        own = self.folder / TESTBED
        for file in own.glob(CATALOG_FILES):
            file.unlink()
        for file in (self.seeded / TESTBED).glob(CATALOG_FILES):
            shutil.copy2(file, own)

    def stop(self) -> None:
        """Stop the testbed; safe to repeat."""
        if self.target is not None:
            self.target.stop()
            self.target = None

    def close(self, kept_runs: Collection[str]) -> None:
        """Stop, and delete the logs of all runs but `kept_runs`."""
        self.stop()
        for run_dir in (self.folder / "runs").glob("*"):
            if run_dir.name not in kept_runs:
                shutil.rmtree(run_dir)

    def switch_on(self, unit: Unit) -> None:
        """Switch the defect on in its services; `factor` scales a latency. Raise UsageError for an unknown defect."""
        defect = _defect_of(unit)
        body = {"seconds": defect.seconds * unit.factor} if defect.seconds else {}
        for service in defect.services:
            answer = self._control("PUT", service, f"faults/{defect.name}", json=body)
            if answer.status_code == httpx.codes.NOT_FOUND:
                raise UsageError(
                    f"The service `{service}` has no defect `{defect.name}`: correct `places` in the table."
                )
            answer.raise_for_status()

    def switch_off(self, unit: Unit) -> None:
        """Switch the defect off in its services."""
        defect = _defect_of(unit)
        for service in defect.services:
            self._control("DELETE", service, f"faults/{defect.name}").raise_for_status()

    def execute(self, unit: Unit, run_id: str) -> dict[str, TestVerdict]:
        """Run the unit's tests in one process of the night's runner; return the verdicts by test id."""
        env = cell_environment(self.systems)
        env |= {"NIGHTPROOF_RUN_ID": run_id, "NIGHTPROOF_TIME_FACTOR": str(unit.factor)} | _broken(unit)
        plan = CellPlan(
            suite_path=unit.cell.path,
            suite=unit.cell.suite,
            backend=unit.cell.backend,
            cell_dir=self.run_dir(run_id) / "cells" / unit.cell.key,
            env=env,
            timeout_s=unit.cell.timeout_s,
            test_ids=unit.tests,
            redact=Redactor(self.systems.secret_values()).text,
        )
        run_cell(plan, lambda _lines: None, self.groups)
        if self.groups.is_stopping:
            raise Interrupted("cancelled")  # the verdicts would be those of the interruption
        tests = {test: unit.cell.tests[test] for test in unit.tests}
        events = read_cell(plan.cell_dir)
        found = judge(plan.suite, plan.backend, tests, events, offers=self.profile.offers)
        return {verdict.id: verdict for verdict in found}

    def run_dir(self, run_id: str) -> Path:
        """Return the folder of one process's logs."""
        return self.folder / "runs" / run_id

    def is_sound(self, run_id: str) -> bool:
        """Clean up after a process; return whether all services live without defects and nothing leaked."""
        if self.systems.deaths():
            return False
        context = clean_context(self.systems)
        if context is not None:
            ledger.clean_run(self.run_dir(run_id), context)
            audit = ledger.audit(self.run_dir(run_id), context)
            if audit.leaked or audit.unknown:
                return False
        services = self.systems.facts["services"]
        return not any(self._control("GET", name, "faults").json()["active"] for name in services)

    def _control(self, method: str, service: str, path: str, **more: Any) -> httpx.Response:
        services = self.systems.facts["services"]
        if service not in services:
            raise UsageError(f"The testbed has no service `{service}`: give one of {', '.join(sorted(services))}.")
        bearer = {"Authorization": f"Bearer {self.systems.facts['control_token']}"}
        url = f"{services[service]['url']}/_nightproof/{path}"
        try:
            return httpx.request(method, url, headers=bearer, timeout=TIMEOUT_S, **more)
        except httpx.HTTPError as error:
            raise NightproofError(f"The service `{service}` gave no answer to {method} `{path}` ({error}).") from error

    def _own_profile(self) -> Profile:
        own = {"state_dir": self.folder, "testbed_aws_port": 0, "testbed_catalog_port": 0}
        return self.profile.model_copy(update=own)


def _broken(unit: Unit) -> dict[str, str]:
    """Return the variables that install the defect in the tests' process; empty for a defect elsewhere."""
    if unit.defect is None or not unit.defect.is_in_process:
        return {}
    if not unit.plugin:
        raise UsageError(f"`{unit.defect.name}` is in the tests' process and the table names no `plugin`: add it.")
    options = f"{os.environ.get('PYTEST_ADDOPTS', '')} -p {unit.plugin}".strip()
    return {"PYTEST_ADDOPTS": options, CLIENT_DEFECT: unit.defect.name}


def _defect_of(unit: Unit) -> Defect:
    if unit.defect is None:
        raise ValueError("The unit has no defect to switch.")
    return unit.defect


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)


def _copy(source: Path, place: Path) -> None:
    """Copy a file or a folder; S3 objects become hard links, as the storage replaces files and never edits them."""
    _remove(place)
    private_folder(place.parent)
    if source.is_dir():
        objects = source / "s3"
        shutil.copytree(source, place, ignore=lambda folder, _: ["s3"] if Path(folder) == source else [])
        if objects.is_dir():
            shutil.copytree(objects, place / "s3", copy_function=os.link)
    elif source.exists():
        shutil.copy2(source, place)
