"""Reading of files that people write; every problem becomes one sentence."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING
from typing import Any

from nightproof.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def read_text(path: Path, what: str) -> str:
    """Return the text of a file; raise UsageError with its path if it cannot be read or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{what} `{path}` cannot be read ({error.strerror}): correct its place or permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{what} `{path}` is not UTF-8 (byte {error.start}: 0x{error.object[error.start]:02x}): save it as UTF-8."
        ) from error


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Return the data of a TOML file; raise UsageError with its path and the line if it is invalid."""
    text = read_text(path, what)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also a number with more digits than Python parses
        raise UsageError(f"{what} `{path}` is not valid TOML: {error}. Mend that line.") from error
