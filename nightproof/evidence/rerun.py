"""A shell script that runs one test again and needs nothing of the night that is over.

It names secrets, without their values. A night's own testbed has ended with it, so the script starts one for the test.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING
from typing import Final

from nightproof.evidence.children import SITE

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping
    from collections.abc import Sequence

NAMES: Final = "NIGHTPROOF_RERUN_ENV"  # the variables that the runner gave to the suite
TESTBED: Final = "NIGHTPROOF_TESTBED_COMMAND"  # starts a testbed and prints its environment; empty on a live target
TREE: Final = "PYTHONPATH"
READY: Final = "NIGHTPROOF_CONTROL_TOKEN"  # a line of a testbed's environment, which is printed once it is ready


def script(arguments: Sequence[str], folder: str, env: Mapping[str, str], is_secret: Callable[[str, str], bool]) -> str:
    """Return the script; `is_secret` tells by name and value whether a variable's value must not be written."""
    names = [name for name in env.get(NAMES, "").split(",") if name in env and name != TESTBED]
    testbed = env.get(TESTBED, "")
    shown = [] if testbed else [_export(name, env[name], is_secret) for name in names]
    paths = [path for path in env.get(TREE, "").split(os.pathsep) if path and path != SITE]
    tree = [f"export {TREE}={shlex.quote(os.pathsep.join(paths))}"] if paths else []
    lines = ["#!/bin/sh", f"cd {shlex.quote(folder)} || exit", *_start(testbed), *shown, *tree]
    return "\n".join([*lines, shlex.join([sys.executable, "-m", "pytest", *arguments]), ""])


def _export(name: str, value: str, is_secret: Callable[[str, str], bool]) -> str:
    if is_secret(name, value):
        return f': "${{{name}:?is a secret that this test reads: export it first}}"'
    return f"export {name}={shlex.quote(value)}"


def _start(testbed: str) -> list[str]:
    """Return the lines that start a testbed for this shell, wait until it is ready, and end it with the shell."""
    if not testbed:
        return []
    return [
        "facts=$(mktemp)",
        f'{testbed} > "$facts" &',
        "trap 'kill $!; rm -f \"$facts\"' EXIT",
        f'until grep -q {READY} "$facts"; do kill -0 $! || exit; sleep 0.2; done',
        '. "$facts"',
    ]


def arguments_of(given: Sequence[str], places: Sequence[str], nodeid: str) -> list[str]:
    """Return pytest's arguments for one test: the original ones, with the test in place of the given paths."""
    return [*[str(word) for word in given if str(word) not in places], nodeid]
