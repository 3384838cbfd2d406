"""The pytest plugin's entry point: cheap, and inert unless pytest runs a nightproof suite. PYTEST_DONT_REWRITE."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest

if TYPE_CHECKING:
    from nightproof.evidence.session import EvidenceSession

SUITE_FILE: Final = "suite.toml"
NAME: Final = "nightproof-evidence"
# Set while a session gathers evidence: a pytest that one of its tests starts, here or in a child, gathers none.
OWNER: Final = "NIGHTPROOF_SESSION"

_own: list[pytest.Config] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our one option, under our own name."""
    group = parser.getgroup("nightproof")
    group.addoption("--nightproof-backend", default=None, help="backend under test, one of suite.toml `backends`")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> Any:
    """Prepare assertion counting before the first conftest is rewritten, then add `--backend` if no conftest did."""
    if not is_wanted(early_config, args):
        return (yield)
    _own.append(early_config)
    os.environ[OWNER] = str(os.getpid())
    from nightproof.evidence import options  # noqa: PLC0415 - other pytest runs must not pay for it
    from nightproof.evidence import session  # noqa: PLC0415 - as above

    session.prepare(early_config)
    result = yield
    options.offer_backend(parser, args, early_config.known_args_namespace.nightproof_backend)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start to gather evidence if this is a nightproof suite."""
    if config not in _own:
        return
    from nightproof.evidence import session  # noqa: PLC0415 - other pytest runs must not pay for it

    session.prepare(config)
    started: EvidenceSession = session.start(config)
    config.pluginmanager.register(started, NAME)
    config.pluginmanager.import_plugin("nightproof.evidence.fixtures")


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Allow the next pytest of this process to gather evidence."""
    if config in _own:
        _own.remove(config)
        os.environ.pop(OWNER, None)


def is_wanted(config: pytest.Config, args: list[str]) -> bool:
    """Return whether this run is one of a suite: by the runner, by our option, or by a suite.toml at or above it."""
    if OWNER in os.environ:
        return False
    if "NIGHTPROOF_EVENT_LOG" in os.environ or "NIGHTPROOF_CATALOGUE_OUT" in os.environ:
        return True
    if getattr(config.known_args_namespace, "nightproof_backend", None):
        return True
    given = [Path(arg.partition("::")[0]) for arg in args if not arg.startswith("-")]
    paths = [path.absolute() for path in given if path.exists()] or [Path.cwd()]
    return any((folder / SUITE_FILE).is_file() for path in paths for folder in (path, *path.parents))
