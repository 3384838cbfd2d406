"""A suite folder and its suite.toml."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.errors import UsageError
from nightproof.evidence.wire.endpoints import check_endpoints

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Mapping

FILE: Final = "suite.toml"
KEYS: Final[dict[str, Any]] = {
    "name": str, "backends": list, "test_timeout_s": (int, float), "owner": str, "datasets": list, "unsupported": dict,
    "workers": int, "helpers": list, "hosts": list, "evidence": str,
}  # fmt: skip
GIVEN: Final = "NIGHTPROOF_SUITE_CONFIG"  # how the runner hands it to an interpreter that may not read TOML
EVIDENCE: Final = ("fixture", "call")
MOST_WORKERS: Final = 16
LONGEST_S: Final = 30 * 86_400  # far below what the clocks of any library can hold
SHOWN: Final = 80  # characters of a wrong value
DEFAULT_BACKENDS: Final = ("default",)
NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
DEFAULT_TEST_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True)
class SuiteConfig:
    """The content of suite.toml; a folder without one is a suite named after the folder, with one backend."""

    path: Path
    name: str
    backends: tuple[str, ...] = DEFAULT_BACKENDS
    test_timeout_s: float = DEFAULT_TEST_TIMEOUT_S
    owner: str = ""
    datasets: tuple[str, ...] = ()
    workers: int = 1
    unsupported: Mapping[str, str] = field(default_factory=dict)
    helpers: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    evidence: str = "fixture"

    def as_json(self) -> str:
        """Return the configuration as JSON, the form in which the runner passes it on."""
        return json.dumps(asdict(self), default=str)


def find_suite(path: Path) -> Path | None:
    """Return the nearest folder with a suite.toml, at the path or above it, or None."""
    return next((folder for folder in (path, *path.parents) if (folder / FILE).is_file()), None)


def require_name(name: str) -> str:
    """Return a name that is safe in a path, a variable and a report; raise ValueError for any other."""
    if not NAME.fullmatch(name) or ".." in name:
        raise ValueError(
            f"`{name[:80]}` is no name: use letters of ASCII, digits, `_`, `-` and single dots, at most 64, and begin "
            "with a letter, a digit or `_`"
        )
    return name


def load_suite(path: Path) -> SuiteConfig:
    """Read the configuration of a suite folder; raise UsageError with file, key and remedy."""
    given = _read(path / FILE)
    _check(path / FILE, given)
    try:
        for name in (given.get("name", path.name), *given.get("backends", ()), *given.get("datasets", ())):
            require_name(name)
    except ValueError as error:
        raise UsageError(f"`{path / FILE}` needs other names: {error}. Set `name` and its like there.") from error
    return SuiteConfig(
        path=path,
        name=given.get("name", path.name),
        backends=tuple(given.get("backends", ())) or DEFAULT_BACKENDS,
        test_timeout_s=float(given.get("test_timeout_s", DEFAULT_TEST_TIMEOUT_S)),
        owner=given.get("owner", ""),
        datasets=tuple(given.get("datasets", ())),
        workers=int(given.get("workers", 1)),
        unsupported=given.get("unsupported", {}),
        helpers=anchored(path, given.get("helpers", ())),
        hosts=tuple(given.get("hosts", ())),
        evidence=given.get("evidence", "fixture"),
    )


def anchored(here: Path, helpers: Iterable[str]) -> tuple[str, ...]:
    """Return helpers with their folders, relative to `here`, made absolute; one that is not a folder is a package."""
    folders = [(here.absolute() / helper, helper) for helper in helpers]
    return tuple(os.path.normpath(folder) if folder.is_dir() else helper for folder, helper in folders)


def given_suite() -> SuiteConfig | None:
    """Return the runner's configuration of the one suite of this process, or None outside a run."""
    text = os.environ.get(GIVEN)
    if text is None:
        return None
    fields = json.loads(text)
    lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    return SuiteConfig(**(fields | lists | {"path": Path(fields["path"])}))


def _read(file: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - newer than the oldest interpreter of a suite, which is given what it says

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"`{file}` cannot be read ({error.strerror}): correct its permissions.") from error
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, or a number of too many digits
        raise UsageError(f"`{file}` is not TOML: {error}. Correct that line.") from error


def _check(file: Path, given: dict[str, Any]) -> None:
    for key, value in given.items():
        if key not in KEYS:
            raise UsageError(f"`{file}` has the unknown key `{key}`: use {', '.join(KEYS)}.")
        if not isinstance(value, KEYS[key]) or isinstance(value, bool):
            raise UsageError(f"`{file}` has `{key} = {_shown(value)}` of a wrong type: correct its value.")
        inner = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
        if not all(isinstance(item, str) for item in inner):
            raise UsageError(f"`{file}` has `{key} = {_shown(value)}`, of which not all are texts: correct its value.")
        if isinstance(value, list) and len(set(value)) < len(value):
            raise UsageError(f"`{file}` has `{key} = {_shown(value)}`, where one stands twice: remove one of them.")
    limit = given.get("test_timeout_s", DEFAULT_TEST_TIMEOUT_S)
    if not (math.isfinite(limit) and 0 < limit <= LONGEST_S):
        raise UsageError(f"`{file}` has `test_timeout_s = {_shown(limit)}`: give seconds above 0, at most {LONGEST_S}.")
    if given.get("evidence", "fixture") not in EVIDENCE:
        raise UsageError(f"`{file}` has `evidence = {given['evidence']!r}`: give one of {', '.join(EVIDENCE)}.")
    try:
        check_endpoints(given.get("hosts", ()))
    except ValueError as error:
        raise UsageError(f"`{file}` has a wrong entry in `hosts`: {error}.") from error
    if not 1 <= given.get("workers", 1) <= MOST_WORKERS:
        raise UsageError(f"`{file}` has `workers = {given['workers']}`: give 1 to {MOST_WORKERS} processes per cell.")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
