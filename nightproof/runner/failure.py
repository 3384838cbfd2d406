"""Place, traceback and output of a failed test, read from pytest's own report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Iterable

TRACEBACK_LIMIT: Final = 6000  # characters; the event log keeps the whole
OUTPUT_LIMIT: Final = 3000  # characters
STRANGE_PLACES: Final = ("..", "/", "<")  # outside the folder that pytest ran in, or no file at all
LIBRARIES: Final = ("site-packages", "dist-packages")


@dataclass(frozen=True, slots=True)
class Failure:
    """Where and how one attempt failed; all empty for an attempt that did not fail, or whose process died."""

    where: str = ""
    traceback: str = ""
    output: str = ""


def failure_of(reports: Iterable[dict[str, Any]]) -> Failure:
    """Return the details of the first report that failed; each text keeps its end, the most telling part."""
    for report in reports:
        if report.get("outcome") == "failed":
            shown = report.get("longrepr")
            sections = [(str(title), str(text)) for title, text in report.get("sections") or ()]
            printed = [f"--- {title} ---\n{text.rstrip()}" for title, text in sections if text.strip()]
            return Failure(_where(shown), _tail(_text(shown), TRACEBACK_LIMIT), _tail("\n".join(printed), OUTPUT_LIMIT))
    return Failure()


def _chain(shown: Any) -> list[tuple[Any, str]]:
    """Return the tracebacks of an exception and its causes, first cause first, each with pytest's link to the next."""
    if not isinstance(shown, dict):
        return []
    links = shown.get("chain") or [(shown.get("reprtraceback"), None, None)]
    return [(link[0], str(link[2] or "")) for link in links]


def _entries(traceback: Any) -> list[dict[str, Any]]:
    """Return the frames of a traceback, outermost first."""
    found = traceback.get("reprentries") if isinstance(traceback, dict) else None
    return [entry["data"] for entry in found or () if isinstance(entry, dict) and isinstance(entry.get("data"), dict)]


def _where(shown: Any) -> str:
    """Return `file:line` of the innermost frame in the suite's own files, else of the crash."""
    last = [entry for traceback, _ in _chain(shown)[-1:] for entry in _entries(traceback)]
    places = [entry["reprfileloc"] for entry in last if entry.get("reprfileloc")]
    own = [place for place in places if _is_own(str(place.get("path", "")))]
    crash = [shown["reprcrash"]] if isinstance(shown, dict) and shown.get("reprcrash") else []
    for place in (own or places or crash)[-1:]:
        return f"{place.get('path')}:{place.get('lineno')}"
    return ""


def _is_own(path: str) -> bool:
    return not path.startswith(STRANGE_PLACES) and not any(name in path.split("/") for name in LIBRARIES)


def _text(shown: Any) -> str:
    """Return tracebacks as pytest prints them; set-up errors and foreign plugins use plain text instead."""
    if isinstance(shown, list):  # of a skip: path, line and reason
        return ""
    blocks = [
        block for traceback, link in _chain(shown) for block in [*map(_frame, _entries(traceback)), link] if block
    ]
    return "\n\n".join(blocks) if isinstance(shown, dict) else str(shown or "")


def _frame(entry: dict[str, Any]) -> str:
    place = entry.get("reprfileloc") or {}
    end = [f"{place.get('path')}:{place.get('lineno')}: {place.get('message')}"] if place else []
    return "\n".join([*map(str, entry.get("lines") or ()), *end])


def _tail(text: str, limit: int) -> str:
    """Return the end of a text from a whole line on, with the number of characters that were left out."""
    if len(text) <= limit:
        return text
    kept = text[-limit:].partition("\n")[2] or text[-limit:]
    return f"… {len(text) - len(kept)} characters before are in the event log\n{kept}"
