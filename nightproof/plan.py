"""The plan of one run: its id, directory and cells, and the hashes of suites and seeds."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import secrets
import shlex
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Final

from nightproof.errors import UsageError
from nightproof.evidence.suite import load_suite
from nightproof.progress import announce
from nightproof.runner.world import World
from nightproof.suggestions import nearest
from nightproof.verdict import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from collections.abc import Mapping
    from collections.abc import Sequence

    from nightproof.profile import Profile
    from nightproof.profile import Suite
    from nightproof.redact import Redactor
    from nightproof.verdict.catalogue import CatalogueTest
    from nightproof.verdict.catalogue import SuiteCatalogue

RUN_ID: Final = re.compile(r"\d{8}T\d{6}Z-[a-z2-7]{6}")
SEEDS: Final = Path(__file__).parent / "datasets"
RANDOM_BYTES: Final = 4  # 32 bits, of which 30 become 6 base32 letters


@dataclass(frozen=True, slots=True)
class Choice:
    """A person's choices for one run on top of the profile; empty means all."""

    backends: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    keep_resources: bool = False
    notify: bool = True


@dataclass(frozen=True, slots=True)
class CellSpec:
    """One suite on one backend with its declared tests; `blocked` is the reason why none of them runs, or ""."""

    path: Path
    suite: str
    backend: str
    timeout_s: float
    secrets: tuple[str, ...]
    tests: Mapping[str, CatalogueTest] = field(repr=False)
    workers: int = 1
    world: World = field(default_factory=World)
    blocked: str = ""
    hosts: tuple[str, ...] = ()
    evidence: str = "fixture"
    relay: bool | tuple[str, ...] = False

    @property
    def key(self) -> str:
        """The cell's name in paths and artifacts."""
        return f"{self.suite}-{self.backend}"

    def part(self, *, serial: bool) -> tuple[str, ...]:
        """Return the serial tests, which run alone, or all others; empty for a blocked cell."""
        if self.blocked:
            return ()
        return tuple(name for name, test in sorted(self.tests.items()) if test.serial == serial)

    def shares(self, *, serial: bool) -> tuple[tuple[str, ...], ...]:
        """Split a part into one share per worker: whole files, about equal numbers of tests; one share if serial."""
        files: dict[str, list[str]] = {}
        for name in self.part(serial=serial):
            files.setdefault(name.partition("::")[0], []).append(name)
        shares: list[list[str]] = [[] for _ in range(1 if serial else self.workers)]
        for _, names in sorted(files.items(), key=lambda file: (-len(file[1]), file[0])):
            min(shares, key=len).extend(names)
        return tuple(tuple(sorted(share)) for share in shares if share)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """The decisions made before the first process starts."""

    run_id: str
    profile: Profile
    choice: Choice
    started: datetime
    cells: tuple[CellSpec, ...]
    suite_hash: str
    seed_hash: str
    rerun: str
    profile_given: str = ""

    @property
    def state_dir(self) -> Path:
        """The directory of runs, locks and the testbed's state."""
        return self.profile.state_dir.absolute()

    @property
    def run_dir(self) -> Path:
        """The directory of this run's files."""
        return self.state_dir / "runs" / self.run_id

    def run_key(self, builds: Mapping[str, str]) -> str:
        """Return a hash of suites, seeds and builds; runs with equal keys are repetitions."""
        parts = [self.profile.name, self.suite_hash, self.seed_hash, *(f"{k}={v}" for k, v in sorted(builds.items()))]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def new_run_id(
    clock: Callable[[], datetime] = lambda: datetime.now(UTC), random: Callable[[int], bytes] = secrets.token_bytes
) -> str:
    """Return a new run id: the UTC second and six random base32 letters."""
    letters = base64.b32encode(random(RANDOM_BYTES)).decode()[:6].lower()
    return f"{clock():%Y%m%dT%H%M%SZ}-{letters}"


def make_plan(profile: Profile, choice: Choice, run_id: str, profile_given: str = "") -> RunPlan:
    """Read the suites' locks and narrow the profile to the choice; raise UsageError if no test is left."""
    chosen = _chosen_suites(profile, choice)
    cells = tuple(cell for suite in chosen for cell in _cells(suite, choice))
    _require_known_backends(chosen, choice)
    if not any(cell.tests for cell in cells):
        raise UsageError(
            f"The profile `{profile.name}` selects no test: name a suite, or widen `select`, --suite or --backend."
        )
    _require_own_folders(cells)
    return RunPlan(
        run_id=run_id,
        profile=profile,
        choice=choice,
        started=datetime.now(UTC),
        cells=cells,
        suite_hash=hash_files(path for folder in _sources(chosen) for path in source_files(folder)),
        seed_hash=hash_files(sorted(SEEDS.glob("*.json"))),
        rerun=_rerun(profile_given or profile.name, choice),
        profile_given=profile_given or profile.name,
    )


def catalogued(plan: RunPlan, redactor: Redactor, profile_given: str = "") -> RunPlan:
    """Collect every suite; block a suite with a test that its lock lacks. A test only in the lock becomes `not_run`.

    The tests that the lock lacks are declared too, so that the report lists them. With `strict_catalogue` such a suite
    raises UsageError.
    """
    paths = list(dict.fromkeys(cell.path for cell in plan.cells))
    with ThreadPoolExecutor(len(paths)) as pool:
        worlds = {cell.path: cell.world for cell in plan.cells}
        found = list(pool.map(lambda path: _uncatalogued(plan, path, worlds[path], redactor), paths))
    drifted = {path: added for path, added in zip(paths, found, strict=True) if added}
    profile, shown = profile_given or plan.profile.name, redactor.text
    sentences = {path: _drift(path, tuple(map(shown, added)), profile) for path, added in drifted.items()}
    if sentences and plan.profile.strict_catalogue:
        raise UsageError(next(iter(sentences.values())))
    cells = tuple(
        replace(cell, tests={**cell.tests, **drifted[cell.path]}, blocked=sentences[cell.path])
        if cell.path in drifted
        else cell
        for cell in plan.cells
    )
    return replace(plan, cells=cells)


def _drift(path: Path, names: tuple[str, ...], profile_given: str) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004 - three names fit a sentence
    command = catalogue.update_command(path, profile_given)
    return (
        f"The catalogue of `{path.name}` lacks {', '.join(f'`{name}`' for name in names[:3])}{more}: "
        f"run `{command}` and commit the lock."
    )


def _uncatalogued(plan: RunPlan, path: Path, world: World, redactor: Redactor) -> dict[str, CatalogueTest]:
    locked = catalogue.read_lock(path)
    try:
        collected = catalogue.collect(path, plan.profile.collecting(path), world)
    except UsageError as error:
        # A failed collection is a result of the night: the suite's declared tests become `not_run`, hence RED.
        first, *said = str(error).splitlines()
        announce("start", redactor.text(" ".join([first, *(line for line in said if line.startswith("E "))])))
        return {}
    return {name: collected.tests[name] for name in catalogue.compare(locked, collected).added}


def choices(profile: Profile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the suites and of the backends to which a night of the profile can be narrowed."""
    suites = {_suite_name(suite): suite for suite in profile.suite}
    backends = [
        name for suite in profile.suite for name in _backends(suite, catalogue.read_lock(suite.path, suite.given))
    ]
    return tuple(suites), tuple(dict.fromkeys(backends))


def _chosen_suites(profile: Profile, choice: Choice) -> list[Suite]:
    names = {_suite_name(suite): suite for suite in profile.suite}
    for wanted in choice.suites:
        if wanted not in names:
            raise UsageError(_unknown("suite", wanted, names, profile.name))
    return [suite for name, suite in names.items() if not choice.suites or name in choice.suites]


def _suite_name(suite: Suite) -> str:
    if not suite.path.is_dir():
        raise UsageError(f"There is no suite folder `{suite.path}`: correct [[suite]] path in the profile.")
    return catalogue.read_lock(suite.path, suite.given).suite


def _require_known_backends(suites: Sequence[Suite], choice: Choice) -> None:
    known = {
        backend: None for suite in suites for backend in _backends(suite, catalogue.read_lock(suite.path, suite.given))
    }
    for wanted in choice.backends:
        if wanted not in known:
            raise UsageError(_unknown("backend", wanted, known, ", ".join(suite.path.name for suite in suites)))


def _unknown(kind: str, wanted: str, known: Iterable[str], where: str) -> str:
    names = sorted(known)
    known_ones = ", ".join(names) or "none is declared"
    return f"There is no {kind} `{wanted}` in `{where}`.{nearest(wanted, names)} Give one of: {known_ones}."


def _cells(suite: Suite, choice: Choice) -> list[CellSpec]:
    locked = catalogue.read_lock(suite.path, suite.given)
    tests = {name: test for name, test in locked.tests.items() if re.search(suite.select, name)}
    backends = [name for name in _backends(suite, locked) if not choice.backends or name in choice.backends]
    config, path = load_suite(suite.path), suite.path.absolute()
    suite.world.versions()
    evidence = "call" if "call" in {suite.evidence, config.evidence} else "fixture"
    return [
        CellSpec(
            path,
            locked.suite,
            name,
            suite.timeout_s,
            suite.secrets,
            tests,
            workers=config.workers,
            world=suite.world,
            hosts=(*suite.hosts, *config.hosts),
            evidence=evidence,
            relay=suite.relay,
        )
        for name in backends
    ]


def _backends(suite: Suite, locked: SuiteCatalogue) -> tuple[str, ...]:
    declared = tuple(locked.backends) or ("default",)
    for wanted in suite.backends:
        if wanted not in declared:
            raise UsageError(_unknown("backend", wanted, declared, str(suite.path)))
    return suite.backends or declared


def _require_own_folders(cells: Iterable[CellSpec]) -> None:
    """Raise UsageError for cells with one folder, such as `a-b` on `c` and `a` on `b-c`."""
    owners: dict[str, CellSpec] = {}
    for cell in cells:
        other = owners.setdefault(cell.key.casefold(), cell)
        if other is not cell:
            raise UsageError(
                f"The suite `{other.suite}` on `{other.backend}` and the suite `{cell.suite}` on `{cell.backend}` are "
                f"both `{cell.key}` in files and reports: rename one in `{cell.path / 'suite.toml'}`."
            )


def _sources(chosen: Iterable[Suite]) -> list[Path]:
    """Return the folders that a suite's verdicts depend on: its own, and `_support` beside it."""
    return list(dict.fromkeys(f for s in chosen for f in (s.path, s.path.parent / "_support") if f.is_dir()))


def source_files(folder: Path) -> list[Path]:
    """Return the files below a folder, sorted, without hidden folders and virtual environments.

    State, caches and installed packages change without the suite, and would take long to read.
    """
    found: list[Path] = []
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name[0] != "." and not Path(here, name, "pyvenv.cfg").is_file()]
        found += [Path(here, name) for name in names]
    return sorted(found)


def hash_files(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of the files' names, sizes and bytes in the given order; `__pycache__` is left out."""
    digest = hashlib.sha256()
    for path in paths:
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _rerun(profile: str, choice: Choice) -> str:
    words = ["nightproof", "run", "--profile", profile]
    words += [word for name in choice.backends for word in ("--backend", name)]
    words += [word for name in choice.suites for word in ("--suite", name)]
    words += ["--keep-resources"] if choice.keep_resources else []
    return shlex.join(words)
