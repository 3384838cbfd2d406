"""The pytest plugin's doorstep: cheap and inert unless a nightproof suite is what pytest runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Final

import pytest

if TYPE_CHECKING:
    from nightproof.evidence.session import EvidenceSession

SUITE_FILE: Final = "suite.toml"
NAME: Final = "nightproof-evidence"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the one option that suites read."""
    group = parser.getgroup("nightproof")
    group.addoption("--backend", default=None, help="backend under test, one of suite.toml `backends`")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Prepare assertion counting before the first conftest is rewritten."""
    if is_wanted(early_config, args):
        from nightproof.evidence import session  # noqa: PLC0415 - other pytest runs must not pay for it

        session.prepare(early_config)


def pytest_configure(config: pytest.Config) -> None:
    """Start to gather evidence if this is a nightproof suite."""
    if not is_wanted(config, list(config.args)):
        return
    from nightproof.evidence import session  # noqa: PLC0415 - other pytest runs must not pay for it

    session.prepare(config)
    started: EvidenceSession = session.start(config)
    config.pluginmanager.register(started, NAME)
    config.pluginmanager.import_plugin("nightproof.evidence.fixtures")


def is_wanted(config: pytest.Config, args: list[str]) -> bool:
    """Say whether this run is one of a suite: told by the runner, by `--backend`, or by a suite.toml at or above it."""
    if "NIGHTPROOF_EVENT_LOG" in os.environ or "NIGHTPROOF_CATALOGUE_OUT" in os.environ:
        return True
    if getattr(config.known_args_namespace, "backend", None):
        return True
    given = [Path(arg.partition("::")[0]) for arg in args if not arg.startswith("-")]
    paths = [path.absolute() for path in given if path.exists()] or [Path.cwd()]
    return any((folder / SUITE_FILE).is_file() for path in paths for folder in (path, *path.parents))
