"""Defects of the cleanup after a test, in the process of the tests and in the pytest that such a test starts."""

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
    """What a finalizer raises is logged, and the test counts as it was."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self) -> Generator[None, Any, Any]:
        """Let the finalizers run, and log what they raise."""
        try:
            return (yield)
        except (QuiltOpsError, ClientError, OSError, RuntimeError) as error:
            LOG.warning("could not clean up: %s", error)
            return None


class SkipsOnFailure:
    """After a test that failed no finalizer runs."""

    def __init__(self) -> None:
        self._failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember who failed."""
        if report.failed:
            self._failed.add(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        """Forget the finalizers of a test that failed."""
        stack = item.session._setupstate.stack  # noqa: SLF001 - pytest has no way to leave finalizers out
        if item.nodeid in self._failed and item in stack:
            stack[item] = ([], stack[item][1])


DEFECTS: Final[dict[str, type]] = {
    "cleanup-swallows-errors": SwallowsErrors,
    "cleanup-skips-on-failure": SkipsOnFailure,
}
