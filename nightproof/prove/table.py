"""The declared table of a suite's defects: their places, and the tests that each must turn red."""

from __future__ import annotations

import tomllib
from pathlib import Path  # noqa: TC003 - annotations stay usable at run time
from typing import Annotated
from typing import Final

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError

from nightproof.errors import UsageError

FILE: Final = "defects.toml"
ALL: Final = "all"
EVERY: Final = "*"
IN_PROCESS: Final = frozenset({"client", "harness"})


class Defect(BaseModel):
    """One defect: its places (services, `client` or `harness`) and its tests by backend (`all`: every backend).

    `seconds` makes it a latency defect, which is proven under the proof's small time factor.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    places: Annotated[tuple[str, ...], Field(min_length=1)]
    seconds: Annotated[float, Field(ge=0)] = 0
    kills: dict[str, tuple[str, ...]]

    @property
    def services(self) -> tuple[str, ...]:
        """The services whose control interface switches the defect."""
        return tuple(place for place in self.places if place not in IN_PROCESS)

    @property
    def is_in_process(self) -> bool:
        """Return whether the defect is also installed in the tests' process."""
        return bool(IN_PROCESS & set(self.places))

    def tests(self, backend: str) -> tuple[str, ...]:
        """Return the tests that it must kill on a backend, as `<file>::<test>`; `*` means all with wire `subject`."""
        return tuple(dict.fromkeys((*self.kills.get(ALL, ()), *self.kills.get(backend, ()))))


class Table(BaseModel):
    """All defects of one suite; `plugin` is the pytest plugin that installs those in the tests' process."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plugin: str = ""
    defect: dict[str, Defect] = Field(default_factory=dict)

    @property
    def defects(self) -> tuple[Defect, ...]:
        """The defects with their names, in the order of the file."""
        return tuple(found.model_copy(update={"name": name}) for name, found in self.defect.items())


def read_table(suite_path: Path) -> Table:
    """Read a suite's table; raise UsageError if it is missing or wrong."""
    path = suite_path / FILE
    try:
        return Table.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise UsageError(f"The suite `{suite_path}` declares no defects: write `{path}`, or choose --suite.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"`{path}` is not TOML: {error}. Correct that line.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"`{path}` has a wrong value at `{where}`: {first['msg']}. Correct that key.") from error
