"""Time limits of tests: a suite's own limit has precedence; ours applies where a suite sets none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

import pytest

from nightproof.evidence.eventlog import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES: Final = ("timeout", "pytest_timeout")  # as its entry point names pytest-timeout, and as `-p` does


def limit_time(item: pytest.Item, seconds: float) -> None:
    """Set our limit on a test unless the suite has one, by marker, option, configuration file or variable."""
    config = item.config
    if not any(map(config.pluginmanager.hasplugin, NAMES)):
        return
    own = (config.getoption("timeout", None), os.environ.get("PYTEST_TIMEOUT"), config.getini("timeout") or None)
    if item.get_closest_marker("timeout") is None and all(limit is None for limit in own):
        item.add_marker(pytest.mark.timeout(seconds))


class TimeLimits:
    """A hook into pytest-timeout that logs a test whose process it ends: its thread method leaves no report behind."""

    def __init__(self, config: pytest.Config, write: Callable[..., None]) -> None:
        self._write = write
        plugins: list[Any] = [plugin for plugin in map(config.pluginmanager.getplugin, NAMES) if plugin is not None]
        self._plugins = [plugin for plugin in plugins if hasattr(plugin, "timeout_timer")]
        self._end_process: Callable[[Any, Any], None] | None = None
        for plugin in self._plugins:
            self._end_process, plugin.timeout_timer = plugin.timeout_timer, self._note

    def _note(self, item: pytest.Item, settings: Any) -> None:
        self._write(nodeid=item.nodeid, seconds=settings.timeout, time=utc_now())
        if self._end_process is not None:
            self._end_process(item, settings)

    def close(self) -> None:
        """Restore pytest-timeout's own function."""
        for plugin in self._plugins:
            plugin.timeout_timer = self._end_process
