"""placement.json: where the seeds landed on one target; never hashed, rewritten after a repair."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from pathlib import Path


class Placement:
    """Version ids by `<dataset>/<path>` and pointers by package; written in one step."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        self._found.setdefault("packages", {})

    def version(self, dataset: str, path: str) -> str | None:
        """Give the version that holds the true bytes."""
        entry = self._found.get(f"{dataset}/{path}")
        return str(entry["version_id"]) if entry else None

    def put(self, dataset: str, path: str, version: str) -> None:
        """Note a file's version."""
        with self._lock:
            self._found[f"{dataset}/{path}"] = {"version_id": version}

    def put_pointers(self, package: str, pointers: dict[str, str]) -> None:
        """Note a package's pointers: Unix second to top hash."""
        with self._lock:
            self._found["packages"][package] = {"pointers": pointers}

    def save(self) -> None:
        """Write what is known."""
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            fresh.write_text(json.dumps(self._found, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            fresh.replace(self._path)
