"""The journal, read: one entry per resource.

`nightproof.evidence.journal` writes it, in the processes of the tests and here. A torn last line (the writer was
killed in mid-write) is ignored on reading: its resource was not made yet.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

from pydantic import ValidationError

from nightproof.evidence.journal import Ledger
from nightproof.names import run_tag
from nightproof.records import RESOURCE
from nightproof.records import ResourceRecord

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from nightproof.evidence.journal import Event

__all__ = ["Entry", "Ledger", "carries_tag", "read_entries"]


def carries_tag(name: str, run_id: str) -> bool:
    """Return whether a name carries this run's whole tag, `np-<tag>` or `np_<tag>`; `np-<tag>x` is another's."""
    return re.search(rf"(?<![a-z0-9])np[-_]{re.escape(run_tag(run_id))}(?![a-z0-9])", name) is not None


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource with what became of it; `state` is the last event."""

    id: str
    run_id: str
    kind: str
    locator: dict[str, Any]
    intended: datetime
    state: Event
    was_confirmed: bool = False
    detail: str = ""

    @property
    def is_open(self) -> bool:
        """Whether the resource may still exist and nobody decided to keep it."""
        return self.state in {"intent", "confirmed", "leaked"}

    @property
    def title(self) -> str:
        """Return a description of the resource for people."""
        return f"{self.kind} " + "/".join(str(value) for value in self.locator.values())


def read_entries(paths: Iterable[Path]) -> tuple[Entry, ...]:
    """Fold journals into one entry per resource, in order of time; unreadable lines are left out.

    The order is by time and not by file: a cleanup settles in the run's journal what the cells' journals began.
    """
    records = [record for path in paths for line in path.read_bytes().splitlines() if (record := _record(line))]
    entries: dict[str, Entry] = {}
    for record in sorted(records, key=lambda record: record.at):
        _fold(entries, record)
    return tuple(entries.values())


def is_readable(line: bytes) -> bool:
    """Return whether a line of a journal is a valid record."""
    return _record(line) is not None


def _record(line: bytes) -> ResourceRecord | None:
    try:
        return RESOURCE.validate_json(line)
    except ValidationError:
        return None  # torn: the process died before the line, and so before the resource, was made


def _fold(entries: dict[str, Entry], record: ResourceRecord) -> None:
    known = entries.get(record.id)
    if known is None:
        known = Entry(record.id, record.run_id, record.kind, record.locator, record.at, record.event)
    entries[record.id] = replace(
        known,
        state=record.event,
        was_confirmed=known.was_confirmed or record.event in {"confirmed", "deleted", "kept", "leaked"},
        detail=record.detail,
    )
