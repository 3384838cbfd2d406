"""Where and with what environment the pytest of a suite runs."""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 - annotations stay usable at run time
from typing import Final

PASSED_ON: Final = (
    "PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "PYTEST_ADDOPTS", "COVERAGE_PROCESS_START",
    "COVERAGE_PROCESS_CONFIG",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip
# The plugin by name: it needs no entry point where it runs, and where it has one the two would collide.
START: Final = ("-m", "nightproof.evidence.launcher", "-p", "no:nightproof", "-p", "nightproof.evidence.plugin")
ROOT_FILES: Final = ("pyproject.toml", "pytest.ini", "tox.ini", "setup.cfg", ".git")


def base_environment() -> dict[str, str]:
    """Give the part of our own environment that every suite may see: no secret is in it."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def project_root(suite_path: Path) -> Path:
    """Give the folder from which a person would run the suite; pytest puts it on the import path."""
    folders = (suite_path, *suite_path.parents)
    return next((folder for folder in folders if any((folder / name).exists() for name in ROOT_FILES)), suite_path)
