"""The writer of the ledger: one JSON line per event, on disk before the resource exists.

All processes of a run append to one file. A line is one `write` on an append-only descriptor, so lines of different
processes never mix. `nightproof.ledger` reads and settles them.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from datetime import datetime
from datetime import timezone
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import Protocol

from nightproof.names import run_tag

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Event = Literal["intent", "confirmed", "deleted", "kept", "leaked", "absent"]


class Resource(Protocol):
    """A resource that another process recorded."""

    @property
    def id(self) -> str:
        """Its id in the ledger."""
        ...

    @property
    def kind(self) -> str:
        """Its kind."""
        ...

    @property
    def locator(self) -> dict[str, Any]:
        """Its location, by kind."""
        ...


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _nobody(_kind: str, _locator: dict[str, Any]) -> None:
    """Ignore an intent."""


class Ledger:
    """A writer of one run's events; several processes may use one file, and each call may be repeated.

    `heard` is called with every intent before it is written.
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
        """Record a resource that is about to be created; return its id once the line is on disk."""
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

    def adopt(self, entry: Resource, event: Event, detail: str = "") -> None:
        """Record an event of a resource that another process recorded."""
        self._known[entry.id] = (entry.kind, entry.locator)
        self._write(event, entry.id, detail=detail)

    def _write(self, event: Event, resource_id: str, test_id: str = "", detail: str = "") -> None:
        kind, locator = self._known[resource_id]
        record = {
            "event": event, "id": resource_id, "run_id": self.run_id, "kind": kind, "locator": locator,
            "at": self._clock().isoformat().replace("+00:00", "Z"), "test_id": test_id, "detail": detail,
        }  # fmt: skip
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # A previous writer may have died in mid-line; a line of its own keeps ours readable.
            whole = b"\n" + line if _is_torn(self.path) else line
            # A partial write means a full disk: the line is torn, and the resource must not be created.
            if os.write(descriptor, whole) < len(whole):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_torn(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
