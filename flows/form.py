"""What the run forms of the flows share: the choice of an environment, and labels."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from pydantic import Field

from nightproof.profile import PROFILES

PROFILE_VARIABLE: Final = "NIGHTPROOF_PROFILE"


def environments(own: str) -> dict[str, str]:
    """Give the committed profiles by name and, when it is none of them, the profile that `up` was started with."""
    names = sorted(path.stem for path in PROFILES.glob("*.toml"))
    return {name: name for name in ([own] if own and own not in names else []) + names}


def labelled(title: str, description: str, ge: int | None = None, le: int | None = None) -> Any:
    """Label a parameter: Prefect sets `title` itself, to the parameter's name, and keeps only what comes as extra."""
    return Field(json_schema_extra={"title": title, "description": description}, ge=ge, le=le)


if TYPE_CHECKING:
    Environment = str
else:
    # The form offers names; the command line may also give a path.
    Environment = StrEnum("Environment", environments(os.environ.get(PROFILE_VARIABLE, "")))

DEFAULT: Final = Environment(os.environ.get(PROFILE_VARIABLE, "") or "embedded")
