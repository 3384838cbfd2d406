"""Options of pytest: ours, and those of a suite with which evidence cannot be gathered."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

if TYPE_CHECKING:
    import pytest

BACKEND: Final = "--backend"
# Options of pytest-xdist and of the stepwise plugin: a night runs the tests of a process one after the other.
AT_NIGHT: Final[dict[str, Any]] = {
    "numprocesses": None, "dist": "no", "tx": [], "looponfail": False, "stepwise": False, "stepwise_skip": False,
}  # fmt: skip


def offer_backend(parser: pytest.Parser, args: list[str], backend: str | None) -> None:
    """Add `--backend` for suites that read it; a suite's own `--backend` gets the backend of the cell.

    Conftests and plugins have added their options by now.
    """
    groups = [*parser._groups, parser._anonymous]  # noqa: SLF001 - pytest does not tell otherwise which options there are
    known = [option for group in groups for option in group.options]
    if any(BACKEND in option.names() for option in known):
        if backend and not any(arg.partition("=")[0] == BACKEND for arg in args):
            args += [BACKEND, backend]
    elif not any(option.dest == "backend" for option in known):
        parser.getgroup("nightproof").addoption(BACKEND, default=backend, help="the same as `--nightproof-backend`")


def backend_of(config: pytest.Config) -> str:
    """Return the backend under test, else `default`; a suite's own `--backend` may hold anything but a name."""
    given = config.getoption("--nightproof-backend") or config.getoption(BACKEND, None)
    return given if isinstance(given, str) and given else "default"


def neutralise(config: pytest.Config) -> None:
    """Switch off, at night and for the catalogue, the options of a suite that are meant for a person's pytest."""
    if "NIGHTPROOF_EVENT_LOG" in os.environ or "NIGHTPROOF_CATALOGUE_OUT" in os.environ:
        for name, value in AT_NIGHT.items():
            if hasattr(config.option, name):
                setattr(config.option, name, value)
