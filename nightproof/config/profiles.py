"""Finding, reading and validating a profile; each error is one sentence with file, key, value and remedy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from typing import Final

from pydantic import ValidationError

from nightproof.config.files import read_toml
from nightproof.config.grammar import CONTROL
from nightproof.errors import UsageError
from nightproof.evidence.suite import anchored
from nightproof.evidence.suite import require_name
from nightproof.profile import PROFILES
from nightproof.profile import Profile
from nightproof.profile import Suite
from nightproof.redact import Redactor
from nightproof.runner.world import interpreter_at
from nightproof.suggestions import nearest

CHECKOUT: Final = PROFILES.parent.parent
WORKDIR_VARIABLE: Final = "NIGHTPROOF_WORKDIR"  # base folder of a profile of ours; `up` passes it on to its worker
SHOWN: Final = 80  # characters of a wrong value; a whole section would hide the sentence
REMEDIES: Final = {"target": " as `embedded` or `live`", "path": " as the folder of the suite"}


def load(name_or_path: str) -> Profile:
    """Read a profile by name (deployments/profiles) or path; raise UsageError with the remedy."""
    path = find(name_or_path)
    profile = parse(read_toml(path, "The profile"), path)
    return profile.model_copy(update={"suite": tuple(suite.named(name_or_path) for suite in profile.suite)})


def parse(data: dict[str, Any], path: Path) -> Profile:
    """Validate profile data and make its paths absolute; raise UsageError with file, key, value and remedy."""
    _require_plain_text(data, path)
    try:
        profile = Profile.model_validate(data)
        name = require_name(profile.name or path.stem)
        environment = require_name(profile.environment or name)
    except ValidationError as error:
        raise UsageError(_sentence(error, path)) from error
    except ValueError as error:
        raise UsageError(
            f"The profile `{path}` has no usable name: {error}. Set `name` or `environment` in it."
        ) from error
    base = base_of(path)
    update: dict[str, Any] = {"name": name, "environment": environment}
    update |= {"suite": tuple(_anchored(one, base) for one in profile.suite)}
    update |= {"state_dir": _absolute(profile.state_dir, base)}
    if profile.artifact_store and "://" not in profile.artifact_store:
        update |= {"artifact_store": str(_absolute(Path(profile.artifact_store), base))}
    if profile.history_url:
        from nightproof.history import address  # noqa: PLC0415 - SQLAlchemy takes a while to load

        update |= {"history_url": address.anchored(profile.history_url, base)}
    return profile.model_copy(update=update)


def base_of(path: Path) -> Path:
    """Return the folder of a profile's relative paths: its own, so that it means the same from any working directory.

    A profile of ours starts from the checkout, or, if nightproof is installed, from the working directory.
    """
    folder = Path(os.path.normpath(path.absolute())).parent
    if folder.resolve() != PROFILES.resolve():
        return folder
    given = os.environ.get(WORKDIR_VARIABLE, "")
    if given:
        return Path(given).absolute()
    return CHECKOUT if (CHECKOUT / "pyproject.toml").is_file() else Path.cwd()


def find(name_or_path: str) -> Path:
    """Return the path of a profile by name (deployments/profiles) or path; raise UsageError with the known names."""
    try:
        candidate = Path(name_or_path)
        named = PROFILES / f"{name_or_path}.toml"
        if candidate.is_file():
            return candidate.absolute()
        if named.is_file():
            return named
    except (OSError, ValueError):  # a NUL, a name too long, a working directory that is gone
        candidate = Path("?")
    known = sorted(found.stem for found in PROFILES.glob("*.toml"))
    beside = sorted(found.name for found in candidate.parent.glob("*.toml")) if candidate.parent.is_dir() else []
    hint = nearest(candidate.name, [*known, *beside])
    raise UsageError(
        f"There is no profile `{_shown(name_or_path)}`: give one of {', '.join(known)}, or the path of a TOML file."
        f"{hint}"
    )


def _absolute(path: Path, base: Path) -> Path:
    """Return a path as an absolute one, with `~` expanded."""
    return Path(os.path.normpath(base / os.path.expanduser(path)))  # noqa: PTH111 - Path's raises without a home


def _anchored(suite: Suite, base: Path) -> Suite:
    """Resolve a suite's path from the profile's folder if it exists there, else from nightproof's own suites."""
    beside = _absolute(suite.path, base)
    update: dict[str, Any] = {"path": beside, "helpers": anchored(base, suite.helpers)}
    if suite.python is not None:
        update |= {"python": interpreter_at(_absolute(suite.python, base))}
    try:
        own = CHECKOUT / suite.path
        update |= {"path": beside if beside.exists() or not own.is_dir() else own}
    except (OSError, ValueError):
        pass
    return suite.model_copy(update=update)


def _require_plain_text(value: Any, path: Path, where: str = "") -> None:
    """Raise UsageError for a control character in any key or value: no name, path or address has one."""
    if isinstance(value, str) and CONTROL.search(value):
        raise UsageError(
            f"The profile `{path}` has a control character at `{where}`: {_shown(value)!r}. Correct that key."
        )
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        if isinstance(key, str) and CONTROL.search(key):
            raise UsageError(f"The profile `{path}` has a control character in the key {_shown(key)!r}. Correct it.")
        _require_plain_text(inner, path, f"{where}.{key}" if where else str(key))


def _shown(value: Any) -> str:
    text = Redactor().text(str(value))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _sentence(error: ValidationError, path: Path) -> str:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"] if part != "[key]"]
    where = ".".join(location)
    if first["type"] == "extra_forbidden":
        return _unknown_key(location, path)
    if first["type"] == "missing":
        return f"The profile `{path}` lacks the key `{where}`: add it{REMEDIES.get(location[-1], '')}."
    told = first["msg"].removeprefix("Value error, ")
    if isinstance(first.get("input"), dict):
        place = f" in `{where}`" if where else ""
        return f"The profile `{path}` has wrong values{place}: {told}."
    given = first.get("input")
    shown = repr(_shown(given)) if isinstance(given, str) else _shown(repr(given))
    return f"The profile `{path}` has a wrong value at `{where}`: {shown}; {told}. Correct that key."


def _unknown_key(location: list[str], path: Path) -> str:
    section: Any = Profile
    for part in location[:-1]:
        if not part.isdigit():  # the position in a list of sections
            section = _inner(section.model_fields[part].annotation)
    valid = sorted(section.model_fields)
    where = ".".join(location)
    hint = nearest(location[-1], valid)
    return f"The profile `{path}` has an unknown key `{_shown(where)}`.{hint} Valid keys: {', '.join(valid)}."


def _inner(annotation: Any) -> Any:
    """Return the model inside `tuple[Model, ...]`, or the model itself."""
    return getattr(annotation, "__args__", (annotation,))[0]
