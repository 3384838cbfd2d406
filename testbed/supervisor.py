"""The supervisor of the services: it starts and checks them, describes them in testbed.json and ends them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING
from typing import Any
from typing import Final

from botocore.exceptions import BotoCoreError
from botocore.exceptions import ClientError

from testbed.aws.provision import ProvisioningError
from testbed.aws.provision import provision
from testbed.aws.selftest import SelfTestError
from testbed.aws.selftest import self_test
from testbed.statedir import StartError
from testbed.statedir import UsageError
from testbed.statedir import hold
from testbed.statedir import issued_tokens
from testbed.statedir import kept_secrets
from testbed.statedir import write_private

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START_DEADLINE_S: Final = 60
STOP_DEADLINE_S: Final = 10
LAST_PORT: Final = 65535
PACKAGES: Final = ("ministack", "graphql-core", "starlette", "uvicorn")


@dataclass(frozen=True, slots=True)
class Service:
    """One running service."""

    name: str
    url: str
    process: subprocess.Popen[str]


class Testbed:
    """The services of one state directory; `start` returns once all answer and the self-test has passed."""

    __test__ = False  # pytest would collect a class of this name

    def __init__(self, state: Path, ports: dict[str, int]) -> None:
        self.state = state
        self.ports = ports
        self.services: dict[str, Service] = {}
        self._facts: dict[str, Any] = {}
        self._open: list[int] = []

    @property
    def _ready(self) -> Path:
        return self.state / "testbed.json"

    def start(self) -> None:
        """Start, provision and self-test everything, then write testbed.json."""
        for name, port in self.ports.items():
            _require_free(name, port)
        lock = hold(self.state)
        # The services end when `held` closes, that is, however this process dies.
        lifeline, held = os.pipe()
        self._open = [lock, lifeline, held]
        self._ready.unlink(missing_ok=True)
        kept = kept_secrets(self.state / "secrets.json") | {"refresh_tokens": issued_tokens()}
        control = {"TESTBED_CONTROL_TOKEN": kept["control_token"], "TESTBED_STATE_DIR": str(self.state)}
        say("starting aws")
        aws = self._spawn("aws", control)
        with _named("Provisioning"):
            keys = provision(aws.url, self.state / "keys.json")
        say("starting catalog")
        self._spawn("catalog", control | _catalog_environment(aws.url, keys["catalog-service"], kept))
        say("self-test")
        with _named("The self-test"):
            self_test(aws.url, keys)
        self._facts = _facts(kept, keys)
        self._describe()

    def _describe(self) -> None:
        services = {
            s.name: {"url": s.url, "pid": s.process.pid, "exit": s.process.returncode} for s in self.services.values()
        }
        write_private(self._ready, self._facts | {"services": services})

    def wait(self, ended: threading.Event) -> None:
        """Wait until told to end.

        A service that dies is reported and recorded in testbed.json; the others go on.
        """
        living = dict(self.services)
        while not ended.wait(0.2):
            for name, service in tuple(living.items()):
                if service.process.poll() is not None:
                    del living[name]
                    say(f"the service `{name}` ended with {service.process.returncode}")
                    self._describe()

    def stop(self) -> None:
        """Stop the services, the catalog first, because it uses the storage until its end."""
        for service in reversed(self.services.values()):
            service.process.terminate()
            try:
                service.process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                service.process.kill()
                service.process.wait()
            if service.process.stdout:
                service.process.stdout.close()
        if self._open:  # without the lock, testbed.json belongs to another testbed
            self._ready.unlink(missing_ok=True)
        while self._open:
            os.close(self._open.pop())

    def _spawn(self, name: str, env: dict[str, str]) -> Service:
        port = self.ports.get(name) or free_port()
        lock, lifeline, _ = self._open
        with (self.state / f"{name}.log").open("a", encoding="utf-8") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"testbed.{name}"],
                env=os.environ | env | {"TESTBED_PORT": str(port), "NIGHTPROOF_LIFELINE_FD": str(lifeline)},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                pass_fds=(lock, lifeline),
            )
        service = Service(name, f"http://127.0.0.1:{port}", process)
        self.services[name] = service
        _await_ready(service, self.state / f"{name}.log")
        return service


def say(line: str) -> None:
    """Write a line to stderr, for a person."""
    sys.stderr.write(f"testbed: {line}\n")
    sys.stderr.flush()


def free_port() -> int:
    """Ask the kernel for a free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _require_free(name: str, port: int) -> None:
    remedy = f"free it, or set testbed_{name}_port to 0."
    if not 0 <= port <= LAST_PORT:
        raise UsageError(f"The port {port} for the testbed's `{name}` is not one of 0 to {LAST_PORT}: {remedy}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            why = error.strerror or str(error)
            raise UsageError(f"The port {port} for the testbed's `{name}` cannot be used ({why}): {remedy}") from error


@contextlib.contextmanager
def _named(step: str) -> Iterator[None]:
    """Raise StartError with the name of the failed step."""
    try:
        yield
    except (ProvisioningError, SelfTestError, ClientError, BotoCoreError) as error:
        raise StartError(f"{step} failed: {error}") from error


def _await_ready(service: Service, log: Path) -> None:
    """Wait for the service's `ready` line.

    Raise StartError with the end of its log if it dies, or is silent for START_DEADLINE_S.
    """
    deadline = threading.Timer(START_DEADLINE_S, service.process.kill)
    deadline.start()
    try:
        line = service.process.stdout.readline() if service.process.stdout else ""
    finally:
        deadline.cancel()
    if not line.startswith("ready "):
        tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["its log is empty"]
        raise StartError(f"The testbed's `{service.name}` did not start: {tail[0]} (log: {log}).")


def _catalog_environment(aws_url: str, key: dict[str, str], kept: dict[str, Any]) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": aws_url,
        "AWS_ACCESS_KEY_ID": key["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "TESTBED_JWT_SECRET": kept["jwt_secret"],
        "TESTBED_SEED_REFRESH_TOKENS": json.dumps(kept["refresh_tokens"]),
    }


def _facts(kept: dict[str, Any], keys: dict[str, dict[str, str]]) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "started": time.time(),
        "control_token": kept["control_token"],
        "credentials": {name: keys[name] for name in ("ci-runner", "ci-seeder")},
        "refresh_tokens": kept["refresh_tokens"],
        "jwt_secret": kept["jwt_secret"],
        "versions": {name: metadata.version(name) for name in PACKAGES},
    }
