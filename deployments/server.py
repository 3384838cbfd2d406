"""A Prefect server of this project: home in the state directory, on loopback, quiet, and stopped with its starter."""

from __future__ import annotations

import os
import secrets
import socket
import time
from dataclasses import dataclass
from datetime import UTC
from datetime import datetime
from typing import TYPE_CHECKING
from typing import Final

import httpx
from filelock import FileLock
from filelock import Timeout

from deployments.api_guard import URL_VARIABLE
from deployments.api_guard import own_origins
from nightproof.errors import Blocked
from nightproof.evidence.private import FILE
from nightproof.evidence.private import OTHERS
from nightproof.evidence.private import private_file
from nightproof.evidence.private import private_folder
from nightproof.lifeline import Kept
from nightproof.lifeline import keep
from nightproof.progress import announce
from nightproof.target import ROOT
from nightproof.waiting import await_value

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S: Final = 180.0  # enough for a busy machine; a server that ends is reported at once
TELL_EVERY_S: Final = 10.0
STOP_GRACE_S: Final = 15.0
QUIET: Final = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
}


@dataclass(slots=True)
class Server:
    """A running server and how to reach it."""

    url: str
    home: Path
    child: Kept
    auth: str = ""

    @property
    def api(self) -> str:
        """Return the value of PREFECT_API_URL."""
        return f"{self.url}/api"

    def stop(self) -> None:
        """End the server."""
        self.child.stop(STOP_GRACE_S)


def environment(home: Path, api: str = "", auth: str = "") -> dict[str, str]:
    """Return the variables that keep Prefect in our folder, silence it, and give API clients address and login."""
    client = {"PREFECT_API_URL": api, "PREFECT_API_AUTH_STRING": auth}
    return QUIET | {"PREFECT_HOME": str(home)} | {name: value for name, value in client.items() if value}


def new_auth() -> str:
    """Return a fresh user and password for the API, as Prefect's own setting takes them."""
    return f"nightproof:{secrets.token_urlsafe(24)}"


def start(
    state_dir: Path, *, with_services: bool, port: int = 0, auth: str = "", patience_s: float = PATIENCE_S
) -> Server:
    """Start a server and wait until it is healthy; raise Blocked with its last log line as soon as it ends instead.

    Without services nothing is scheduled and no automation acts: enough for one run in this process. Every request
    needs `auth` (user:password); by default a fresh one is made, which only this process knows.
    """
    home = state_dir / "prefect"
    private_folder(home)
    try:
        # Two servers that migrate one new database at the same time crash each other.
        with FileLock(home / "start.lock", timeout=patience_s, mode=FILE, thread_local=False):
            services = {} if with_services else NO_SERVICES
            return _start(home, port or free_port(), auth or new_auth(), services, patience_s)
    except Timeout as error:
        raise Blocked(
            f"Another Prefect server of `{home}` has been starting for {patience_s:g} s: look at its `server.log`."
        ) from error


def _start(home: Path, port: int, auth: str, services: dict[str, str], patience_s: float) -> Server:
    log = home / "server.log"
    url = f"http://127.0.0.1:{port}"
    module = [
        "uvicorn", "--factory", "deployments.api_guard:create_app",
        "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning", "--lifespan", "on",
    ]  # fmt: skip
    clean = {name: value for name, value in os.environ.items() if name not in CLIENT}
    before = _note(log, f"starting at {url}")
    child = keep(module, clean | environment(home) | services | _doors(url, auth), log, ROOT, umask=OTHERS)
    server = Server(url, home, child, auth)
    try:
        _await_health(server, log, before, patience_s)
    except TimeoutError as error:
        last = _last_line(log, before)
        _note(log, f"ended by its starter: it did not answer within {patience_s:g} s")
        server.stop()
        raise Blocked(
            f"The Prefect server did not answer at {url} within {patience_s:g} s: {last}. "
            f"Read `{log}`, or set `server_start_s` in the profile for a slower machine."
        ) from error
    except BaseException:
        # A signal while waiting must not leave the server behind.
        server.stop()
        raise
    return server


def _await_health(server: Server, log: Path, before: int, patience_s: float) -> None:
    """Wait for the first healthy answer; announce every 10 s that the server is still awaited."""
    end = time.monotonic() + patience_s
    # One client for all questions: making one takes more of a small machine than the server's start can spare.
    with httpx.Client(timeout=2) as client:
        while True:
            left_s = end - time.monotonic()
            try:
                await_value(lambda: _is_healthy(server, client, log, before), min(TELL_EVERY_S, left_s), 0.1)
            except TimeoutError:
                if left_s <= TELL_EVERY_S:
                    raise
                waited_s = patience_s - left_s + TELL_EVERY_S
                announce("prefect", f"waiting for the Prefect server, {waited_s:.0f} of at most {patience_s:g} s")
            else:
                return


def _note(log: Path, text: str) -> int:
    """Append our own line to the server's log, so that it is never empty; return the log's size after it."""
    with private_file(log).open("a", encoding="utf-8") as file:
        file.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC: {text}\n")
        return file.tell()


def _last_line(log: Path, before: int) -> str:
    """Return the last line of the log since offset `before`, so that no line of an earlier start is quoted."""
    lines = log.read_bytes()[before:].decode(errors="replace").splitlines()
    said = [line.strip() for line in lines if line.strip()]
    return said[-1] if said else "it wrote nothing"


def _doors(url: str, auth: str) -> dict[str, str]:
    """Return the server's variables for its addresses, its login and its allowed origins."""
    return {
        URL_VARIABLE: url,
        "PREFECT_UI_API_URL": f"{url}/api",
        "PREFECT_SERVER_API_AUTH_STRING": auth,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(own_origins(url)),
    }


CLIENT: Final = frozenset({"PREFECT_API_URL", "PREFECT_API_AUTH_STRING"})
NO_SERVICES: Final = {
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_PAUSE_EXPIRATIONS_ENABLED": "false",
}


def _is_healthy(server: Server, client: httpx.Client, log: Path, before: int) -> bool:
    code = server.child.process.poll()
    if code is not None:
        last = _last_line(log, before)
        raise Blocked(f"The Prefect server ended while starting, exit {code}: {last}. Read `{log}`.")
    try:
        return client.get(f"{server.api}/health").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def free_port(wanted: int = 0) -> int:
    """Return the wanted port if it is free on loopback, else any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
