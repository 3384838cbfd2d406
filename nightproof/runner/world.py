"""The environment of a suite: the interpreter of its pytest, what that inherits, and its settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cache
from pathlib import Path  # noqa: TC003 - annotations stay usable at run time
from typing import TYPE_CHECKING
from typing import Final

from nightproof.errors import UsageError
from nightproof.evidence.suite import load_suite
from nightproof.runner.tree import lay_tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nightproof.evidence.suite import SuiteConfig

PASSED_ON: Final = (
    "PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTEST_ADDOPTS",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip
# What belongs to our own interpreter: another one would look for its packages in the wrong place.
OF_OURS: Final = ("VIRTUAL_ENV", "PYTHONPATH", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG")
# The plugin by name, without its entry point: an interpreter may lack one, and where it has one the two collide.
START: Final = ("-m", "nightproof.evidence.launcher", "-p", "no:nightproof", "-p", "nightproof.evidence.plugin")
OLDEST_PYTHON: Final = (3, 9)
OLDEST_PYTEST: Final = (7, 4)
OLDEST_PLUGGY: Final = (1, 2)  # the first with the hook wrappers that the plugin is made of
PROBE_TIMEOUT_S: Final = 60
PROBE: Final = """
import json, sys
try:
    import pluggy, pytest
    found = {"pytest": pytest.__version__, "pluggy": pluggy.__version__}
except ImportError:
    found = {}
print(json.dumps(dict(found, python="{}.{}.{}".format(*sys.version_info))))
"""


@dataclass(frozen=True, slots=True)
class World:
    """The settings of a profile for a suite's processes; without `python` they run in our interpreter.

    `env` overrides everything that a cell inherits. `pytest_args` come before the arguments that a night needs.
    """

    python: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    pytest_args: tuple[str, ...] = ()
    helpers: tuple[str, ...] = ()

    def command(self, *arguments: str) -> list[str]:
        """Return the command that runs pytest with the plugin."""
        return [str(self.python or sys.executable), *START, *self.pytest_args, *arguments]

    def environment(self, given: Mapping[str, str], folder: Path) -> dict[str, str]:
        """Return the inherited variables, overridden by `given` and then by the suite's own.

        The light tree is laid below `folder` for an interpreter that is not ours.
        """
        inherited = PASSED_ON if self.python else (*PASSED_ON, *OF_OURS)
        found = {name: os.environ[name] for name in inherited if name in os.environ}
        if self.python:
            found |= _activated(self.python, found.get("PATH", os.defpath))
        found |= {**given, **self.env}
        if self.python:
            paths = [str(lay_tree(folder)), found.get("PYTHONPATH", "")]
            found["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
        return found

    def suite(self, path: Path) -> SuiteConfig:
        """Return the configuration of a suite's folder with what the profile adds to it."""
        config = load_suite(path.absolute())
        return replace(config, helpers=(*config.helpers, *self.helpers))

    def versions(self) -> dict[str, str]:
        """Return the versions of the suite's own Python and pytest, or `{}`; raise UsageError like `probe`."""
        if self.python is None:
            return {}
        found = probe(self.python)
        return {"python": found["python"], "pytest": found["pytest"]}


def _activated(python: Path, path: str) -> dict[str, str]:
    """Return what activating the interpreter's virtual environment sets: its scripts are found first."""
    venv = python.parent.parent
    found = {"PATH": os.pathsep.join([str(python.parent), path])}
    return found | ({"VIRTUAL_ENV": str(venv)} if (venv / "pyvenv.cfg").is_file() else {})


def interpreter_at(path: Path) -> Path:
    """Return the interpreter that a profile names: the file, or that of a virtual environment's folder.

    Links are not resolved: the target of a link does not know the environment.
    """
    return path / "bin" / "python" if path.is_dir() else path


@cache
def probe(python: Path) -> dict[str, str]:
    """Return the versions of an interpreter and its pytest; raise UsageError for one that cannot run a suite."""
    if not python.exists():
        raise UsageError(
            f"There is no interpreter `{python}`: create that environment, or correct `python` in [[suite]]."
        )
    found = _ask(python)
    if _number(found["python"]) < OLDEST_PYTHON:
        raise UsageError(f"`{python}` is Python {found['python']}: a suite needs 3.9 or newer.")
    if "pytest" not in found:
        raise UsageError(f"`{python}` has no pytest: install it, for example `{python} -m pip install pytest`.")
    if _number(found["pytest"]) < OLDEST_PYTEST or _number(found["pluggy"]) < OLDEST_PLUGGY:
        raise UsageError(
            f"`{python}` has pytest {found['pytest']} and pluggy {found['pluggy']}: a suite needs pytest 7.4 and "
            f"pluggy 1.2 or newer, for example `{python} -m pip install --upgrade pytest pluggy`."
        )
    return found


def _ask(python: Path) -> dict[str, str]:
    try:
        done = subprocess.run(
            [python, "-c", PROBE], capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False,
            env={"PATH": os.environ.get("PATH", os.defpath)}, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        found: dict[str, str] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise UsageError(
            f"`{python}` is no Python interpreter that runs: correct `python` in [[suite]] "
            "to an interpreter, or to the folder of a virtual environment."
        ) from error
    return found


def _number(version: str) -> tuple[int, ...]:
    digits = ("".join(letter for letter in part if letter.isdigit()) for part in version.split(".")[:2])
    return tuple(int(part or 0) for part in digits)
