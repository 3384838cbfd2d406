"""The metadata of the baseline packages: descriptions, tags and the rich document."""

from __future__ import annotations

import json
from typing import Any
from typing import Final

RICH: Final[dict[str, Any]] = {
    "version": "2.1.0",
    "description": "Rich metadata for round trips",
    "tags": ["test", "e2e", "metadata", "complex", "baseline"],
    "authors": [{"name": "Ada Test", "email": "ada@test.com"}, {"name": "Bo Test", "email": "bo@test.com"}],
    "license": "CC-BY-4.0",
    "created": "2024-01-01T00:00:00+00:00",
    "schema": {"fields": [{"name": "id", "type": "integer", "constraints": {"required": True, "minimum": 0}}]},
    "provenance": {"source": "generated", "method": "sha-256 counter stream", "seed": "nightproof:1.0.0:metadata-rich"},
    "custom_fields": {"experiment_id": "EXP-001", "inner": {"absent": None}, "none_yet": [], "unicode": "größe 測試",
                      "small": 1e-7, "large": 9007199254740991},
}  # fmt: skip
TEXTS: Final = {
    "empty-package": "A package without entries",
    "large-package": "One hundred chunks",
    "mixed-formats": "JSON, csv, Parquet and images",
    "nested-structure": "Files in nested folders",
    "package-a": "First of a pair",
    "package-b": "Second of a pair",
    "simple-csv": "Five small tables",
    "single-file": "One csv table",
    "versioned-data": "Two revisions",
}
DOCUMENT: Final = "quilt_metadata.json"


def metadata_of(dataset: str) -> dict[str, Any]:
    """Return the metadata of a baseline package."""
    return RICH if dataset == "metadata-rich" else {"description": TEXTS[dataset], "tags": ["baseline"]}


def document(_dataset: str, path: str) -> bytes:
    """Return a package's metadata as the file beside its dataset."""
    content = metadata_of(path.split("/", 1)[0])
    return (json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
