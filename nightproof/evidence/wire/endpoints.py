"""The endpoints of the system under test, as the runner declares them, and whether an address is one of them."""

from __future__ import annotations

import os
import socket
import time
from functools import lru_cache
from typing import TYPE_CHECKING
from typing import Any
from typing import Final
from typing import NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

VARIABLE: Final = "NIGHTPROOF_ENDPOINTS"
RELAYS: Final = "NIGHTPROOF_RELAY_PORTS"  # on loopback; the relay itself counts what comes from there
UNIX: Final = "unix:"
ANY: Final = "*."
PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
RESOLVED_S: Final = 30.0  # names of large services change their addresses by the minute
MOST_NAMES: Final = 10_000
MOST_PORT: Final = 65535
LOCAL: Final = ("127.0.0.1", "::1")

Address = tuple[str, int]  # of a Unix socket: `unix:` and its path, 0

_resolve: Any = socket.getaddrinfo  # before anybody wraps it
_names: dict[str, set[str]] = {}


class Endpoint(NamedTuple):
    """A host, or `*.` and a domain, with a port; None means every port."""

    host: str
    port: int | None

    def is_named(self, name: str) -> bool:
        """Return whether a host's name or address matches this endpoint as it is written."""
        return name.endswith(self.host[1:]) if self.host.startswith(ANY) else name == self.host


def endpoint_of(url: str) -> str:
    """Return the endpoint of a URL in the form of the variable; a text that is not a URL is one already."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or PORTS.get(parts.scheme)
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{port}" if port else name


def parse_endpoint(text: str) -> Endpoint:
    """Return host and port of `host`, `host:port`, `[::1]:port` or `unix:/path`; raise ValueError for a bad port."""
    if text.startswith(UNIX):
        return Endpoint(text, 0)
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return Endpoint(plain_host(host), int(port[1:]) if port else None)
    host, _, port = text.partition(":")
    return Endpoint(plain_host(host), int(port) if port else None)


def check_endpoints(texts: Iterable[object]) -> None:
    """Raise ValueError, with the remedy, for the first text that is not an endpoint."""
    for text in map(str, texts):
        if not _is_endpoint(text):
            raise ValueError(f"`{text}` is no host: give `host`, `host:port`, `*.domain`, `[::1]:port` or `unix:/path`")


def _is_endpoint(text: str) -> bool:
    try:
        host, port = parse_endpoint(text)
    except ValueError:
        return False
    is_port = port is None or 0 < port <= MOST_PORT
    return " " not in text and (host.startswith(f"{UNIX}/") or bool(host and "/" not in host and is_port))


def plain_host(host: str) -> str:
    """Return a host in one spelling: lower case, without zone, an IPv4 address without its IPv6 form."""
    host = host.lower().partition("%")[0].rstrip(".")
    return host[len("::ffff:") :] if host.startswith("::ffff:") and "." in host else host


def learn(host: str | bytes | None, found: Any) -> None:
    """Record the name under which this process looked up an address."""
    if host and len(_names) < MOST_NAMES:
        name = plain_host(host.decode("ascii", "replace") if isinstance(host, bytes) else str(host))
        for entry in found:
            _names.setdefault(plain_host(str(entry[4][0])), set()).add(name)


class Endpoints:
    """The declared endpoints; if there are none, `links` decides by who owns the server."""

    def __init__(self, text: str) -> None:
        self.entries = tuple(parse_endpoint(word) for word in text.split())
        self._resolved: dict[str, tuple[float, frozenset[str]]] = {}

    def covers(self, address: Address) -> bool:
        """Return whether an address is declared, by itself or by a name that resolves to it."""
        host, port = address
        names = {host, *_names.get(host, ()), *(LOCAL if host == "localhost" else ())}
        asked = [entry for entry in self.entries if entry.port in {None, port}]
        if any(entry.is_named(name) for entry in asked for name in names):
            return True
        return any(host in self._addresses(entry.host) for entry in asked)

    def _addresses(self, host: str) -> frozenset[str]:
        if host.startswith((ANY, UNIX)) or ":" in host:
            return frozenset()
        until, found = self._resolved.get(host, (0.0, frozenset()))
        if time.monotonic() >= until:
            found = _look_up(host) | found  # an address of a moment ago is still the system's
            self._resolved[host] = (time.monotonic() + RESOLVED_S, found)
        return found


def _look_up(host: str) -> frozenset[str]:
    own = frozenset(LOCAL if host == "localhost" else ())  # both, whatever the machine's table of hosts says
    try:
        return own | {plain_host(str(entry[4][0])) for entry in _resolve(host, None)}
    except (OSError, UnicodeError):
        return own  # a name that does not resolve covers nothing


@lru_cache(maxsize=4)
def _parsed(text: str) -> Endpoints:
    return Endpoints(text)


def declared() -> Endpoints:
    """Return the endpoints declared to this process."""
    return _parsed(os.environ.get(VARIABLE, ""))


def is_relay(address: Address) -> bool:
    """Return whether our own relay listens at an address: it counts what it forwards itself."""
    host, port = address
    return host in LOCAL and str(port) in os.environ.get(RELAYS, "").split()
