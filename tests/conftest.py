"""Fixtures that several rooms use: a plain S3 server and clients on it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from nightproof.profile import Profile
from nightproof.profile import Secrets
from nightproof.target import Target
from nightproof.target import open_target
from tests.untraced import untraced

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Iterator

    from types_boto3_s3 import S3Client

ROOT = Path(__file__).parents[1]
START_DEADLINE_S = 30
HANG_S = 300  # a hang, not a slow machine


def pytest_configure(config: pytest.Config) -> None:
    """Keep a plugin of ours out of the hundreds of child sessions: importing it takes a third of their start.

    A parent of workers leaves the variable alone, because the workers would read it for themselves.
    """
    if not config.getoption("numprocesses", None):
        os.environ["PYTEST_ADDOPTS"] = "-p no:hypothesispytest"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Limit every test of the project; not by the configuration file, which is that of the suites in `suites/` too."""
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(HANG_S))


def free_port() -> int:
    """Ask the kernel for a free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def world() -> Callable[[str], Path]:
    """Return the interpreter of a dependency group that is installed beside the project; fail with the remedy."""

    def interpreter(group: str) -> Path:
        python = ROOT / ".venvs" / group / "bin" / "python"
        if not python.exists():
            pytest.fail(f"The environment `{group}` is not installed: run `make worlds`.")
        return python

    return interpreter


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """Start an S3 server in memory, in a process of its own."""
    port = free_port()
    settings = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "LOG_LEVEL": "ERROR"}
    settings["IOT_MTLS_ENABLED"] = "false"  # its MQTT server would listen on every address
    with untraced():
        env = os.environ | settings
        server = subprocess.Popen([sys.executable, "-m", "ministack"], env=env, stdout=subprocess.DEVNULL)
    try:
        _await_port(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=START_DEADLINE_S)


def _await_port(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline:
        assert server.poll() is None, "the S3 server ended while starting"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail(f"the S3 server did not listen on port {port} within {START_DEADLINE_S} s")


@pytest.fixture
def s3(s3_url: str) -> Iterator[S3Client]:
    """Give a client of the in-memory S3 server."""
    client = boto3.client(
        "s3",
        endpoint_url=s3_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
    yield client
    client.close()


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Start one testbed for the session: both systems, provisioned, nothing seeded."""
    profile = Profile.model_validate({"target": "embedded", "state_dir": str(tmp_path_factory.mktemp("testbed"))})
    target = open_target(profile, Secrets())
    yield target
    target.stop()
