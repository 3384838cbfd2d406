"""Read the quarantine file: tests that run but do not gate, each with an owner, a reason and an expiry."""

from __future__ import annotations

import tomllib
from datetime import date  # noqa: TC003 - pydantic resolves annotations at run time
from typing import TYPE_CHECKING

from pydantic import ConfigDict
from pydantic import TypeAdapter
from pydantic import ValidationError
from pydantic.dataclasses import dataclass

from nightproof.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True, config=ConfigDict(extra="forbid"))
class QuarantineEntry:
    """One test in quarantine; an empty `backend` means every backend."""

    id: str
    owner: str
    reason: str
    expires: date
    backend: str = ""

    def covers(self, test_id: str, backend: str) -> bool:
        """Say whether this entry is about that test on that backend."""
        return self.id == test_id and self.backend in ("", backend)


_ENTRIES = TypeAdapter(tuple[QuarantineEntry, ...])


def read_quarantine(path: Path) -> tuple[QuarantineEntry, ...]:
    """Read `[[test]]` entries of the file; no file is no quarantine, a wrong one raises UsageError."""
    if not path.is_file():
        return ()
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        if unknown := sorted(data.keys() - {"test"}):
            raise UsageError(
                f"The quarantine file `{path}` holds the unknown key `{unknown[0]}`. Write each entry under [[test]]."
            )
        return _ENTRIES.validate_python(data.get("test", []))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        message = " ".join(str(error).split())
        raise UsageError(
            f"The quarantine file `{path}` is not valid: {message}. Each [[test]] needs id, owner, reason and expires."
        ) from error


def overdue(entries: Iterable[QuarantineEntry], today: date) -> tuple[QuarantineEntry, ...]:
    """Give the entries whose expiry lies before today; they still hold, and colour the night AMBER."""
    return tuple(entry for entry in entries if entry.expires < today)
