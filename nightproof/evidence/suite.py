"""A suite folder and its suite.toml."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from nightproof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE: Final = "suite.toml"
KEYS: Final[dict[str, Any]] = {
    "name": str, "backends": list, "test_timeout_s": (int, float), "owner": str, "datasets": list, "unsupported": dict,
    "workers": int, "helpers": list,
}  # fmt: skip
GIVEN: Final = "NIGHTPROOF_SUITE_CONFIG"  # how the runner hands it to an interpreter that may not read TOML
MOST_WORKERS: Final = 16
DEFAULT_BACKENDS: Final = ("default",)
DEFAULT_TEST_TIMEOUT_S: Final = 120.0


@dataclass(frozen=True)
class SuiteConfig:
    """What suite.toml says; a folder without one is a suite named after the folder, with one backend."""

    path: Path
    name: str
    backends: tuple[str, ...] = DEFAULT_BACKENDS
    test_timeout_s: float = DEFAULT_TEST_TIMEOUT_S
    owner: str = ""
    datasets: tuple[str, ...] = ()
    workers: int = 1
    unsupported: Mapping[str, str] = field(default_factory=dict)
    helpers: tuple[str, ...] = ()

    def as_json(self) -> str:
        """Return it as the runner hands it over."""
        return json.dumps(asdict(self), default=str)


def find_suite(path: Path) -> Path | None:
    """Find the nearest folder with a suite.toml, at the path or above it."""
    return next((folder for folder in (path, *path.parents) if (folder / FILE).is_file()), None)


def load_suite(path: Path) -> SuiteConfig:
    """Read the configuration of a suite folder; raise UsageError with file, key and remedy."""
    if not (path / FILE).is_file():
        return SuiteConfig(path=path, name=path.name)
    import tomllib  # noqa: PLC0415 - newer than the oldest interpreter of a suite, which is given what it says

    try:
        given = tomllib.loads((path / FILE).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"`{path / FILE}` is not TOML: {error}. Correct that line.") from error
    _check(path / FILE, given)
    return SuiteConfig(
        path=path,
        name=given.get("name", path.name),
        backends=tuple(given.get("backends", ())) or DEFAULT_BACKENDS,
        test_timeout_s=float(given.get("test_timeout_s", DEFAULT_TEST_TIMEOUT_S)),
        owner=given.get("owner", ""),
        datasets=tuple(given.get("datasets", ())),
        workers=int(given.get("workers", 1)),
        unsupported=given.get("unsupported", {}),
        helpers=tuple(given.get("helpers", ())),
    )


def given_suite() -> SuiteConfig | None:
    """Return what the runner says of the one suite of this process, or None where nobody runs it."""
    text = os.environ.get(GIVEN)
    if text is None:
        return None
    fields = json.loads(text)
    lists = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    return SuiteConfig(**(fields | lists | {"path": Path(fields["path"])}))


def _check(file: Path, given: dict[str, Any]) -> None:
    for key, value in given.items():
        if key not in KEYS:
            raise UsageError(f"`{file}` has the unknown key `{key}`: use {', '.join(KEYS)}.")
        if not isinstance(value, KEYS[key]) or isinstance(value, bool):
            raise UsageError(f"`{file}` has `{key} = {value!r}` of a wrong type: correct its value.")
    if not 1 <= given.get("workers", 1) <= MOST_WORKERS:
        raise UsageError(f"`{file}` has `workers = {given['workers']}`: give 1 to {MOST_WORKERS} processes per cell.")
