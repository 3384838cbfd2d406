"""placement.json: the seed locations on one target; never hashed, rewritten after a repair."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING
from typing import Any

from nightproof.evidence.private import private_file
from nightproof.evidence.private import private_folder

if TYPE_CHECKING:
    from pathlib import Path


class Placement:
    """Version ids by `<dataset>/<path>`, and pointers by package; saved in one step.

    A file that is lost or damaged counts as empty: the seeding looks for everything and records it again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        found = _read(path)
        self.is_damaged = found is None
        self._found: dict[str, Any] = found or {"packages": {}}

    def version(self, dataset: str, path: str) -> str | None:
        """Return the version that holds the true bytes, or None if none is recorded."""
        entry = self._found.get(f"{dataset}/{path}")
        return str(entry["version_id"]) if entry else None

    def put(self, dataset: str, path: str, version: str) -> None:
        """Record a file's version."""
        with self._lock:
            self._found[f"{dataset}/{path}"] = {"version_id": version}

    def pointers(self, package: str) -> dict[str, str] | None:
        """Return a package's recorded pointers, Unix second to top hash, or None if it was never in place."""
        found: dict[str, str] | None = self._found["packages"].get(package, {}).get("pointers")
        return found

    def put_pointers(self, package: str, pointers: dict[str, str]) -> None:
        """Record a package's pointers: Unix second to top hash."""
        with self._lock:
            self._found["packages"][package] = {"pointers": pointers}

    def save(self) -> None:
        """Write what is known."""
        with self._lock:
            private_folder(self._path.parent)
            fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            private_file(fresh).write_text(json.dumps(self._found, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            fresh.replace(self._path)


def _read(path: Path) -> dict[str, Any] | None:
    """Return the file's content: empty if there is no file, None if it is not what `save` writes."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        packages = found.pop("packages")
        if all(isinstance(entry["version_id"], str) for entry in found.values()):
            return {
                **found,
                "packages": {name: {"pointers": package["pointers"]} for name, package in packages.items()},
            }
    except FileNotFoundError:
        return {"packages": {}}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        pass  # whatever is there, it is rebuilt
    return None
