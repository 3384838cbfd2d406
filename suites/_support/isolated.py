"""Single steps in child processes: quilt3 fixes its paths at import, and peak memory never shrinks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from typing import Final

DEADLINE_S: Final = 60
SCRIPT: Final = Path(__file__).with_name("isolated_step.py")
# Removed from the child's environment: with them it could sign in without a session of its own.
INHERITED_SECRETS: Final = ("QUILT_TEST_", "QUILT_API_KEY", "QUILT_REFRESH_TOKEN")


class Isolated:
    """Runs steps of `isolated_step.py` and returns their answers."""

    def __init__(self, backend: str, catalog_url: str, registry_url: str, registry: str) -> None:
        self._known = {
            "backend": backend, "catalog_url": catalog_url, "registry_url": registry_url, "registry": registry,
        }  # fmt: skip

    def run(
        self, step: str, home: Path | None = None, deadline_s: float = DEADLINE_S, **arguments: Any
    ) -> dict[str, Any]:
        """Run a step and return its JSON answer; raise ChildProcessError if the child fails.

        With `home`, the child has that home directory and no token in its environment.
        """
        env = dict(os.environ) if home is None else _environment_of(home)
        request = json.dumps(self._known | {"step": step} | arguments)
        done = subprocess.run(
            [sys.executable, str(SCRIPT)], input=request, capture_output=True, text=True, env=env, timeout=deadline_s,
            check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise ChildProcessError(f"The step `{step}` ended with {done.returncode}: {done.stderr[-2000:]}")
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer


def _environment_of(home: Path) -> dict[str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(INHERITED_SECRETS)}
    folders = {"XDG_DATA_HOME": "data", "XDG_CACHE_HOME": "cache", "XDG_CONFIG_HOME": "config"}
    return env | {"HOME": str(home)} | {name: str(home / folder) for name, folder in folders.items()}
