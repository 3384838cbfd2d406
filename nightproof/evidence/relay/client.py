"""The tests' side of the relay: it starts the relay, routes programs through it, and collects what it counted."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from urllib.parse import urlsplit

from nightproof.evidence.relay.upstream import VARIABLES as PROXIES
from nightproof.evidence.wire.endpoints import PORTS
from nightproof.evidence.wire.endpoints import RELAYS
from nightproof.evidence.wire.endpoints import endpoint_of
from nightproof.evidence.wire.endpoints import parse_endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nightproof.evidence.counting import Asker

VARIABLE: Final = "NIGHTPROOF_RELAY"  # the endpoints whose answers the relay counts
URLS: Final = "NIGHTPROOF_URL_"
BYPASSES: Final = ("NO_PROXY", "no_proxy", "no_grpc_proxy")
NODE: Final = "NODE_USE_ENV_PROXY"  # without it, Node's own clients take no proxy from their environment
COMMAND: Final = ("-m", "nightproof.evidence.relay")
START_S: Final = 30.0
ANSWER_S: Final = 5.0
END_S: Final = 2.0
BLOCK_BYTES: Final = 65536
Counts = list[Any]


class Relay:
    """The relay of this process; a dead one forwards and counts nothing, and no call waits for it."""

    def __init__(self, endpoints: str, env: Mapping[str, str]) -> None:
        self._lock = threading.Lock()
        self._unread = b""
        self._counts: Counts = []
        self.given: dict[str, str | None] = {}  # the changed variables with their values before
        self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
            [sys.executable, *COMMAND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=dict(env)
        )
        found = self._ask({"endpoints": endpoints, "tcp": targets(endpoints, env)}, START_S)
        self.proxy: int = found["proxy"] if found else 0
        self.tcp: dict[str, int] = found["tcp"] if found else {}

    def offer(self) -> None:
        """Route programs that honour proxies through the relay, and replace other endpoints by its ports."""
        proxy = f"http://127.0.0.1:{self.proxy}"
        changed: dict[str, str | None] = dict.fromkeys(PROXIES, proxy) | dict.fromkeys(BYPASSES) | {NODE: "1"}
        changed |= {name: _replaced(os.environ[name], port) for name, port in self.tcp.items()}
        changed[RELAYS] = " ".join(map(str, [self.proxy, *self.tcp.values()]))
        for name, value in changed.items():
            self.given[name] = os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value

    def enter(self, who: Asker) -> None:
        """Switch to another sender; a late answer to an earlier question still counts for the earlier sender."""
        self._counts += self._ask(who, ANSWER_S) or []

    def collect(self) -> Counts:
        """Return what was counted since the last call."""
        found, self._counts = [*self._counts, *(self._ask(None, ANSWER_S) or [])], []
        return found

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def forget(self) -> None:
        """Close the pipes in a process that a test forked, without a message to the relay."""
        process, self._process = self._process, None
        self._lock = threading.Lock()
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            process.returncode = 0  # not ours to wait for

    def _ask(self, order: Any, seconds: float) -> Any:
        with self._lock:
            process = self._process
            if process is None or process.stdin is None or process.stdout is None:
                return None
            try:
                process.stdin.write(json.dumps(order).encode() + b"\n")
                return json.loads(self._line(process.stdout.fileno(), seconds))
            except (OSError, ValueError):
                self._process = None
                _end(process)
        sys.stderr.write("nightproof: the relay has died, so that nothing is forwarded or counted by it any more.\n")
        return None

    def _line(self, fd: int, seconds: float) -> bytes:
        while b"\n" not in self._unread:
            if not select.select([fd], [], [], seconds)[0]:
                raise TimeoutError(f"no word within {seconds:.0f} s")
            data = os.read(fd, BLOCK_BYTES)
            if not data:
                raise ConnectionError("the relay is gone")
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\n")
        return line


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def targets(endpoints: str, env: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """Return host and port of each URL variable whose endpoint speaks another protocol than HTTP."""
    relayed = set(endpoints.split())
    found = {}
    for name, url in env.items():
        scheme = urlsplit(url).scheme if "://" in url else ""
        if name.startswith(URLS) and scheme not in PORTS and endpoint_of(url) in relayed:
            host, port = parse_endpoint(endpoint_of(url))
            if port:
                found[name] = (host, port)
    return found


def _replaced(url: str, port: int) -> str:
    """Return a URL, or host and port, with the relay's address instead of its own."""
    if "://" not in url:
        return f"127.0.0.1:{port}"
    parts = urlsplit(url)
    user, at, _ = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()


class _Own:
    relay: Relay | None = None


def start() -> None:
    """Start the relay of this process if its suite wants one."""
    if endpoints := os.environ.get(VARIABLE):
        _Own.relay = Relay(endpoints, os.environ)
        _Own.relay.offer()
        os.register_at_fork(after_in_child=_forget)


def close() -> None:
    """End the relay of this process, if it has one."""
    if _Own.relay is not None:
        _Own.relay.close()


def running() -> Relay | None:
    """Return the relay of this process, or None."""
    return _Own.relay


def given_environment() -> dict[str, str]:
    """Return the environment without the changes made for the relay, which ends with this process."""
    env: dict[str, str | None] = {**os.environ, **(_Own.relay.given if _Own.relay else {})}
    return {name: value for name, value in env.items() if value is not None}


def _forget() -> None:
    if _Own.relay is not None:
        _Own.relay.forget()
