"""Files of a run directory, written atomically, so that a reader never sees half a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pydantic import ValidationError

from nightproof.errors import UsageError
from nightproof.evidence.private import private_file
from nightproof.evidence.private import private_folder
from nightproof.records import REPORT
from nightproof.records import RunReport

if TYPE_CHECKING:
    from pathlib import Path


def write_atomic(path: Path, text: str) -> None:
    """Write a temporary file that only its owner can read, then rename it over the target."""
    private_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        private_file(temporary).write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def dump_report(report: RunReport) -> str:
    """Return report.json as text: every key of the contract, in its order."""
    return REPORT.dump_json(report, indent=2).decode() + "\n"


def read_report(path: Path) -> RunReport:
    """Read a report.json; raise UsageError with its path if it is missing or damaged."""
    try:
        return REPORT.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        first = " ".join(str(error).split())[:200]
        raise UsageError(f"The report `{path}` cannot be read: {first}. Restore or remove that file.") from error
