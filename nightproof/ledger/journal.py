"""The journal: one JSON line per event, on disk before the resource exists.

All processes of a run append to one file; a line is one `write` on an append-only descriptor, so lines of
different processes never mix. A torn last line (the writer was killed in mid-write) is ignored on reading:
its resource was not made yet.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from dataclasses import dataclass
from dataclasses import replace
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal

from pydantic import ValidationError

from nightproof.names import run_tag
from nightproof.records import RESOURCE
from nightproof.records import ResourceRecord

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterable
    from pathlib import Path

Event = Literal["intent", "confirmed", "deleted", "kept", "leaked", "absent"]


def carries_tag(name: str, run_id: str) -> bool:
    """Say whether a name is one of this run's: `np-<tag>` or `np_<tag>` whole, so that `np-<tag>x` is another's."""
    return re.search(rf"(?<![a-z0-9])np[-_]{re.escape(run_tag(run_id))}(?![a-z0-9])", name) is not None


def _now() -> datetime:
    return datetime.now(UTC)


def _nobody(_kind: str, _locator: dict[str, Any]) -> None:
    """Hear of an intent, and do nothing."""


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
        """Name the resource for a person."""
        return f"{self.kind} " + "/".join(str(value) for value in self.locator.values())


class Ledger:
    """Writes events of one run; safe to use from several processes on one file, and to repeat.

    `heard` is told of every intent before it is written.
    """

    def __init__(
        self,
        path: Path,
        run_id: str,
        clock: Callable[[], datetime] = _now,
        heard: Callable[[str, dict[str, Any]], None] = _nobody,
    ) -> None:
        self.path = path
        self.run_id = run_id
        self._clock = clock
        self._heard = heard
        self._known: dict[str, tuple[str, dict[str, Any]]] = {}

    @property
    def tag(self) -> str:
        """The 8 characters that every name of this run carries."""
        return run_tag(self.run_id)

    def intent(self, kind: str, locator: dict[str, Any], test_id: str = "") -> str:
        """Write down a resource that is about to be made; return its id once the line is on disk."""
        self._heard(kind, locator)
        canonical = json.dumps([self.run_id, kind, locator], sort_keys=True)
        resource_id = hashlib.sha256(canonical.encode()).hexdigest()[:16]
        self._known[resource_id] = (kind, locator)
        self._write("intent", resource_id, test_id)
        return resource_id

    def confirmed(self, resource_id: str) -> None:
        """Note that the resource exists."""
        self._write("confirmed", resource_id)

    def deleted(self, resource_id: str) -> None:
        """Note that the resource was deleted."""
        self._write("deleted", resource_id)

    def adopt(self, entry: Entry, event: Event, detail: str = "") -> None:
        """Note an event of a resource that another process wrote down."""
        self._known[entry.id] = (entry.kind, entry.locator)
        self._write(event, entry.id, detail=detail)

    def _write(self, event: Event, resource_id: str, test_id: str = "", detail: str = "") -> None:
        kind, locator = self._known[resource_id]
        record = ResourceRecord(
            event=event, id=resource_id, run_id=self.run_id, kind=kind, locator=locator,
            at=self._clock(), test_id=test_id, detail=detail,
        )  # fmt: skip
        line = RESOURCE.dump_json(record) + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # A previous writer may have died in mid-line; a line of its own keeps ours readable.
            whole = b"\n" + line if _is_torn(self.path) else line
            if os.write(descriptor, whole) < len(whole):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_entries(paths: Iterable[Path]) -> tuple[Entry, ...]:
    """Fold journals into one entry per resource, in order of time; unreadable lines are left out.

    The order is by time and not by file: a cleanup settles in the run's journal what the cells' journals began.
    """
    records = [record for path in paths for line in path.read_bytes().splitlines() if (record := _record(line))]
    entries: dict[str, Entry] = {}
    for record in sorted(records, key=lambda record: record.at):
        _fold(entries, record)
    return tuple(entries.values())


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


def _is_torn(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
