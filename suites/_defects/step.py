"""An isolated step of the suite, with a client-side defect installed in its process."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # Python puts only the script's folder on the path

from suites._defects.client import VARIABLE
from suites._defects.client import install
from suites._support.isolated_step import main

if __name__ == "__main__":
    request = sys.stdin.read()
    install(os.environ[VARIABLE], json.loads(request)["backend"], setattr)
    sys.stdin = io.StringIO(request)
    main()
