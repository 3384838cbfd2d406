"""A small suite of another team with its lock and its profile, for tests that plan or run nights over it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING
from typing import Any

from nightproof import conclusion
from nightproof.cells import first_pass
from nightproof.cells import repeat
from nightproof.config.profiles import load
from nightproof.errors import NightproofError
from nightproof.night import close_night
from nightproof.night import start_target
from nightproof.profile import Secrets
from nightproof.provisioning import verify
from nightproof.verdict.catalogue import CatalogueTest
from nightproof.verdict.catalogue import SuiteCatalogue
from nightproof.verdict.catalogue import write_lock

if TYPE_CHECKING:
    from pathlib import Path

    from nightproof.night import Night
    from nightproof.profile import Profile
    from nightproof.records import RunReport

RUN_ID = "20261120T020000Z-abcdef"
HONEST = """
import os, requests
def test_front(): assert requests.get(os.environ["NIGHTPROOF_URL_SHOP"]).status_code == 200
"""


@dataclass
class Foreign:
    """A folder that holds the suite `shop`, its profile `shop.toml` and the state directory `state`."""

    folder: Path
    url: str = "http://127.0.0.1:9"

    @property
    def suite(self) -> Path:
        """The folder of the suite."""
        return self.folder / "shop"

    @property
    def profile_path(self) -> Path:
        """The profile's file."""
        return self.folder / "shop.toml"

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.folder / "state"

    def write(self, source: str = HONEST, *names: str, backends: tuple[str, ...] = (), more: str = "") -> None:
        """Write suite, lock and profile; without names the lock declares `test_front`."""
        self.suite.mkdir(exist_ok=True)
        shown = f"backends = {list(backends)}\n" if backends else ""
        (self.suite / "suite.toml").write_text(f'name = "shop"\ntest_timeout_s = 20\n{shown}')
        (self.suite / "test_it.py").write_text(dedent(source))
        self.lock(*(names or ("test_front",)), backends=backends)
        self.profile_path.write_text(
            f'target = "live"\nstate_dir = "{self.state}"\n{more}\n[endpoints.urls]\nshop = "{self.url}"\n'
            '[[suite]]\npath = "shop"\ntimeout_s = 30\n'
        )

    def lock(self, *names: str, backends: tuple[str, ...] = (), **fields: Any) -> None:
        """Declare tests in the suite's lock."""
        ids = [f"shop/test_it::{name}" for name in names]
        tests = {test_id: CatalogueTest(test_id, **fields) for test_id in ids}
        write_lock(self.suite, SuiteCatalogue("shop", backends, tests))

    def profile(self, **changes: Any) -> Profile:
        """Load the profile, with changes that need no file."""
        return load(str(self.profile_path)).model_copy(update=changes)


def open_to_others(folder: Path) -> list[str]:
    """Return what a group or everybody else may read, write or enter; pytest's own cache does not count."""
    found = (folder, *(path for path in folder.rglob("*") if not path.is_symlink()))
    ours = (path for path in found if not any(part.startswith("cache.") for part in path.parts))
    return sorted(str(path) for path in ours if path.stat().st_mode & 0o077)


def no_secrets(**given: str) -> Secrets:
    """Return secrets of a night without looking at the environment of the developer."""
    return Secrets.model_validate(dict.fromkeys(Secrets.model_fields) | given)


def whole_night(night: Night) -> RunReport:
    """Run a night's stages in their order as plain functions, as the flow would through its tasks."""
    try:
        with night.stage("start"):
            start_target(night)
        conclusion.sweep(night)
        night.checks += [verify(night.systems, check) for check in night.plan.profile.checks]
        if all(check.ok for check in night.checks if check.required):
            _run_cells(night)
        with night.stage("cleanup"):
            conclusion.settle(night)
        conclusion.publish_night(night)
        conclusion.notify(night)
        conclusion.finish(night)
    finally:
        close_night(night)
    assert night.report is not None
    return night.report


def _run_cells(night: Night) -> None:
    for cell, serial in itertools.product(night.plan.cells, (False, True)):
        try:
            for share in range(len(cell.shares(serial=serial))):
                first_pass(night, cell, lambda _lines: None, serial=serial, share=share)
            repeat(night, cell, lambda _lines: None, serial=serial)
        except NightproofError as error:
            night.note_faults([error])
