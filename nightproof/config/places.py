"""The places that a night writes to: each is tested before anything starts, and left unchanged."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Final

from nightproof.errors import UsageError
from nightproof.evidence.private import FOLDER
from nightproof.evidence.private import close

if TYPE_CHECKING:
    from nightproof.profile import Profile

DEEPEST: Final = 400  # characters that a night's own folders and files add below the state directory
SHOWN: Final = 250  # characters of a path in a sentence
PATH_MAX: Final = 4096  # bytes that Linux takes, the final NUL included
FOLDERS: Final = ("runs", "testbed", "prefect", "prove", "tokens", "alerts")
FILES: Final = (
    "environment.lock", "environment.holder.json", "supervisor.lock", "supervisor.json", "placement.json",
    "history.sqlite",
)  # fmt: skip
OWN_STATE: Final = "set `state_dir` in the profile to a folder that can be written, or correct its permissions."


def require_places(profile: Profile) -> None:
    """Raise UsageError if the state directory, the history or the artifact store cannot be written."""
    require_state_dir(profile.state_dir)
    require_history(profile)
    require_store(profile)


def require_state_dir(folder: Path) -> None:
    """Raise UsageError if the state directory, or an entry in it with a name of ours, cannot be used."""
    require_folder(folder, "The state directory", OWN_STATE)
    for name in FOLDERS:
        if os.path.lexists(folder / name):
            require_folder(folder / name, "The state directory's folder", f"remove it, or {OWN_STATE}")
    for name in FILES:
        _require_file(folder / name, f"remove it, or {OWN_STATE}")
    latest = folder / "runs" / "latest"
    if os.path.lexists(latest) and not latest.is_symlink():
        raise UsageError(f"`{latest}` is no link, as nightproof makes it to the newest run: move it away.")


def make_state_dir(folder: Path) -> None:
    """Create the state directory for its owner only, and restrict the entries in it with names of ours.

    A folder that holds other entries too keeps its own mode, as they may depend on it.
    """
    folder.mkdir(mode=FOLDER, parents=True, exist_ok=True)
    entries = [*folder.iterdir()]
    own = [entry for entry in entries if entry.name.lstrip(".").startswith((*FOLDERS, *FILES))]
    for place in own if len(own) < len(entries) else (folder, *own):
        if not place.is_symlink():
            close(place)


def require_folder(folder: Path, what: str, remedy: str) -> None:
    """Raise UsageError unless the folder can be written or created; a missing folder is not created."""
    if why := _unusable(folder):
        shown = str(folder) if len(str(folder)) <= SHOWN else f"{str(folder)[:SHOWN]}…"
        raise UsageError(f"{what} `{shown}` cannot be used: {why}; {remedy}")


def require_store(profile: Profile) -> None:
    """Raise UsageError for an artifact store that is an unwritable directory; a bucket is first used at night."""
    store = profile.artifact_store
    if not store or store.startswith("s3://"):
        return
    remedy = "set `artifact_store` in the profile to a folder that can be written."
    require_folder(Path(store), "The artifact store", remedy)
    runs = profile.state_dir / "runs"
    if Path(store).resolve().is_relative_to(runs.resolve()):
        raise UsageError(f"The artifact store `{store}` lies in `{runs}`, which is copied into it: {remedy}")


def require_history(profile: Profile) -> None:
    """Raise UsageError for a history with a wrong URL or, for SQLite, an unusable file."""
    from nightproof.history.address import default_url  # noqa: PLC0415 - SQLAlchemy takes a while to load
    from nightproof.history.address import require_usable  # noqa: PLC0415 - as above

    require_usable(profile.history_url or default_url(profile.state_dir))


def _unusable(folder: Path) -> str:
    if len(os.fsencode(folder)) + DEEPEST > PATH_MAX:
        return f"its path of {len(os.fsencode(folder))} bytes leaves no room for the files below it"
    try:
        nearest = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
        if nearest.is_symlink() and not nearest.exists():
            return f"`{nearest}` is a link to `{nearest.readlink()}`, which does not exist"
        if not nearest.is_dir():
            return f"`{nearest}` is no folder"
        # Only a write proves it: for root, access checks succeed even on a read-only disk.
        with tempfile.TemporaryDirectory(prefix=".nightproof-", dir=nearest) as probe:
            missing = folder.relative_to(nearest).parts
            Path(probe, *missing).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


def _require_file(path: Path, remedy: str) -> None:
    if not os.path.lexists(path):
        return
    try:
        if not path.is_file():
            raise UsageError(f"`{path}` is no file: {remedy}")
        with closing(os.fdopen(os.open(path, os.O_RDWR), "rb")):
            pass
    except OSError as error:
        raise UsageError(f"`{path}` cannot be written ({error.strerror}): {remedy}") from error
