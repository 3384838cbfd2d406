# ruff: noqa: INP001 - the interpreter imports this file by its bare name
"""Start the recorders in a child process of a test; inert everywhere else."""

import importlib.util
import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path

_here = str(Path(__file__).parent)

is_known = sys.version_info >= (3, 9)  # an older Python cannot parse our modules, and a child may run any version
if is_known and "NIGHTPROOF_TEST_ID" in os.environ and importlib.util.find_spec("nightproof") is not None:
    from nightproof.evidence import recorders

    recorders.install()

# The interpreter imports the first sitecustomize only: run the one that ours hides.
_spec = PathFinder.find_spec("sitecustomize", [path for path in sys.path if path != _here])
if _spec is not None and _spec.loader is not None:
    _spec.loader.exec_module(importlib.util.module_from_spec(_spec))
