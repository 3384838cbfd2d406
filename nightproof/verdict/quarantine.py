"""The quarantine file: tests that run but do not gate, each with an owner, a reason and an expiry."""

from __future__ import annotations

import os
from datetime import date
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Final

from pydantic import BeforeValidator
from pydantic import ConfigDict
from pydantic import Field
from pydantic import TypeAdapter
from pydantic import ValidationError
from pydantic.dataclasses import dataclass

from nightproof.config.files import read_toml
from nightproof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


SHOWN: Final = 80  # characters of a wrong value
Text = Annotated[str, Field(min_length=1)]


def _day(given: object) -> object:
    """Return a date as TOML or ISO 8601 writes it; refuse a number, which pydantic would read as seconds since 1970."""
    if isinstance(given, int | float):
        raise ValueError("write it as a date")  # noqa: TRY004 - pydantic turns only this into its error
    return given


Day = Annotated[date, BeforeValidator(_day)]


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class QuarantineEntry:
    """One test in quarantine; an empty `backend` means every backend."""

    id: Text
    owner: Text
    reason: Text
    expires: Day
    backend: str = ""

    def covers(self, test_id: str, backend: str) -> bool:
        """Return whether this entry applies to the test on the backend."""
        return self.id == test_id and self.backend in ("", backend)


_ENTRIES = TypeAdapter(tuple[QuarantineEntry, ...])


def read_quarantine(path: Path) -> tuple[QuarantineEntry, ...]:
    """Read the `[[test]]` entries of a file; a missing file has none, a wrong one raises UsageError."""
    if not os.path.lexists(path):
        return ()
    data = read_toml(path, "The quarantine file")
    if unknown := sorted(data.keys() - {"test"}):
        raise UsageError(
            f"The quarantine file `{path}` holds the unknown key `{unknown[0]}`. Write each entry under [[test]]."
        )
    try:
        return _ENTRIES.validate_python(data.get("test", []))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "test"
        raise UsageError(
            f"The quarantine file `{path}` has a wrong value at `{where}`: {str(first.get('input'))[:SHOWN]!r}; "
            f"{first['msg']}. Each [[test]] needs id, owner, reason and expires, as `expires = 2026-12-31`."
        ) from error


def overdue(entries: Iterable[QuarantineEntry], today: date) -> tuple[QuarantineEntry, ...]:
    """Return the entries that expired before today; they still apply, and colour the night AMBER."""
    return tuple(entry for entry in entries if entry.expires < today)
