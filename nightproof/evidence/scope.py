"""The suite's own code: everything in its folder, and the helpers that it declares."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    from collections.abc import Iterable

INSTALLED: Final = ("site-packages", "dist-packages")
FILES: Final = 100_000  # decisions that are cached, one per file name


class Scope:
    """The folders and packages whose assertions count."""

    def __init__(self) -> None:
        self._folders: tuple[str, ...] = ()
        self._packages: tuple[str, ...] = ()
        self._holds = lru_cache(FILES)(self._is_below)

    def open(self, root: Path, helpers: Iterable[str]) -> None:
        """Set the suite's folder and its helpers: folders by their path, packages by their name."""
        folders = [helper for helper in helpers if Path(helper).is_absolute()]
        self._folders = tuple(f"{_real(folder)}{os.sep}" for folder in (str(root), *folders))
        self._packages = tuple(helper for helper in helpers if helper not in folders)
        self._holds.cache_clear()

    def is_own_frame(self, frame: Any) -> bool:
        """Return whether a frame runs the suite's own code."""
        return self.is_own(str(frame.f_globals.get("__name__", "")), frame.f_code.co_filename)

    def is_own(self, module: str, file: str) -> bool:
        """Return whether a module is the suite's own, by its name or by the place of its file."""
        return self._is_package(module) or self._holds(file)

    def may_hold(self, module: str) -> bool:
        """Return whether a module that is about to be imported may be the suite's own.

        Every import calls this, so it does not read the disk: a module lies where its parent or the import path says.
        """
        if self._is_package(module):
            return True
        parent, _, name = module.rpartition(".")
        places = getattr(sys.modules.get(parent), "__path__", ()) if parent else sys.path
        return any(f"{_real(place)}{os.sep}{name}{os.sep}".startswith(self._folders) for place in places)

    def _is_package(self, module: str) -> bool:
        return any(module == package or module.startswith(f"{package}.") for package in self._packages)

    def _is_below(self, file: str) -> bool:
        path = f"{_real(file)}{os.sep}"
        folder = next((folder for folder in self._folders if path.startswith(folder)), None)
        return folder is not None and not any(name in Path(path[len(folder) :]).parts for name in INSTALLED)


@lru_cache(FILES)
def _real(path: str) -> str:
    """Return a path without links; the empty path means the working folder."""
    return str(Path(path).resolve())


SCOPE: Final = Scope()


def rewrite_own_modules(hook: Any) -> None:
    """Extend pytest's assertion rewriting to every module of the suite, not only its test files.

    Nothing is registered by name: pytest would warn of modules that are imported already.
    """
    if not hasattr(hook, "_should_rewrite") or hasattr(hook, "nightproof"):
        return  # with `--assert=plain` nothing is rewritten; the session rejects that option
    bails_out, wants = hook._early_rewrite_bailout, hook._should_rewrite  # noqa: SLF001 - there is no public way

    def bail_out(name: str, state: Any) -> bool:
        return not SCOPE.may_hold(name) and bool(bails_out(name, state))

    def should_rewrite(name: str, file: str, state: Any) -> bool:
        return SCOPE.is_own(name, file) or bool(wants(name, file, state))

    hook._early_rewrite_bailout = bail_out  # noqa: SLF001 - as above
    hook._should_rewrite = should_rewrite  # noqa: SLF001 - as above
    hook.nightproof = True
