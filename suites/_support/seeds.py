"""The seed manifest: the exact content of the seeded buckets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


class Seeds:
    """Reads manifest.json and placement.json; a missing value raises KeyError and so fails the test."""

    def __init__(self, folder: Path, placement: Path) -> None:
        self.manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        self.checksums: dict[str, str] = json.loads((folder / "checksums.json").read_text(encoding="utf-8"))["files"]
        self._placement = placement

    @property
    def placement(self) -> dict[str, Any]:
        """Return where the seeds landed on this target: version ids and pointer times."""
        found: dict[str, Any] = json.loads(self._placement.read_text(encoding="utf-8"))
        return found

    def entries(self, dataset: str) -> dict[str, dict[str, Any]]:
        """Return the files of a dataset by path."""
        return {entry["path"]: entry for entry in self.manifest["datasets"][dataset]["entries"]}

    def size(self, dataset: str, path: str) -> int:
        """Return the size of one file in bytes."""
        return int(self.entries(dataset)[path]["bytes"])

    def sha256(self, dataset: str, path: str) -> str:
        """Return the SHA-256 of one file in hex."""
        return str(self.entries(dataset)[path]["sha256"])

    def version_id(self, dataset: str, path: str) -> str:
        """Return the object version that holds the true bytes of a file."""
        return str(self.placement[f"{dataset}/{path}"]["version_id"])

    @property
    def package_names(self) -> list[str]:
        """Return the names of the baseline packages, ascending."""
        return self.names_beside("test-user/simple-csv")

    def names_beside(self, name: str) -> list[str]:
        """Return the names of all packages in the registry of the given package, ascending."""
        packages = self.manifest["packages"]
        return sorted(other for other in packages if packages[other]["registry"] == packages[name]["registry"])

    @property
    def bulk_folders(self) -> list[str]:
        """Return the directories of the bulk objects and of the package of 10,000 files, ascending."""
        bulk = self.manifest["bulk"]
        return [bulk["directory"].format(number) for number in range(bulk["directories"])]

    @property
    def bulk_files(self) -> list[str]:
        """Return the files of each bulk directory, also those of the package of 1,000 files, ascending."""
        bulk = self.manifest["bulk"]
        return [bulk["file"].format(number) for number in range(bulk["files_each"])]

    def children(self, dataset: str) -> dict[str, list[str]]:
        """Return the listing of each directory of a dataset by its path: directories first, each ascending."""
        found: dict[str, tuple[set[str], set[str]]] = {}
        for path in self.entries(dataset):
            parts = path.split("/")
            for depth in range(len(parts)):
                folders, files = found.setdefault("/".join(parts[:depth]), (set(), set()))
                is_file = depth == len(parts) - 1
                (files if is_file else folders).add("/".join(parts[: depth + 1]) + ("" if is_file else "/"))
        return {folder: [*sorted(folders), *sorted(files)] for folder, (folders, files) in found.items()}

    def packages_of(self, buckets: Collection[str]) -> dict[str, dict[str, Any]]:
        """Return the seeded packages of some buckets by name."""
        registries = {f"s3://{bucket}" for bucket in buckets}
        packages: dict[str, dict[str, Any]] = self.manifest["packages"]
        return {name: package for name, package in packages.items() if package["registry"] in registries}

    def package(self, name: str) -> dict[str, Any]:
        """Return a baseline package: registry, message, metadata, revisions."""
        found: dict[str, Any] = self.manifest["packages"][name]
        return found

    def top_hash(self, name: str, label: str | None = None) -> str:
        """Return the hash of a labelled revision, or of the newest."""
        revisions = self.package(name)["revisions"]
        chosen = next(revision for revision in revisions if revision["label"] == label) if label else revisions[-1]
        return str(chosen["top_hash"])

    def newest_first(self, names: set[str]) -> list[str]:
        """Return packages in the order of a search: newest pointer on this target first, then by name."""
        packages = self.placement["packages"]
        return sorted(names, key=lambda name: (-max(int(second) for second in packages[name]["pointers"]), name))
