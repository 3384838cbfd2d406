"""Set a suite up for its first night: read, collect, write three files, and keep them only if a night could run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Final

from nightproof.config import loader
from nightproof.config import profiles
from nightproof.errors import UsageError
from nightproof.evidence import suite as suites
from nightproof.onboarding.draft import make_draft
from nightproof.onboarding.place import find_place
from nightproof.onboarding.survey import survey
from nightproof.plan import Choice
from nightproof.plan import make_plan
from nightproof.plan import new_run_id
from nightproof.runner.world import PROBE_TIMEOUT_S
from nightproof.runner.world import probe
from nightproof.verdict import catalogue
from nightproof.verdict import registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Sequence

    from nightproof.onboarding.draft import Draft
    from nightproof.onboarding.place import Place
    from nightproof.onboarding.survey import Survey
    from nightproof.profile import Profile
    from nightproof.verdict.catalogue import SuiteCatalogue

PROFILE: Final = "nightproof.toml"
PLUGINS: Final = """
import json
from importlib.metadata import distributions
found = {d.metadata["Name"].lower().replace("_", "-") for d in distributions()
         if any(e.group == "pytest11" for e in d.entry_points)}
print(json.dumps(sorted(found)))
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """A suite that is set up: the findings and the written files."""

    place: Place
    found: Survey
    draft: Draft
    catalogue: SuiteCatalogue
    versions: dict[str, str]
    plugins: tuple[str, ...]
    profile: Path
    suite_toml: Path
    lock: Path


def set_up(path: Path, urls: Sequence[str] = (), python: Path | None = None, profile: Path | None = None) -> Setup:
    """Write profile, suite.toml and lock for a suite; raise UsageError, with nothing written, if no night could run.

    The suite's code is read, and collected in its own interpreter; none of it is imported here.
    """
    place = find_place(path, python)
    written = Path(os.path.normpath((profile or place.root / PROFILE).absolute()))
    _require_new(place.suite, written)
    found = survey(place)
    draft = make_draft(place, found, urls, written.parent)
    interpreter = place.python or Path(sys.executable)
    versions, plugins = probe(interpreter), _plugins(interpreter)
    profile_read = profiles.parse(tomllib.loads(draft.profile), written)
    collected = _collect(place, found, draft, profile_read)
    locked = registry.register(collected, None, {}, datetime.now(UTC).date())
    files = (written, place.suite / suites.FILE, catalogue.lock_path(place.suite))
    with _all_or_nothing(files):
        _write(files[0], draft.profile)
        _write(files[1], draft.suite)
        catalogue.write_lock(place.suite, locked)
        told = loader.load(str(written), for_tests=False)
        make_plan(told.profile, Choice(), new_run_id(), str(written))
    return Setup(place, found, draft, locked, versions, plugins, *files)


def _require_new(suite: Path, profile: Path) -> None:
    """Raise UsageError if one of the three files exists: it may be somebody's work."""
    lock = catalogue.lock_path(suite)
    is_shared = lock.parent != suite.absolute()  # suites in a folder `suites` share one lock, with a part for each
    named = f" --profile {profile}" if os.path.isfile(profile) else ""  # noqa: PTH113 - no error for a name too long
    for file in (profile, suite / suites.FILE, *(() if is_shared else (lock,))):
        if os.path.lexists(file):
            raise UsageError(
                f"`{file}` is there already, and `init` overwrites nothing: go on with `nightproof catalogue --update"
                f"{named}` for new tests, or delete that file to begin anew."
            )


def _collect(place: Place, found: Survey, draft: Draft, profile: Profile) -> SuiteCatalogue:
    with tempfile.TemporaryDirectory(prefix="nightproof-init-") as folder:
        _write(Path(folder) / suites.FILE, draft.suite)
        config = replace(suites.load_suite(Path(folder)), path=place.suite)
    world, env = profile.suite[0].world, profile.collecting(place.suite)
    try:
        collected = catalogue.collect(place.suite, env, world, config)
    except UsageError as error:
        raise UsageError(f"{error}{_missing(found, draft)}") from error
    if not collected.tests:
        left_out = f" ({len(collected.deselected)} are left out by its own settings)" if collected.deselected else ""
        raise UsageError(f"pytest finds no tests in `{place.suite}`{left_out}: give the folder that holds them.")
    if collected.suite in catalogue.declared_suites(place.suite):
        raise UsageError(
            f"`{catalogue.lock_path(place.suite)}` declares a suite `{collected.suite}` already, and `init` overwrites "
            "nothing: rename the folder, or take that part out of the lock to begin anew."
        )
    return collected


def _missing(found: Survey, draft: Draft) -> str:
    """Return a hint for each address that the code requires and the draft lacks: imports often fail without it."""
    wanted = [one for one in found.variables.values() if one.is_required and one.name not in draft.variables]
    lines = [
        f"\nThe code reads `{one.name}` ({one.where}): give it with `--url {one.name}=https://…`." for one in wanted
    ]
    return "".join(lines)


def _plugins(python: Path) -> tuple[str, ...]:
    """Return the names of the pytest plugins that are installed for an interpreter, or none if it cannot be asked."""
    done = subprocess.run(
        [python, "-c", PLUGINS], capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False,
        env={"PATH": os.environ.get("PATH", os.defpath)}, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return tuple(json.loads(done.stdout)) if done.returncode == 0 else ()


@contextmanager
def _all_or_nothing(files: Sequence[Path]) -> Iterator[None]:
    """Restore or remove the files unless the block succeeds."""
    before = {file: file.read_bytes() if os.path.lexists(file) else None for file in files}
    try:
        yield
    except BaseException as error:  # an interrupt must not leave half-written files either
        for file, data in before.items():
            _put_back(file, data)
        if isinstance(error, OSError | UnicodeError):
            raise _unwritable(error, files) from error
        raise


def _put_back(file: Path, data: bytes | None) -> None:
    for made in (_fresh(file), file):
        if os.path.lexists(made) and not (made == file and data is not None):
            made.unlink()
    if data is not None:
        file.write_bytes(data)


def _unwritable(error: OSError | UnicodeError, files: Sequence[Path]) -> UsageError:
    name = getattr(error, "filename", None) or files[0]
    folder = Path(os.fsdecode(name)).parent
    why = getattr(error, "strerror", None) or "its name is no UTF-8"
    return UsageError(
        f"`{folder}` cannot be written ({why}): correct its permissions, or give another place with `--profile`."
    )


def _write(file: Path, text: str) -> None:
    fresh = _fresh(file)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(file)


def _fresh(file: Path) -> Path:
    return file.with_name(f".{file.name}.{os.getpid()}")
