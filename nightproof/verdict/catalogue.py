"""The catalogue: the declared tests of a suite, as collected and as committed in the lock."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import tempfile
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from pydantic import ConfigDict
from pydantic import TypeAdapter
from pydantic import ValidationError

from nightproof.errors import UsageError
from nightproof.evidence.suite import GIVEN
from nightproof.evidence.suite import load_suite
from nightproof.evidence.suite import require_name
from nightproof.runner.command import project_root
from nightproof.runner.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nightproof.evidence.suite import SuiteConfig

SCHEMA: Final = 1
LOCK_NAME: Final = "catalogue.lock.json"
COLLECT_TIMEOUT_S: Final = 120
SHOWN_LINES: Final = 15
UPDATE: Final = "nightproof catalogue --update"
REGISTERED: Final = ("skip", "xfail", "until", "learnt")


@dataclass(frozen=True, slots=True)
class CatalogueTest:
    """One declared test.

    `skip` and `xfail` are its registered reasons, `until` is the date by which an xfail must be gone. `learnt` means
    that the reasons come from a run, as the collection cannot see them.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    id: str
    tier: str = "normal"
    category: str = "general"
    type: str = "e2e"
    needs: tuple[str, ...] = ()
    wire: str = "subject"
    wire_reason: str = ""
    owner: str = ""
    journey: str = ""
    unsupported: dict[str, str] = field(default_factory=dict)
    serial: bool = False
    skip: str = ""
    xfail: str = ""
    until: str = ""
    learnt: bool = False


_TEST: Final = TypeAdapter(CatalogueTest)


@dataclass(frozen=True, slots=True)
class SuiteCatalogue:
    """The declared tests of one suite, by id; `deselected` are the tests that it leaves out, with the reason."""

    suite: str
    backends: tuple[str, ...]
    tests: dict[str, CatalogueTest]
    deselected: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drift:
    """The differences between a collected suite and its lock, by test id."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def lock_path(suite_path: Path) -> Path:
    """Return the lock of a suite: shared by all suites of a folder `suites`, else in the suite's own folder."""
    suite_path = suite_path.absolute()
    return (suite_path.parent if suite_path.parent.name == "suites" else suite_path) / LOCK_NAME


def collect(
    suite_path: Path,
    env: Mapping[str, str] | None = None,
    world: World | None = None,
    config: SuiteConfig | None = None,
) -> SuiteCatalogue:
    """Collect a suite in a child process; raise UsageError with pytest's own output if that fails.

    `config` stands for a suite.toml that is not written yet.
    """
    suite_path, world = suite_path.absolute(), world or World()
    world.versions()
    config = config or load_suite(suite_path)
    with tempfile.TemporaryDirectory(prefix="nightproof-collect-") as folder:
        out = Path(folder) / "tests.json"
        given = dict(env or {})
        given |= {"NIGHTPROOF_CATALOGUE_OUT": str(out), GIVEN: config.as_json()}
        given["NIGHTPROOF_CACHE_DIR"] = str(Path(folder) / "cache")
        command = world.command(str(suite_path), "--collect-only", "-q")
        _run(command, world.environment(given, Path(folder)), suite_path)
        found = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {}
    tests = {test_id: _test(test_id, fields) for test_id, fields in sorted(found.get("tests", {}).items())}
    return SuiteCatalogue(config.name, config.backends, tests, dict(sorted(found.get("deselected", {}).items())))


def _run(command: list[str], env: dict[str, str], suite_path: Path) -> None:
    root = project_root(suite_path)
    try:
        done = subprocess.run(
            command,
            env=env,
            cwd=root,
            capture_output=True,
            encoding="utf-8",
            errors="replace",  # a module may print anything while it is imported
            timeout=COLLECT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise UsageError(
            f"Collecting `{suite_path}` took over {COLLECT_TIMEOUT_S} s: import nothing slow at module level."
        ) from error
    if done.returncode not in (0, 5):  # 5: no tests, an empty catalogue
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-SHOWN_LINES:])
        raise UsageError(
            f"pytest could not collect `{suite_path}` (exit {done.returncode}): correct what it names.\n{said}"
        )


def update_command(suite_path: Path | None = None, profile_given: str = "") -> str:
    """Return the command that writes the lock of a suite, or of a profile's suites, ready to paste."""
    profile = ["--profile", profile_given] if profile_given else []
    return shlex.join(["nightproof", "catalogue", *profile, "--update", *([str(suite_path)] if suite_path else [])])


def read_lock(suite_path: Path, profile_given: str = "") -> SuiteCatalogue:
    """Read a suite's part of its lock; raise UsageError if it is missing or damaged.

    `profile_given` is the profile as the user gave it, for the remedy.
    """
    command = update_command(suite_path, profile_given)
    path = lock_path(suite_path)
    name = load_suite(suite_path.absolute()).name
    suites = _read(path, command)["suites"]
    if name not in suites:
        raise UsageError(f"`{path}` lacks the suite `{name}`: run `{command}`.")
    try:
        part = suites[name]
        tests = {test_id: _test(test_id, fields) for test_id, fields in sorted(part["tests"].items())}
        for test in tests.values():
            date.fromisoformat(test.until or "2000-01-01")  # an invalid date is an error here, not in mid-verdict
        left_out = {str(test_id): str(by) for test_id, by in part.get("deselected", {}).items()}
        return SuiteCatalogue(name, _backends(part["backends"]), tests, left_out)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise _damaged(path, f"the suite `{name}` has a wrong `{where}` ({first['msg']})", command) from error
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _damaged(path, f"the suite `{name}` is incomplete ({error})", command) from error


def earlier_lock(suite_path: Path) -> SuiteCatalogue | None:
    """Return a suite's part of its lock, or None if there is none yet; raise UsageError if it is damaged."""
    path = lock_path(suite_path)
    known = path.exists() and load_suite(suite_path.absolute()).name in _read(path)["suites"]
    return read_lock(suite_path) if known else None


def declared_suites(suite_path: Path) -> tuple[str, ...]:
    """Return the names of the suites in a suite's lock; empty if there is no lock yet."""
    path = lock_path(suite_path)
    return tuple(sorted(_read(path)["suites"])) if path.exists() else ()


def write_lock(suite_path: Path, catalogue: SuiteCatalogue) -> Path:
    """Write a suite's part of its lock, atomically; the parts of other suites stay unchanged."""
    path = lock_path(suite_path)
    lock: dict[str, Any] = _read(path) if path.exists() else {"schema": SCHEMA, "suites": {}}
    tests = {test_id: _fields(test) for test_id, test in catalogue.tests.items()}
    deselected = {"deselected": catalogue.deselected} if catalogue.deselected else {}
    lock["suites"][catalogue.suite] = {"backends": list(catalogue.backends), "tests": tests, **deselected}
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(lock, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    fresh.replace(path)
    return path


def compare(locked: SuiteCatalogue, collected: SuiteCatalogue) -> Drift:
    """Return the differences between a suite and its lock."""
    before, now = locked.tests, collected.tests
    return Drift(
        added=tuple(sorted(now.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - now.keys())),
        changed=tuple(
            sorted(test_id for test_id in now.keys() & before.keys() if _differ(before[test_id], now[test_id]))
        ),
    )


def _differ(before: CatalogueTest, now: CatalogueTest) -> bool:
    """Return whether a declaration changed or a mark is unregistered; a registered mark that is gone is no drift."""
    registered = replace(now, skip=before.skip, xfail=before.xfail, until=before.until, learnt=before.learnt)
    return registered != before or bool(now.skip and now.skip != before.skip) or bool(now.xfail and not before.xfail)


def check_catalogue(suite_path: Path, env: Mapping[str, str] | None = None, world: World | None = None) -> Drift:
    """Compare a suite with its lock; raise UsageError naming the tests that the lock lacks."""
    drift = compare(read_lock(suite_path), collect(suite_path, env, world))
    if drift.added:
        names = ", ".join(f"`{name}`" for name in drift.added)
        raise UsageError(f"The catalogue lacks {names}: run `{update_command(suite_path)}`.")
    return drift


def _read(path: Path, command: str = UPDATE) -> dict[str, Any]:
    try:
        lock = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"There is no `{path}`: write it with `{command}`, and commit it.") from error
    except OSError as error:
        raise UsageError(
            f"The catalogue `{path}` cannot be read ({error.strerror}): correct its permissions."
        ) from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"it is not JSON ({error})", command) from error
    if not isinstance(lock, dict) or not isinstance(lock.get("suites"), dict):
        raise _damaged(path, "it holds no `suites`", command)
    if lock.get("schema") != SCHEMA:
        raise _damaged(path, f"its schema is {lock.get('schema')!r}, not {SCHEMA}", command)
    return lock


def _damaged(path: Path, why: str, command: str) -> UsageError:
    return UsageError(
        f"The catalogue `{path}` is damaged: {why}. Restore it from version control, or delete it and run `{command}`."
    )


def _test(test_id: str, fields: dict[str, Any]) -> CatalogueTest:
    return _TEST.validate_python({"id": test_id, **fields})


def _backends(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list):
        raise TypeError("`backends` is no list")
    return tuple(require_name(str(name)) for name in names)


def _fields(test: CatalogueTest) -> dict[str, Any]:
    fields = asdict(test)
    del fields["id"]
    return {name: value for name, value in fields.items() if value or name not in REGISTERED}
