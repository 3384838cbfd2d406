"""Defects of the cleanup after a test, in the test's own process and in a nested pytest."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest
from botocore.exceptions import ClientError

from nightproof.quilt import QuiltOpsError

if TYPE_CHECKING:
    from collections.abc import Generator


LOG: Final = logging.getLogger(__name__)


class SwallowsErrors:
    """Logs the errors of finalizers, so that the test's result stays as it was."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, Any]:
        """Run the finalizers and log what they raise."""
        try:
            return (yield)
        except (QuiltOpsError, ClientError, OSError, RuntimeError) as error:
            LOG.warning("could not clean up: %s", error)
            return None


class SkipsOnFailure:
    """Skips the finalizers of every test that failed."""

    def __init__(self) -> None:
        self._failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember the ids of failed tests."""
        if report.failed:
            self._failed.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Function) -> None:
        """Drop the finalizers of a failed test, also those that would run with a session's fixtures."""
        definitions = item._fixtureinfo.name2fixturedefs.values()  # noqa: SLF001 - pytest has no way to leave them out
        for definition in (one for known in definitions for one in known if one.scope == "function"):
            if item.nodeid in self._failed:
                definition._finalizers.clear()  # noqa: SLF001 - as above


DEFECTS: Final[dict[str, type]] = {
    "cleanup-swallows-errors": SwallowsErrors,
    "cleanup-skips-on-failure": SkipsOnFailure,
}
