"""Parameter types and labels that the run forms share; the choices come from the profiles."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from pydantic import Field

from nightproof.config.loader import load_profile
from nightproof.errors import NightproofError
from nightproof.plan import choices
from nightproof.profile import PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterable

PROFILE_VARIABLE: Final = "NIGHTPROOF_PROFILE"
OWN: Final = os.environ.get(PROFILE_VARIABLE, "")


def environments(own: str) -> tuple[str, ...]:
    """Return all committed profiles, or only `own`, the profile of `up`, if it is not one of them."""
    names = sorted(path.stem for path in PROFILES.glob("*.toml"))
    return (own,) if own and own not in names else tuple(names)


def offered(names: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the suites and the backends of these profiles; an unreadable profile adds none."""
    suites: dict[str, None] = {}
    backends: dict[str, None] = {}
    for name in names:
        try:
            some, on = choices(load_profile(name))
        except NightproofError:
            continue
        suites |= dict.fromkeys(some)
        backends |= dict.fromkeys(on)
    return tuple(suites), tuple(backends)


def choice(title: str, values: Iterable[str]) -> Any:
    """Return an enum type for a drop-down of these values, or `str` if there are none."""
    named = {f"CHOICE_{number}": value for number, value in enumerate(values)}
    return StrEnum(title, named) if named else str


def labelled(title: str, description: str, ge: int | None = None, le: int | None = None) -> Any:
    """Return a field with title and description as JSON schema extras: Prefect overwrites a plain `title`."""
    return Field(json_schema_extra={"title": title, "description": description}, ge=ge, le=le)


if TYPE_CHECKING:
    Environment = str
    Suite = str
    Backend = str
else:
    # The form offers names only; the command line also accepts a path.
    Environment = choice("Environment", environments(OWN))
    Suite, Backend = map(choice, ("Suite", "Backend"), offered(environments(OWN)))

DEFAULT: Final = Environment(OWN or "embedded")
