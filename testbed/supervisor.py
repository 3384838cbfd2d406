"""Starts the services, makes them ready and says so in testbed.json; ends them with itself."""

from __future__ import annotations

import json
import os
import secrets
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

from testbed.aws.provision import ProvisioningError
from testbed.aws.provision import provision
from testbed.aws.selftest import self_test

if TYPE_CHECKING:
    from pathlib import Path

START_DEADLINE_S: Final = 60
STOP_DEADLINE_S: Final = 10
USERS: Final = ("test-user", "test-admin", "test-readonly", "test-service")
PACKAGES: Final = ("ministack", "graphql-core", "starlette", "uvicorn")


class StartError(Exception):
    """The testbed cannot start; the message is one sentence with the remedy."""


@dataclass(frozen=True, slots=True)
class Service:
    """One running service."""

    name: str
    url: str
    process: subprocess.Popen[str]


class Testbed:
    """The services of one state directory; `start` returns once each has answered and proved itself."""

    __test__ = False

    def __init__(self, state: Path, ports: dict[str, int]) -> None:
        self.state = state
        self.ports = ports
        self.services: dict[str, Service] = {}
        self._lifeline, self._held = os.pipe()

    def start(self) -> dict[str, Any]:
        """Start, provision and self-test everything; return what testbed.json holds."""
        self.state.mkdir(parents=True, exist_ok=True)
        kept = _kept_secrets(self.state / "secrets.json")
        control = {"TESTBED_CONTROL_TOKEN": kept["control_token"], "TESTBED_STATE_DIR": str(self.state)}
        say("starting aws")
        aws = self._spawn("aws", control)
        try:
            keys = provision(aws.url, self.state / "keys.json")
        except ProvisioningError as error:
            raise StartError(f"Provisioning failed: {error}") from error
        say("starting catalog")
        catalog = self._spawn("catalog", control | _catalog_environment(aws.url, keys["catalog-service"], kept))
        say("self-test")
        self_test(aws.url, keys)
        return _document(self.services, kept, keys, [aws, catalog])

    def wait(self, ended: threading.Event) -> None:
        """Stay until told to end; a service that dies is reported, the others go on."""
        reported: set[str] = set()
        while not ended.wait(0.2):
            for name, service in self.services.items():
                if name not in reported and service.process.poll() is not None:
                    reported.add(name)
                    say(f"the service `{name}` ended with {service.process.returncode}")

    def stop(self) -> None:
        """End the services, the catalog first: it speaks to the storage until the end."""
        for service in reversed(self.services.values()):
            service.process.terminate()
            try:
                service.process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                service.process.kill()
                service.process.wait()

    def _spawn(self, name: str, env: dict[str, str]) -> Service:
        port = self.ports.get(name) or free_port()
        _require_free(name, port)
        log = (self.state / f"{name}.log").open("a", encoding="utf-8")
        process = subprocess.Popen(
            [sys.executable, "-m", f"testbed.{name}"],
            env=os.environ | env | {"TESTBED_PORT": str(port), "NIGHTPROOF_LIFELINE_FD": str(self._lifeline)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            pass_fds=(self._lifeline,),
        )
        log.close()
        service = Service(name, f"http://127.0.0.1:{port}", process)
        self.services[name] = service
        _await_ready(service, self.state / f"{name}.log")
        return service


def say(line: str) -> None:
    """Tell a person what happens."""
    sys.stderr.write(f"testbed: {line}\n")
    sys.stderr.flush()


def free_port() -> int:
    """Ask the kernel for a free port on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _require_free(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StartError(
                f"The port {port} for the testbed's `{name}` is in use: free it, or set testbed_{name}_port to 0."
            ) from error


def _await_ready(service: Service, log: Path) -> None:
    """Wait for the service's `ready` line; its death or silence is named with the end of its log."""
    deadline = threading.Timer(START_DEADLINE_S, service.process.kill)
    deadline.start()
    try:
        line = service.process.stdout.readline() if service.process.stdout else ""
    finally:
        deadline.cancel()
    if not line.startswith("ready "):
        tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:] or ["its log is empty"]
        raise StartError(f"The testbed's `{service.name}` did not start: {tail[0]} (log: {log}).")


def _kept_secrets(path: Path) -> dict[str, Any]:
    """Give the state directory's secrets, made at its first start and kept since."""
    if path.is_file():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found
    made = {
        "control_token": secrets.token_urlsafe(24),
        "jwt_secret": secrets.token_urlsafe(32),
        "refresh_tokens": {user: secrets.token_urlsafe(32) for user in USERS},
    }
    write_private(path, made)
    return made


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write JSON in one step, readable by its owner only."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    fresh.replace(path)


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


def _document(
    services: dict[str, Service], kept: dict[str, Any], keys: dict[str, dict[str, str]], started: list[Service]
) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "started": time.time(),
        "services": {s.name: {"url": s.url, "pid": s.process.pid} for s in started if s.name in services},
        "control_token": kept["control_token"],
        "credentials": {name: keys[name] for name in ("ci-runner", "ci-seeder")},
        "refresh_tokens": kept["refresh_tokens"],
        "jwt_secret": kept["jwt_secret"],
        "versions": {name: metadata.version(name) for name in PACKAGES},
    }
